"""What time stamps and arrivals tell: holes to the sample, and never a hole where there is none."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamdeep.audio.arrival import Arrivals
from streamdeep.audio.continuity import Continuity

RATES_HZ = st.sampled_from([8000, 16000, 44100, 48000])
FRAMES = st.sampled_from([160, 320, 960, 1024, 1152, 2048, 4096])
# Exact; MPEG-TS and its 90 kHz; a millisecond, as in Matroska and FLV.
TICKS_HZ = st.sampled_from([0, 90_000, 1000])
SECOND_NS = 1_000_000_000


def stamp(sample, rate_hz, tick_hz):
    """A time stamp as a container with this clock keeps it, and how finely it can tell, in samples."""
    if not tick_hz:
        return sample, 1
    return round(round(sample * tick_hz / rate_hz) * rate_hz / tick_hz), max(
        1, -(-rate_hz // tick_hz)
    )


@given(RATES_HZ, FRAMES, TICKS_HZ, st.integers(0, 1 << 40), st.lists(st.booleans(), max_size=200))
def test_rounding_and_missing_stamps_are_no_loss(rate_hz, frame, tick_hz, start, stamped):
    continuity = Continuity(rate_hz)
    for number, has_stamp in enumerate(stamped):
        time, tick = stamp(start + number * frame, rate_hz, tick_hz)
        assert continuity.place(frame, time if has_stamp else None, tick) == (0, False)


@given(RATES_HZ, FRAMES, TICKS_HZ, st.lists(st.integers(0, 5), min_size=2, max_size=60))
def test_lost_packets_are_counted_to_the_sample(rate_hz, frame, tick_hz, lost):
    at, continuity = 0, Continuity(rate_hz)
    _, tick = stamp(0, rate_hz, tick_hz)
    if frame <= 2 * max(2 * tick, rate_hz / 1000):
        return  # the clock is too coarse for such packets
    for number, n_lost in enumerate(lost):
        at += n_lost * frame
        time, tick = stamp(at, rate_hz, tick_hz)
        found, estimated = continuity.place(frame, time, tick)
        assert (found, estimated) == (n_lost * frame if number else 0, False)
        at += frame


@given(st.lists(st.floats(-0.015, 0.015), min_size=2, max_size=200))
def test_jitter_of_stamps_is_no_loss(jitter_s):
    continuity = Continuity(48_000)
    for number, late_s in enumerate(jitter_s):
        time = number * 4096 + round(late_s * 48_000)
        assert continuity.place(4096, time, 1) == (0, False)


def test_two_clocks_that_drift_apart_are_no_loss():
    for drift in (-0.0005, 0.0005):
        continuity = Continuity(16_000)
        for number in range(20_000):  # 20 minutes
            assert continuity.place(960, round(number * 960 * (1 + drift)), 1) == (0, False)


def test_a_hole_of_any_length_is_counted_and_one_that_cannot_be_is_not_believed():
    continuity = Continuity(48_000)
    continuity.place(1024, 0, 1)
    assert continuity.place(1024, 1024 + 5000, 1) == (5000, False)
    assert continuity.place(1024, 2048 + 5000 + 7000, 48) == (7000, True)
    at = 3 * 1024 + 12_000
    for jump in (-3000, 61 * 48_000, -(1 << 40), 1 << 61):
        assert continuity.place(1024, at + jump, 1) == (None, True)
        at += jump + 1024
        assert continuity.place(1024, at, 1) == (0, False)
        at += 1024
    continuity.reset()
    assert continuity.place(1024, 7, 1) == (0, False)


def test_sound_that_comes_in_bursts_was_captured_evenly():
    """A web radio sends ten seconds at once, every ten seconds."""
    arrivals, captured_ns = Arrivals(1000), []
    for second in range(100):
        burst_ns = (second // 10 + 1) * 10 * SECOND_NS
        found = arrivals.place(1000, burst_ns + second % 10 * 1_000_000)
        assert (found.missing, found.estimated) == (0, False)
        assert found.captured_ns <= burst_ns + second % 10 * 1_000_000
        captured_ns.append(found.captured_ns)
    steps = np.diff(captured_ns[10:])
    assert abs(steps - SECOND_NS).max() < 0.02 * SECOND_NS


@given(st.lists(st.floats(0.0, 0.5), min_size=50, max_size=300), st.floats(-0.0003, 0.0003))
def test_capture_times_follow_the_senders_clock_and_not_the_networks_delays(delays_s, drift):
    arrivals = Arrivals(16_000)
    for number, delay_s in enumerate(delays_s):
        sent_s = (number + 1) * 0.1 * (1 + drift)
        least_s = min(delays_s[: number + 1])
        found = arrivals.place(1600, round((sent_s + delay_s) * SECOND_NS))
        # At most as late as the piece that was least late, plus what that knowledge faded.
        late_s = found.captured_ns / SECOND_NS - sent_s
        assert -0.02 <= late_s <= least_s + 0.001 * 0.1 * (number + 1) + 0.02


def test_what_is_missed_between_two_connections_is_judged_by_the_clock():
    arrivals = Arrivals(8000)
    assert not arrivals.began
    arrivals.place(800, 5 * SECOND_NS)
    assert arrivals.began
    arrivals.reconnect()
    found = arrivals.place(800, 8 * SECOND_NS)
    assert (found.missing, found.estimated) == (3 * 8000 - 800, True)
    arrivals.reconnect()
    # Sound that the new connection had at once: at least one sample, so that an epoch begins.
    assert arrivals.place(80_000, 8 * SECOND_NS + 1).missing == 1
    assert arrivals.place(800, 9 * SECOND_NS, missing=1600).missing == 1600
    # The last one was captured at 8.301 s: 82,400 samples, 10.3 s, less the 2 s that they came too early.
    found = arrivals.place(800, 12 * SECOND_NS, missing=None)
    assert abs(found.missing - ((12 - 8.301) * 8000 - 800)) <= 1
