"""Who may send sound to an engine, and what becomes of it: nothing is lost silently, and nobody takes another's place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamdeep.audio.pcm import encode
from streamdeep.audio.ring import single_ring
from streamdeep.intake.reception import NAMES_MOST, SHAPES_MOST, Limits, Reception
from streamdeep.intake.remote import PENDING_S, RemoteClock, RemoteSource
from streamdeep.records import Flag
from streamdeep.wire.audiokinds import AudioMessage
from streamdeep.wire.host import this_host
from streamdeep.wire.messages import pack, unpack

RATE_HZ = 8000
SECOND = 1_000_000_000
A, B = b"a" * 16, b"b" * 16


def sound(
    start, n, *, stream="hall", session=A, sequence=0, rate=RATE_HZ, channels=1, flags=0, now=SECOND, **more
):  # fmt: skip
    """A message whose samples say their own index."""
    samples = np.repeat(np.arange(start, start + n, dtype=np.float32)[:, None], channels, 1)
    values = {
        "published_utc_ns": now, "published_monotonic_ns": now, "captured_utc_ns": now,
        "captured_monotonic_ns": now, "host": this_host(), "gap_samples": 0, "epoch": 0,
    }  # fmt: skip
    return AudioMessage(
        stream=stream, session=session, sequence=sequence, flags=Flag(flags), start_sample=start, n_samples=n,
        sample_rate_hz=rate, channels=channels, format="f32le", pcm=encode(samples, "f32le"), **(values | more),
    )  # fmt: skip


class Hall:
    """A reception whose streams get rings when the test says so; the test reads them."""

    def __init__(self, **limits):
        self.admitted = []
        self.reception = Reception(
            Limits(**limits), lambda name, source: self.admitted.append((name, source)), session=b"e" * 16
        )  # fmt: skip
        self.rings = {}

    def open(self, capacity=RATE_HZ):
        for name, source in self.admitted:
            ring = single_ring(capacity, source.n_channels, source.sample_rate_hz)
            source.start(ring)
            self.rings[name] = ring
        self.admitted.clear()

    def take(self, message, now=SECOND, route=b"r"):
        answers = self.reception.take(route, message, now)
        return [unpack(pack(answer)) for _, answer in answers]

    def tick(self, now=SECOND):
        return [unpack(pack(answer)) for _, answer in self.reception.tick(now)]

    def samples(self, name="hall"):
        found = []
        while (block := self.rings[name].read(1 << 20)) is not None:
            found += block.samples[:, 0].tolist()
        return found


def test_sound_that_comes_before_the_engine_has_a_ring_is_kept():
    hall = Hall()
    for number in range(5):
        hall.take(sound(100 * number, 100, sequence=number))
    hall.open()
    hall.take(sound(500, 100, sequence=5))
    assert hall.samples() == list(range(600))


def test_more_than_a_second_before_there_is_a_ring_is_a_gap_and_not_memory():
    hall = Hall()
    n = round(PENDING_S * RATE_HZ)
    for number in range(3):
        hall.take(sound(n * number, n, sequence=number))
    hall.open(capacity=4 * n)
    hall.take(sound(3 * n, 100, sequence=3))
    ring = hall.rings["hall"]
    assert len(ring.read(1 << 20).samples) == n
    block = ring.read(1 << 20)
    assert (block.start_sample, block.gap_samples, block.gap_estimated) == (3 * n, 2 * n, False)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_is_lost_or_sent_again_every_sample_is_there_once_or_in_a_gap(data):
    """Messages of ragged lengths; some never arrive, connections break and begin again with older ones."""
    lengths = data.draw(st.lists(st.integers(1, 90), min_size=1, max_size=25))
    starts = np.concatenate(([0], np.cumsum(lengths))).tolist()
    hall = Hall()
    hall.take(sound(0, 0))
    hall.open(capacity=sum(lengths) + 1)
    lost, at = set(), 0
    while at < len(lengths):
        event = data.draw(st.sampled_from(["send"] * 6 + ["lose", "again"]))
        if event == "again" and at:
            at = data.draw(st.integers(max(0, at - 4), at - 1))
        if event != "lose":
            hall.take(sound(starts[at], lengths[at], sequence=at))
        at += 1
    hall.take(sound(starts[-1], 0, sequence=len(lengths), flags=Flag.LAST))
    ring, found, gaps = hall.rings["hall"], [], 0
    while (block := ring.read(1 << 20)) is not None:
        index = block.samples[:, 0].astype(int).tolist()
        assert index == list(range(block.start_sample, block.start_sample + len(index)))
        gaps += block.gap_samples
        found += index
    assert found == sorted(set(found))
    lost = set(range(starts[-1])) - set(found)
    assert gaps + ring.trailing_gap == len(lost)
    assert ring.closed
    assert not ring.refused


def test_credit_says_what_was_taken_and_how_much_the_ring_holds():
    hall = Hall()
    assert hall.take(sound(4000, 0)) == []
    assert hall.tick() == []
    hall.open(capacity=1000)
    (credit,) = hall.tick()
    assert (credit.to, credit.state) == (A, "open")
    assert (credit.taken_sample, credit.limit_sample) == (4000, 5000)
    for number in range(3):
        hall.take(sound(4000 + 300 * number, 300, sequence=number))
    assert hall.tick() == []  # nothing was taken, and it was told a moment ago
    hall.rings["hall"].read(600)
    (credit,) = hall.tick()
    assert (credit.taken_sample, credit.limit_sample) == (4600, 5600)
    assert [answer.taken_sample for answer in hall.tick(3 * SECOND)] == [4600]  # a sign of life
    hall.take(sound(5000, 300, sequence=3, gap_samples=100))  # 100 were never captured
    hall.rings["hall"].read(1 << 20)
    assert hall.tick(4 * SECOND)[0].taken_sample == 4900
    hall.rings["hall"].read(1 << 20)
    assert hall.tick(5 * SECOND)[0].taken_sample == 5300


def test_a_name_in_use_is_not_given_to_another_until_its_sender_is_silent():
    hall = Hall()
    hall.take(sound(0, 100))
    hall.open()
    (busy,) = hall.take(sound(7, 0, session=B), now=2 * SECOND)
    assert (busy.to, busy.state, busy.taken_sample) == (B, "busy", 0)
    assert "another sender" in busy.reason
    hall.take(sound(100, 100, sequence=1), now=2 * SECOND)
    assert hall.take(sound(7, 10, session=B), now=2 * SECOND + 1) == []  # told a moment ago
    assert hall.samples() == list(range(200))
    assert hall.reception.statistics.refused == {"name": 2}


def test_a_sender_that_restarts_goes_on_after_a_gap_estimated_from_its_clock():
    hall = Hall()
    hall.take(sound(0, 800, now=SECOND))
    hall.open()
    later = 4 * SECOND
    hall.take(sound(0, 800, session=B, now=later), now=later)
    ring = hall.rings["hall"]
    assert len(ring.read(1 << 20).samples) == 800
    block = ring.read(1 << 20)
    # 3 s between the last samples of the two messages, less the 800 samples of the second.
    assert (block.gap_samples, block.gap_estimated) == (3 * RATE_HZ - 800, True)
    assert block.start_sample == 800 + 3 * RATE_HZ - 800
    hall.take(sound(800, 100, session=B, sequence=1, now=later), now=later)
    assert hall.rings["hall"].read(1 << 20).gap_samples == 0
    credit = hall.tick(later + 2 * SECOND)[0]
    assert (credit.to, credit.taken_sample) == (B, 900)


@pytest.mark.parametrize("wrong_s", [-1000, 1000])
def test_a_restarted_machine_that_does_not_know_the_time_is_given_ours(wrong_s):
    hall = Hall()
    hall.take(sound(0, 800, now=10_000 * SECOND, host="pi/1"), now=10_000 * SECOND)
    hall.open()
    later = 10_003 * SECOND
    hall.take(
        sound(0, 800, session=B, host="pi/2", captured_monotonic_ns=5, published_monotonic_ns=5,
              captured_utc_ns=later + wrong_s * SECOND),
        now=later,
    )  # fmt: skip
    hall.rings["hall"].read(800)
    assert hall.rings["hall"].read(1 << 20).gap_samples == 3 * RATE_HZ - 800


def test_silence_ends_a_stream_and_the_same_sender_may_come_back_with_its_gap_counted():
    hall = Hall(silent_s=10)
    hall.take(sound(0, 800))
    hall.open()
    source = hall.reception._places["hall"].source
    assert [answer.state for answer in hall.tick(5 * SECOND)] == ["open"]
    hall.tick(12 * SECOND)
    ring = hall.rings["hall"]
    assert ring.closed
    assert "nothing was heard for 10 s" in str(ring.error)
    source.end()
    (told,) = hall.tick(12 * SECOND)
    assert (told.state, told.taken_sample) == ("busy", 800)
    assert hall.reception.names == []
    hall.take(sound(1000, 100, sequence=3), now=13 * SECOND)
    hall.open()
    assert hall.rings["hall"].read(1 << 20).gap_samples == 200


def test_a_stream_that_is_over_is_acknowledged_as_often_as_its_sender_asks():
    hall = Hall()
    hall.take(sound(0, 800))
    hall.open()
    hall.take(sound(800, 0, sequence=1, flags=Flag.LAST))
    source = hall.reception._places["hall"].source
    assert hall.rings["hall"].closed
    source.end()
    assert [(answer.state, answer.taken_sample) for answer in hall.tick()] == [("ended", 800)]
    assert hall.reception.names == []
    (again,) = hall.take(sound(800, 0, sequence=1, flags=Flag.LAST))
    assert (again.state, again.taken_sample) == ("ended", 800)
    assert hall.admitted == []


def test_another_rate_is_another_stream_under_the_same_name():
    hall = Hall()
    hall.take(sound(0, 800))
    hall.open()
    former = hall.rings["hall"]
    hall.take(sound(800, 100, sequence=1, rate=16000))
    assert former.closed
    ((name, source),) = hall.admitted
    assert (name, source.sample_rate_hz) == ("hall", 16000)
    hall.open()
    assert hall.samples() == list(range(800, 900))


def test_an_engine_that_ends_tells_every_sender_what_it_has():
    hall = Hall()
    hall.take(sound(0, 800))
    hall.open()
    source = hall.reception._places["hall"].source
    source.stop()
    assert hall.take(sound(800, 100, sequence=1)) == []  # for the next engine
    source.end()
    ((_, answer),) = hall.reception.close(SECOND)
    assert (answer.state, answer.taken_sample) == ("busy", 800)


@pytest.mark.parametrize(
    ("changes", "state", "word"),
    [
        ({"rate": 999}, "refused", "999 Hz"),
        ({"rate": 768_001}, "refused", "768001 Hz"),
        ({"stream": "third"}, "busy", "all 2 places"),
        ({"stream": "third", "rate": 192_000, "channels": 64}, "busy", "all 2 places"),
    ],
)
def test_what_is_not_taken_is_said_once_a_second(changes, state, word):
    hall = Hall(most_streams=2)
    hall.take(sound(0, 8, stream="first"))
    if "third" in str(changes):
        hall.take(sound(0, 8, stream="second"))
    (answer,) = hall.take(sound(0, 8, **changes))
    assert answer.state == state
    assert word in answer.reason
    assert hall.take(sound(8, 8, **changes)) == []
    assert len(hall.take(sound(8, 8, **changes), now=3 * SECOND)) == 1


def test_memory_shapes_and_names_are_limited():
    hall = Hall(most_bytes=4 * 3 * RATE_HZ)
    for name in ("a", "b", "c"):
        assert hall.take(sound(0, 8, stream=name)) == []
    assert hall.take(sound(0, 8, stream="d"))[0].state == "busy"
    hall = Hall(most_streams=10_000)
    for number in range(SHAPES_MOST):
        assert hall.take(sound(0, 8, stream=f"s{number}", rate=8000 + number)) == []
    assert "different rates" in hall.take(sound(0, 8, stream="more", rate=7000))[0].reason
    for number in range(SHAPES_MOST, NAMES_MOST):
        assert hall.take(sound(0, 8, stream=f"s{number}")) == []
    assert "stream names" in hall.take(sound(0, 8, stream="more"), now=3 * SECOND)[0].reason


def test_a_stream_that_the_engine_cannot_take_is_refused():
    hall = Hall()
    hall.take(sound(0, 8))
    hall.admitted[0][1].turn_away("no place for it")
    (answer,) = hall.tick()
    assert (answer.state, answer.reason) == ("refused", "no place for it")
    assert hall.reception.names == []


def test_capture_times_are_exact_on_one_machine_and_follow_the_fastest_way_across():
    clock = RemoteClock(host="here")
    here = sound(0, 8, host="here", now=100)
    assert clock.captured_ns(here, 500) == 100
    assert clock.captured_ns(here, 50) == 50  # never in the future
    # Its clock reads 1,000 less; ways of 30, 10 and 20; captured 5 before it was sent.
    ways = (30, 10, 20)
    found = [
        clock.captured_ns(
            sound(0, 8, host="far", published_monotonic_ns=9000, captured_monotonic_ns=8995), 10_000 + way
        )
        for way in ways
    ]  # fmt: skip
    assert found == [10_025, 10_005, 10_005]
    assert clock.captured_ns(sound(0, 8, host="far", captured_monotonic_ns=0), 77) == 77


def test_clocks_that_drift_apart_are_followed():
    """50 ppm over a day are 4.3 s."""
    clock = RemoteClock(host="here")
    for minute in range(24 * 60):
        now = minute * 60 * SECOND
        far = now - now * 50 // 1_000_000
        message = sound(0, 8, host="far", published_monotonic_ns=far, captured_monotonic_ns=far)
        late_ns = now - clock.captured_ns(message, now)
        assert 0 <= late_ns < 10_000_000


def test_a_stopped_source_writes_nothing_more():
    source = RemoteSource(sound(0, 0), SECOND)
    ring = single_ring(1000, 1, RATE_HZ)
    source.start(ring)
    source.take(sound(0, 100), SECOND)
    source.stop()
    source.take(sound(100, 100, sequence=1), SECOND)
    assert ring.available == 100
    assert source.expected == 100
