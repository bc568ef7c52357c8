"""Publisher and subscriber over real sockets. Nothing sleeps for luck: every wait is for something."""

import os
import socket
import struct
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import zmq

from streamdeep.errors import ConfigurationError
from streamdeep.records import Embedding, Flag
from streamdeep.wire import link
from streamdeep.wire.kinds import (
    ClockPoint,
    EmbeddingMessage,
    EventMessage,
    ModelMessage,
    StatusMessage,
)
from streamdeep.wire.messages import pack
from streamdeep.wire.publisher import Publisher
from streamdeep.wire.sendqueue import undelivered_bytes
from streamdeep.wire.subscriber import Subscriber

ANY = "tcp://127.0.0.1:*"
DIGEST = bytes(range(32))
DEADLINE_S = 20.0
GOLDEN = Path(__file__).parent / "golden" / "wire_v1"


def announce(publisher, stream="a", *, digest=DIGEST):
    publisher.announce(
        stream,
        digest=digest,
        name="scene",
        dim=4,
        sample_rate_hz=16000,
        hop_samples=640,
        window_samples=1280,
        segment_frames=124,
        segment_hop_frames=62,
        source_rate_hz=48000,
        source_channels=1,
        incremental=True,
        frontend_json="{}",
        version="0.1.0",
    )


def publish(
    publisher,
    stream="a",
    *,
    start=0,
    dim=4,
    flags=None,
    digest=DIGEST,
    captured_ns=0,
    value=None,
    **more,
):
    embedding = Embedding(
        np.full(dim, start if value is None else value, np.float32),
        epoch=0,
        start_sample=start,
        n_samples=10,
        sample_rate_hz=48000,
        level_dbfs=-20.0,
        peak_dbfs=-3.0,
        flags=flags or Flag(0),
    )
    publisher.publish_embedding(
        stream,
        embedding,
        model=digest[:8],
        captured_monotonic_ns=captured_ns,
        stages_ns={"encoder": 5},
        **more,
    )


def report(publisher, stream="a"):
    clock = ClockPoint(10, 20, 30, 48000)
    publisher.publish_status(
        stream,
        counters={"captured": 10, "dropped": {"gap": 1}},
        clock=clock,
        uptime_s=1.5,
        live=True,
    )


def until(condition, step):
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        step()


def serve_until(publisher, condition):
    until(condition, lambda: (publisher.wait(0.1), publisher.service()))


def joined(publisher, subscriber, *, n_before=0):
    """Wait until all subscriptions of one more subscriber are known; there is one per kind, and model, status."""
    n_wanted = n_before + len(subscriber._tally._prefixes)
    serve_until(publisher, lambda: publisher.subscriptions >= n_wanted)
    return n_wanted


def collect(publisher, subscriber, n_wanted):
    found = []

    def step():
        publisher.service()
        message = subscriber.receive(0.02)
        if message is not None:
            found.append(message)

    until(lambda: len(found) >= n_wanted, step)
    return found


def test_what_is_published_arrives_with_its_times_filled_in():
    monotonic_ns, utc_ns = iter([1_000]), 5_000_000
    with (
        Publisher(ANY, clock=lambda: next(monotonic_ns), utc=lambda: utc_ns) as publisher,
        Subscriber(publisher.endpoint, hold=False) as subscriber,
    ):
        # Serving would use up the clock, so the joins are read without it.
        until(lambda: publisher.subscriptions >= 4, lambda: publisher._outbox.joins())
        publish(publisher, captured_ns=500, handed_over_monotonic_ns=900)
        message = subscriber.receive(DEADLINE_S)
    assert isinstance(message, EmbeddingMessage)
    assert message.session == publisher.session
    assert (message.sequence, message.published_monotonic_ns, message.published_utc_ns) == (
        0,
        1_000,
        utc_ns,
    )
    assert (message.latency_ns, message.captured_utc_ns) == (500, utc_ns - 500)
    assert message.stages_ns == {
        "capture": 0,
        "resample": 0,
        "frontend": 0,
        "encoder": 5,
        "publish": 100,
    }
    assert message.vector.tolist() == [0, 0, 0, 0]


