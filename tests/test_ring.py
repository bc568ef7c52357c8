"""The ring loses nothing silently, never tears a block, and tells every jump."""

import threading

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streamdeep.audio.ring import open_ring, single_ring
from streamdeep.audio.ring_array import RingArray

CAPACITY = 50


class AgainstAList(RuleBasedStateMachine):
    """Random writes, gaps, overflows and reads, against a plain list of (sample index, value)."""

    @initialize()
    def start(self):
        self.ring = single_ring(CAPACITY, 2, 1000)
        self.waiting = []  # source indices in the ring
        self.source = 0  # next source index
        self.expected = 0  # where the next block starts if nothing is lost
        self.refused = self.gaps = self.told = self.told_gaps = 0

    @rule(n=st.integers(0, 70), gap=st.sampled_from([0, 0, 0, 1, 9]))
    def write(self, n, gap):
        self.source += gap
        self.gaps += gap
        indices = np.arange(self.source, self.source + n)
        samples = np.stack((indices, -indices), axis=1).astype(np.float32)
        taken = self.ring.write(
            samples, int(indices[-1] + 1) * 1_000_000 if n else 0, gap_samples=gap
        )
        samples[:] = np.nan  # nothing in the ring may be a view
        assert taken == min(n, CAPACITY - len(self.waiting))
        self.waiting += indices[:taken].tolist()
        self.refused += n - taken
        self.source += n

    @rule(limit=st.integers(1, 80))
    def read(self, limit):
        block = self.ring.read(limit)
        if not self.waiting:
            assert block is None
            return
        assert 1 <= len(block.samples) <= limit
        indices = np.arange(block.start_sample, block.stop_sample)
        np.testing.assert_array_equal(block.samples[:, 0], indices)
        np.testing.assert_array_equal(block.samples[:, 1], -indices)
        assert self.waiting[: len(indices)] == indices.tolist()
        assert block.captured_monotonic_ns == block.stop_sample * 1_000_000
        del self.waiting[: len(indices)]
        jumped = block.start_sample - self.expected
        assert block.gap_samples <= jumped
        assert block.lost_reason == ("overflow" if jumped > block.gap_samples else "gap")
        self.told += jumped - block.gap_samples
        self.told_gaps += block.gap_samples
        self.expected = block.stop_sample

    @invariant()
    def every_sample_is_somewhere(self):
        if not hasattr(self, "ring"):
            return
        assert self.ring.available == len(self.waiting)
        assert self.ring.unreported == self.refused - self.told
        assert self.told_gaps <= self.gaps
        assert (
            self.expected + len(self.waiting) + self.ring.unreported + self.gaps - self.told_gaps
            == self.source
        )


TestAgainstAList = AgainstAList.TestCase
TestAgainstAList.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


class Heard:
    def __init__(self):
        self.writes, self.closes = [], []

    def take(self, samples, captured_ns, *, refused_samples, gap_samples, gap_estimated):
        told = samples[:, 0].tolist(), captured_ns, refused_samples, gap_samples, gap_estimated
        self.writes.append(told)

    def room(self):
        return 1000

    def close(self, error):
        self.closes.append(error)


def test_who_listens_in_is_told_what_was_taken_refused_and_lost_and_of_the_end_once():
    array = RingArray(2, 4, 1, 1000)
    rings = [open_ring(array), open_ring(array)]
    rings[0].listen(heard := Heard())
    samples = np.arange(6, dtype=np.float32)[:, None]
    array.write(rings, samples[:3], 3_000_000)  # the call that writes into many rings
    rings[0].write(samples[3:], 6_000_000, gap_samples=7, gap_estimated=True)
    rings[0].close(error := ValueError("gone"))
    rings[0].close()
    rings[0].write(samples, 1)
    assert heard.writes == [
        ([0, 1, 2], 3_000_000, 0, 0, False),
        ([3], 4_000_000, 2, 7, True),
    ]
    assert heard.closes == [error]


def test_a_writer_that_can_wait_loses_nothing_to_a_slow_reader():
    ring = single_ring(CAPACITY, 1, 1000)
    samples = np.arange(5000, dtype=np.float32)[:, None]

    def write():
        assert ring.write_all(samples, 1, threading.Event())
        ring.close()

    writer = threading.Thread(target=write)
    writer.start()
    found = []
    while not ring.ended:
        block = ring.read(7)
        if block is not None:
            found.append(block.samples)
    writer.join()
    np.testing.assert_array_equal(np.concatenate(found), samples)
    assert ring.unreported == 0


def test_a_writer_and_a_reader_on_two_threads_never_tear_a_block():
    ring = single_ring(1000, 1, 1000)
    total = 200_000

    def write():
        for at in range(0, total, 100):
            ring.write(np.arange(at, at + 100, dtype=np.float32)[:, None], at)
        ring.close()

    writer = threading.Thread(target=write)
    writer.start()
    read = lost = expected = 0
    while not ring.ended:
        block = ring.read(333)
        if block is None:
            continue
        np.testing.assert_array_equal(
            block.samples[:, 0], np.arange(block.start_sample, block.stop_sample)
        )
        lost += block.start_sample - expected
        expected = block.stop_sample
        read += len(block.samples)
    writer.join()
    assert read + lost + ring.unreported == total
