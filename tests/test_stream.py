"""A stream whose ring overflows, or whose source loses samples, says so on the wire and balances its ledger."""

import threading

import pytest
from tiny import noise, tiny_model

from streamdeep.errors import SourceError
from streamdeep.rack.rack import Rack
from streamdeep.stream import Stream
from streamdeep.wire.kinds import EmbeddingMessage, EventMessage, StatusMessage
from streamdeep.wire.publisher import Publisher
from streamdeep.wire.subscriber import Subscriber


class Script:
    """A source that writes when the test says so."""

    name, sample_rate_hz, n_channels, live = "script", 8000, 1, True

    def start(self, ring):
        self.ring = ring

    def stop(self):
        pass


@pytest.fixture
def line():
    """A stream on a real publisher, and a subscriber that has joined."""
    with (
        Publisher("tcp://127.0.0.1:*") as publisher,
        Subscriber(publisher.endpoint, kinds=("embedding", "event", "status")) as subscriber,
    ):
        model = tiny_model()
        rack = Rack(model)
        slot = rack.open(8000, 1, ring_s=10.0)
        stream = Stream(
            "script", Script(), slot, publisher, model=model, segment=rack.segment, offline=False
        )
        waiting = threading.Event()
        while not publisher.is_subscribed("embedding/script/"):
            publisher.service()
            waiting.wait(0.01)
        stream.start()
        yield rack, stream, subscriber


def work(rack, stream):
    """All that is due."""
    due = True
    while due and not stream.ended:
        outlook, results = rack.look(1)
        due = outlook.delay_s is not None or results
        for result in results + rack.turn(outlook, 1):
            stream.take(result, 1)
        assert stream.ledger().unaccounted == 0


def finish(rack, stream):
    stream.slot.source.close()
    work(rack, stream)
    assert stream.ended


def received(subscriber):
    messages = []
    while not messages or not (isinstance(messages[-1], StatusMessage)):
        message = subscriber.receive(10.0)
        assert message is not None
        messages.append(message)
    return messages


def test_an_overflow_is_counted_told_and_begins_an_epoch(line):
    rack, stream, subscriber = line
    capacity = 80_000
    taken = stream.slot.source.write(noise(capacity + 5000), 1)
    assert taken == capacity
    ledger = stream.ledger()  # at this very instant, with everything still in the ring
    assert (ledger.captured, ledger.in_flight, ledger.dropped) == (
        capacity + 5000,
        capacity,
        {"overflow": 5000},
    )
    work(rack, stream)
    stream.slot.source.write(noise(20_000), 2)
    finish(rack, stream)
    messages = received(subscriber)
    events = [message for message in messages if isinstance(message, EventMessage)]
    assert [event.event for event in events] == ["start", "overflow", "stop"]
    assert (events[1].n_samples, events[1].at_sample, events[1].epoch) == (5000, capacity + 5000, 1)
    epochs = [message.epoch for message in messages if isinstance(message, EmbeddingMessage)]
    assert sorted(set(epochs)) == [0, 1]
    counters = messages[-1].counters
    assert counters["captured"] == capacity + 25_000
    assert counters["dropped"]["overflow"] >= 5000
    assert counters["in_flight"] == 0


def test_samples_that_were_never_captured_are_a_gap_in_the_epochs_first_message(line):
    rack, stream, subscriber = line
    stream.slot.source.write(noise(10_000), 1)
    stream.slot.source.write(
        noise(10_000), 2, gap_samples=700, gap_estimated=True, gap_cause="unplugged"
    )
    finish(rack, stream)
    messages = received(subscriber)
    gap = next(m for m in messages if isinstance(m, EventMessage) and m.event == "gap")
    assert (gap.n_samples, gap.at_sample, gap.estimated) == (700, 10_700, True)
    assert gap.reason == "700 samples lost: unplugged"
    second = [m for m in messages if isinstance(m, EmbeddingMessage) and m.epoch == 1]
    assert [message.gap_samples for message in second][:2] == [700, 0]
    assert messages[-1].counters["captured"] == 20_000
    assert messages[-1].counters["gap_samples"] == 700


def test_the_first_reason_for_an_end_is_kept(line):
    _, stream, _ = line
    stream.slot.source.close(SourceError("unplugged"))
    stream.stop()
    assert str(stream.error) == "unplugged"