def test_a_late_joiner_gets_model_and_last_status_and_so_does_the_second():
    with ExitStack() as stack:
        publisher = stack.enter_context(Publisher(ANY))
        announce(publisher)
        for start in range(3):
            publish(publisher, start=start)
            report(publisher)
        known = 0
        for _ in range(2):
            subscriber = stack.enter_context(Subscriber(publisher.endpoint))
            known = joined(publisher, subscriber, n_before=known)
            found = collect(publisher, subscriber, 2)
            assert {type(message) for message in found} == {ModelMessage, StatusMessage}
            assert all(Flag.REPEAT in message.flags for message in found)
            assert {message.sequence for message in found} == {0, 2}
            publish(publisher, start=7)
            (message,) = collect(publisher, subscriber, 1)
            assert message.start_sample == 7
            topic = subscriber.statistics().topics["embedding/a/"]
            assert (topic.received, topic.lost, topic.before_join) == (1, 0, message.sequence)


def test_repeats_to_another_joiner_are_not_handed_out_twice():
    with Publisher(ANY) as publisher, Subscriber(publisher.endpoint) as first:
        known = joined(publisher, first)
        announce(publisher)
        report(publisher)
        assert len(collect(publisher, first, 2)) == 2
        with Subscriber(publisher.endpoint) as second:
            joined(publisher, second, n_before=known)
            collect(publisher, second, 2)
            publish(publisher)
            (message,) = collect(publisher, first, 1)
        assert isinstance(message, EmbeddingMessage)
        topics = first.statistics().topics
        assert topics["model/a/"].repeated == topics["status/a/"].repeated == 1
        assert first.statistics().lost == 0


def test_embeddings_wait_for_their_model():
    with Publisher(ANY) as publisher, Subscriber(publisher.endpoint) as subscriber:
        joined(publisher, subscriber)
        publish(publisher, start=1)
        publish(publisher, start=2)
        publisher.publish_event("a", "start", epoch=0, at_sample=0)
        assert isinstance(collect(publisher, subscriber, 1)[0], EventMessage)
        assert subscriber.statistics().held == 2
        announce(publisher)
        found = collect(publisher, subscriber, 3)
        assert isinstance(found[0], ModelMessage)
        assert [message.start_sample for message in found[1:]] == [1, 2]


def test_a_slow_reader_of_a_live_publisher_knows_exactly_what_it_lost():
    n_sent = 2000
    with (
        Publisher(ANY, high_water_mark=4) as publisher,
        Subscriber(publisher.endpoint, high_water_mark=4, hold=False) as subscriber,
    ):
        joined(publisher, subscriber)
        for start in range(n_sent):
            publish(
                publisher, start=start, dim=16384
            )  # 64 KiB each: the kernel's buffers are soon full
        found = []
        while (message := subscriber.receive(1.0)) is not None:
            found.append(message.start_sample)
        assert found == sorted(found)
        assert len(found) < n_sent
        # The end of the burst is lost too, and nothing comes after it: the status tells.
        report(publisher)
        assert isinstance(subscriber.receive(DEADLINE_S), StatusMessage)
        topic = subscriber.statistics().topics["embedding/a/"]
        assert topic.received == len(found)
        assert topic.received + topic.lost + topic.before_join == n_sent
        assert publisher.given_up == 0


def test_the_newest_only_after_a_stall():
    with Publisher(ANY) as publisher, Subscriber(publisher.endpoint, mode="latest") as subscriber:
        joined(publisher, subscriber)
        announce(publisher)
        for start in range(20):
            publish(publisher, "a", start=start)
            publish(publisher, "b", start=start)
        announce(publisher, "b")
        publisher.publish_event("a", "gap", epoch=1, at_sample=5, n_samples=2)
        publisher.publish_event("a", "stop", epoch=1, at_sample=9)
        # Everything is here when the last message is: one connection keeps order.
        until(lambda: subscriber.statistics().topics.get("event/a/") is not None, subscriber._drain)
        until(lambda: subscriber.statistics().topics["event/a/"].received == 2, subscriber._drain)
        found = [subscriber.receive(0) for _ in range(7)]
        embeddings = {
            each.stream: each.start_sample for each in found if isinstance(each, EmbeddingMessage)
        }
        assert embeddings == {"a": 19, "b": 19}
        assert [each.event for each in found if isinstance(each, EventMessage)] == ["gap", "stop"]
        assert found[-1] is None
        topics = subscriber.statistics().topics
        assert topics["embedding/a/"].skipped == topics["embedding/b/"].skipped == 19
        assert subscriber.statistics().lost == 0


def test_a_slow_reader_of_a_lossless_publisher_loses_nothing_not_even_the_end():
    n_sent, found = 3000, []
    publisher = Publisher(ANY, lossless=True, high_water_mark=2)
    subscriber = Subscriber(
        publisher.endpoint, high_water_mark=2, hold=False, kinds=["embedding", "event"]
    )

    def read():
        for message in subscriber:
            if isinstance(message, EventMessage):
                return
            found.append(message.start_sample)
            if len(found) % 50 == 0:
                time.sleep(0.02)  # slow on purpose

    with subscriber:
        joined(publisher, subscriber)
        reader = threading.Thread(target=read)
        reader.start()
        with publisher:
            for start in range(n_sent):
                publish(publisher, start=start, dim=1024)
            publisher.publish_event("a", "stop", epoch=0, at_sample=n_sent)
        reader.join(DEADLINE_S)
        assert found == list(range(n_sent))
        assert publisher.given_up == 0
        assert subscriber.statistics().lost == 0


def test_a_reader_that_is_stuck_costs_the_others_one_wait():
    n_sent = 300
    with ExitStack() as stack:
        publisher = stack.enter_context(
            Publisher(ANY, lossless=True, high_water_mark=2, patience_s=0.3)
        )
        stuck, good = (
            stack.enter_context(Subscriber(publisher.endpoint, high_water_mark=2, hold=False))
            for _ in range(2)
        )
        joined(publisher, good, n_before=joined(publisher, stuck))
        found = []
        begin_s = time.monotonic()
        for start in range(n_sent):
            publish(publisher, start=start, dim=65536)
            while (message := good.receive(0)) is not None:
                found.append(message.start_sample)
        while len(found) < n_sent and (message := good.receive(DEADLINE_S)) is not None:
            found.append(message.start_sample)
        assert found == list(range(n_sent))
        assert publisher.given_up == 1
        assert time.monotonic() - begin_s < DEADLINE_S
        publisher.stop_waiting()


def test_whoever_wants_to_stop_does_not_wait_for_a_stuck_reader():
    with (
        Publisher(ANY, lossless=True, high_water_mark=2, patience_s=1000) as publisher,
        Subscriber(publisher.endpoint, high_water_mark=2, hold=False) as stuck,
    ):
        joined(publisher, stuck)
        stopper = threading.Timer(0.3, publisher.stop_waiting)
        stopper.start()
        for start in range(300):
            publish(publisher, start=start, dim=65536)
        stopper.join()
        assert publisher.given_up > 0
        publisher.close()


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells")
def test_the_kernel_tells_what_it_has_not_delivered():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as reader, server.accept()[0] as writer:
            assert undelivered_bytes(port) == 0
            writer.setblocking(False)
            n_sent = 0
            while True:
                try:
                    n_sent += writer.send(bytes(65536))
                except BlockingIOError:
                    break
            assert undelivered_bytes(port) > 0
            while n_sent:
                n_sent -= len(reader.recv(65536))
            until(lambda: undelivered_bytes(port) == 0, lambda: time.sleep(0.001))


def test_a_reader_that_leaves_is_counted_out():
    with Publisher(ANY) as publisher:
        with Subscriber(publisher.endpoint) as first:
            known = joined(publisher, first)
            with Subscriber(publisher.endpoint) as second:
                joined(publisher, second, n_before=known)
            serve_until(publisher, lambda: publisher.subscriptions == known)
        serve_until(publisher, lambda: publisher.subscriptions == 0)


def test_streams_are_told_apart_though_one_name_begins_like_the_other():
    with (
        Publisher(ANY) as publisher,
        Subscriber(publisher.endpoint, streams=["mic1"], hold=False) as subscriber,
    ):
        joined(publisher, subscriber)
        publish(publisher, "mic10", start=1)
        publish(publisher, "mic1", start=2)
        assert collect(publisher, subscriber, 1)[0].start_sample == 2
        assert set(subscriber.statistics().topics) == {"embedding/mic1/"}


def test_early_embeddings_have_their_own_topic():
    with (
        Publisher(ANY) as publisher,
        Subscriber(publisher.endpoint, kinds=["early", "embedding"], hold=False) as both,
        Subscriber(publisher.endpoint, kinds=["embedding"], hold=False) as one,
    ):
        joined(publisher, one, n_before=joined(publisher, both))
        publish(publisher, start=1, flags=Flag.EARLY)
        publish(publisher, start=2)
        assert [message.start_sample for message in collect(publisher, both, 2)] == [1, 2]
        assert [message.sequence for message in collect(publisher, one, 1)] == [0]


def test_a_label_tells_which_embedding_it_is_about():
    with (
        Publisher(ANY) as engine,
        Publisher(ANY) as classifier,
        Subscriber(engine.endpoint, hold=False) as listener,
    ):
        joined(engine, listener)
        publish(engine, start=48000)
        (about,) = collect(engine, listener, 1)
        ends = [engine.endpoint, classifier.endpoint]
        with Subscriber(ends, kinds=["label"]) as subscriber:
            joined(classifier, subscriber)
            classifier.publish_label(
                about, head="scene", label="park", probabilities={"park": np.float32(0.75)}
            )
            (label,) = collect(classifier, subscriber, 1)
        assert (label.stream, label.head, label.label) == ("a", "scene", "park")
        assert (label.start_sample, label.model) == (48000, about.model)
        assert label.probabilities == {"park": 0.75}
        assert classifier.last_sequences("a") == {"label/a/scene/": 0}


def test_a_status_names_every_topic_of_its_stream():
    with Publisher(ANY) as publisher:
        announce(publisher)
        publish(publisher)
        publish(publisher, "other")
        report(publisher)
        assert publisher.last_sequences("a") == {
            "embedding/a/": 0,
            "event/a/": -1,
            "model/a/": 0,
            "status/a/": 0,
        }


def test_a_message_that_is_refused_uses_up_no_number():
    with Publisher(ANY) as publisher:
        announce(publisher)
        with pytest.raises(ValueError, match="finite"):
            publish(publisher, value=np.nan)
        with pytest.raises(ValueError, match="unknown stages"):
            publisher.publish_embedding(
                "a", None, model=DIGEST[:8], captured_monotonic_ns=0, stages_ns={"coffee": 1}
            )
        assert publisher.last_sequences("a")["embedding/a/"] == -1


def test_bad_messages_are_counted_and_passed_over():
    good = []
    data = (GOLDEN / "embedding.bin").read_bytes()
    while data:
        (length,) = struct.unpack_from("<I", data)
        good.append(data[4 : 4 + length])
        data = data[4 + length :]
    with zmq.Context() as context, context.socket(zmq.XPUB) as raw:
        raw.linger = 0
        port = raw.bind_to_random_port("tcp://127.0.0.1")
        with Subscriber(f"tcp://127.0.0.1:{port}", hold=False, timeout_s=DEADLINE_S) as subscriber:
            for _ in range(4):
                assert raw.recv()[:1] == b"\x01"
            for frames in (
                [b"embedding/"],
                [b"embedding/a", b"", b""],
                [good[0], b"\xc1", b""],
                [good[0], good[1].replace(b"\xa1v\x01", b"\xa1v\x02"), good[2]],
                [*good[:2], good[2][:-1]],
                good,
            ):
                raw.send_multipart(frames)
            assert next(iter(subscriber)).sequence == 7
            bad = subscriber.statistics().bad
            assert bad == {"frames": 1, "topic": 1, "header": 1, "version": 1, "payload": 1}


def test_a_connection_that_libzmq_gave_up_on_comes_back(monkeypatch):
    monkeypatch.setattr(link, "RENEW_AFTER_NS", 200_000_000)
    with zmq.Context() as context, context.socket(zmq.XPUB) as raw:
        raw.linger = 0
        port = raw.bind_to_random_port("tcp://127.0.0.1")
        with Subscriber(f"tcp://localhost:{port}", kinds=["event"]) as subscriber:
            for _ in range(3):
                assert raw.recv()[:1] == b"\x01"
            raw.send_multipart(
                [b"event/a/", b"", bytes(1024 * 1024 + 1)]
            )  # too large: a protocol error
            event = EventMessage(
                stream="a", session=bytes(16), sequence=0, published_utc_ns=0, published_monotonic_ns=0,
                event="start", epoch=0, at_sample=0,
            )  # fmt: skip
            raw.setsockopt(zmq.RCVTIMEO, 0)

            def step():
                while raw.poll(0):
                    raw.recv()
                raw.send_multipart(pack(event))

            until(lambda: subscriber.receive(0.05) is not None, step)
            assert subscriber.statistics().renewals >= 1


def test_a_restarted_publisher_is_noticed_as_a_new_session():
    with Publisher(ANY) as publisher, Subscriber(publisher.endpoint, hold=False) as subscriber:
        joined(publisher, subscriber)
        publish(publisher)
        assert collect(publisher, subscriber, 1)[0].session == publisher.session
        publisher.close()
        with Publisher(publisher.endpoint) as again:
            # libzmq sends subscriptions again only from within a call, so the reader has to be reading.
            until(
                lambda: again.subscriptions >= 4,
                lambda: (again.wait(0.01), again.service(), subscriber.receive(0)),
            )
            publish(again, start=5)
            assert collect(again, subscriber, 1)[0].session == again.session
        topic = subscriber.statistics().topics["embedding/a/"]
        assert (topic.received, topic.lost, topic.session_changes) == (2, 0, 1)


def test_age_is_exact_on_one_host():
    now_ns = time.monotonic_ns()
    with (
        Publisher(ANY) as publisher,
        Subscriber(
            publisher.endpoint, hold=False, clock=lambda: now_ns + 4_000_000_000
        ) as subscriber,
    ):
        joined(publisher, subscriber)
        publish(publisher, captured_ns=now_ns - 1_000_000_000)
        report(publisher)
        collect(publisher, subscriber, 2)
        topics = subscriber.statistics().topics
        assert topics["embedding/a/"].age_s == pytest.approx(5.0, abs=1e-6)
        assert topics["embedding/a/"].clock_offset_bound_s == 0.0
        assert topics["status/a/"].age_s is None


def test_waiting_ends_with_a_join_or_with_a_byte_on_the_descriptor():
    readable, writable = os.pipe()
    with Publisher(ANY) as publisher:
        os.write(writable, b"x")
        begin_s = time.monotonic()
        publisher.wait(60, wake=readable)
        os.read(readable, 1)
        with Subscriber(publisher.endpoint):
            publisher.wait(60, wake=readable)
            publisher.service()
            assert publisher.subscriptions > 0
        assert time.monotonic() - begin_s < DEADLINE_S
    os.close(readable)
    os.close(writable)


def test_within_one_process_no_port_is_needed():
    with (
        Publisher("inproc://wire-test") as publisher,
        Subscriber("inproc://wire-test") as subscriber,
    ):
        joined(publisher, subscriber)
        announce(publisher)
        publish(publisher, start=3)
        assert collect(publisher, subscriber, 2)[1].start_sample == 3


def test_iteration_ends_when_nothing_comes():
    with Subscriber("tcp://127.0.0.1:9", timeout_s=0.05) as subscriber:
        assert list(subscriber) == []
        assert subscriber.receive(0) is None


def test_wrong_arguments_are_refused_in_words():
    for connect in ("nonsense", "tcp://", "tcp://127.0.0.1", []):
        with pytest.raises(ConfigurationError, match=r"tcp://127\.0\.0\.1:5757"):
            Subscriber(connect)
    with pytest.raises(ConfigurationError, match="no stream name"):
        Subscriber(streams=["Not Legal"])
    with pytest.raises(ValueError, match="unknown kinds"):
        Subscriber(kinds=["embeddings"])
    with pytest.raises(ValueError, match="mode"):
        Subscriber(mode="newest")
