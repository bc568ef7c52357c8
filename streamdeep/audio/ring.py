"""Between the sources' threads and the engine's: samples, their times, and what was lost.

One writer and one reader a ring, no lock: the writer may be an audio callback, which must never wait for
anybody. Each side owns its counters and only reads the other's; data is copied before the counter that
announces it moves. When a ring is full, new samples are refused, and the refusal is counted and shows as a
jump: what was read is never torn, and the loss is exact. Not here: memory and counters
(:mod:`streamdeep.audio.ring_array`).

Why not overwrite the oldest: the reader could then be in the middle of what the writer overwrites, and
in Python there is no cheap way to tell. After a stall the reader catches up a hundred times faster than
real time, so old samples do not stay in the way.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.ring_array import RingArray
from streamdeep.audio.tap import Tap
from streamdeep.records import Block


@dataclass(frozen=True, slots=True)
class Jump:
    """Samples lost: at which count, and what is known of it.

    Attributes:
        count: how many samples went in before.
        start_sample: the source's index of the first sample after it.
        gap_samples: how many of those jumped over were never captured.
        gap_estimated: that is an estimate.
        gap_cause: for people, why they were not; empty if nobody knows.
        clock: as in ``RingArray.clocks``, of the last sample before.
    """

    count: int
    start_sample: int
    gap_samples: int
    gap_estimated: bool
    gap_cause: str
    clock: tuple[int, int]


class Ring:
    """A bounded queue of samples in one slot of an array.

    ``write`` costs two copies into preallocated memory; ``read`` copies out.

    Attributes:
        wake: what the writer calls when there is what the reader wants.
        error: why the writer closed, if it is not simply the end.
    """

    def __init__(
        self, array: RingArray, slot: int, wake: Callable[[], None], first_sample: int = 0
    ) -> None:
        self._place = array, slot
        self.wake = wake
        self._lost: deque[Jump] = deque()
        self._space = threading.Event()
        self._jumped_over = first_sample  # writer's: what to add to a count for the source's index
        # Writer's: not yet in a jump.
        self._gap_samples, self._gap_estimated, self._gap_cause = 0, False, ""
        self._refused = 0  # writer's
        # Reader's: the source's index of count 0, seen from the last jump.
        self._sample_of_zero = first_sample
        self._reported = 0  # reader's: refused samples that somebody was told of
        self._tap: Tap | None = None
        self.error: Exception | None = None

    @property
    def array(self) -> RingArray:
        """Where it lies."""
        return self._place[0]

    @property
    def slot(self) -> int:
        """Its row there."""
        return self._place[1]

    # --- the writer's side ---------------------------------------------------------------------------

    def listen(self, tap: Tap) -> None:
        """Have everything told to ``tap`` that is written from now on; before the writer begins."""
        self._tap = tap
        self.array.tapped = True

    def write(
        self,
        samples: NDArray[np.float32],
        captured_ns: int,
        *,
        gap_samples: int = 0,
        gap_estimated: bool = False,
        gap_cause: str = "",
    ) -> int:
        """Put samples in; never waits. After :meth:`close` nothing is taken, and nothing counted.

        Args:
            samples: ``(samples, channels)`` float32; copied.
            captured_ns: monotonic time of the last sample.
            gap_samples: samples known to be lost before these, that were never captured.
            gap_estimated: ``gap_samples`` is an estimate.
            gap_cause: for people, why they were lost; of several losses in one jump the last says it.

        Returns:
            How many were taken; the others are refused and counted.
        """
        array, slot = self._place
        if array.closed[slot]:
            return 0
        written, capacity = int(array.written[slot]), array.capacity_samples
        array.missing[slot] += gap_samples
        self._gap_samples += gap_samples
        self._gap_estimated |= gap_estimated
        self._gap_cause = gap_cause or self._gap_cause
        taken = min(len(samples), capacity - (written - int(array.read[slot])))
        if taken:
            if array.missing[slot]:
                self._jump(written)
            begin = written % capacity
            head = min(taken, capacity - begin)
            array.samples[slot, begin : begin + head] = samples[:head]
            array.samples[slot, : taken - head] = samples[head:taken]
            late_ns = (len(samples) - taken) * 1_000_000_000 // array.sample_rate_hz
            # One assignment of both: a reader never sees one without the other.
            array.clocks[slot] = (written + taken, captured_ns - late_ns)
            array.written[slot] = written + taken
        self._refused += len(samples) - taken
        array.missing[slot] += len(samples) - taken
        if self._tap is not None:
            self._tap.take(
                samples[:taken],
                int(array.clocks[slot, 1]),
                refused_samples=len(samples) - taken,
                gap_samples=gap_samples,
                gap_estimated=gap_estimated,
            )
        if written + taken >= array.wanted[slot]:
            self.wake()
        return taken

    def refuse(self, n_samples: int) -> None:
        """Count samples as refused that were refused before they came here: what a recording says of them."""
        self._refused += n_samples
        self.array.missing[self.slot] += n_samples

    def _jump(self, count: int) -> None:
        clock_count, clock_ns = self.array.clocks[self.slot].tolist()
        self._jumped_over += int(self.array.missing[self.slot])
        self.array.missing[self.slot] = 0
        self._lost.append(
            Jump(
                count,
                count + self._jumped_over,
                self._gap_samples,
                self._gap_estimated,
                self._gap_cause,
                (clock_count, clock_ns),
            )
        )
        self._gap_samples, self._gap_estimated, self._gap_cause = 0, False, ""
        self.array.jumps[self.slot] += 1

    def write_all(
        self, samples: NDArray[np.float32], captured_ns: int, stop: threading.Event
    ) -> bool:
        """Put samples in, waiting for space: for sources that can wait. False if ``stop`` was set, or it is closed."""
        (array, slot), at = self._place, 0
        while at < len(samples):
            if array.closed[slot]:
                return False
            self._space.clear()
            array.waiting[slot] = True
            free = array.capacity_samples - int(array.written[slot] - array.read[slot])
            if self._tap is not None:
                free = min(free, self._tap.room())
            if free == 0:
                if stop.is_set():
                    return False
                self._space.wait(0.1)
                continue
            self.write(samples[at : at + free], captured_ns)
            at += free
        array.waiting[slot] = False
        return not stop.is_set()

    def close(self, error: Exception | None = None) -> None:
        """No more samples will come; ``error`` says why if it is not simply the end. The first call counts."""
        first = not self.closed
        if first:
            self.error = error
        self.array.closed[self.slot] = True
        if first and self._tap is not None:
            self._tap.close(error)
        self.wake()

    # --- the reader's side ---------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether no more samples will come."""
        return bool(self.array.closed[self.slot])

    @property
    def ended(self) -> bool:
        """Whether the writer closed and everything was read."""
        return self.closed and self.available == 0

    @property
    def available(self) -> int:
        """Samples that went in and are not done with."""
        return int(self.array.written[self.slot] - self.array.read[self.slot])

    @property
    def unreported(self) -> int:
        """Samples refused that nobody was told of yet."""
        return self._refused - self._reported

    @property
    def refused(self) -> int:
        """Samples refused in all; not in ``written``."""
        return self._refused

    @property
    def trailing_gap(self) -> int:
        """Samples never captured since the last one that went in: no jump tells of them yet."""
        return self._gap_samples

    def done_until(self) -> int:
        """The source's index of the oldest sample that the reader is not done with; from any thread."""
        array, slot = self._place
        return self.sample_at(int(array.read[slot]))

    def next_jump(self) -> Jump | None:
        """The oldest loss that was not passed yet."""
        return self._lost[0] if self._lost else None

    def pass_jump(self) -> Jump:
        """Go past the oldest loss; from now on counts stand for the samples after it."""
        jump = self._lost.popleft()
        lost_samples = jump.start_sample - self.sample_at(jump.count)
        self._reported += lost_samples - jump.gap_samples
        self._sample_of_zero = jump.start_sample - jump.count
        self.array.passed[self.slot] += 1
        return jump

    def sample_at(self, count: int) -> int:
        """The source's index of a sample between the last jump that was passed and the next one."""
        return self._sample_of_zero + count

    def captured_ns(self, count: int) -> int:
        """When the sample before ``count`` was captured; ``count`` lies before the next jump."""
        sample, clock_ns = self.clock()
        newer = sample - self.sample_at(count)
        return int(clock_ns - newer * 1_000_000_000 // self.array.sample_rate_hz)

    def clock(self) -> tuple[int, int]:
        """A recent sample, by the source's index, and when the one before it was captured."""
        jump = self.next_jump()
        count, clock_ns = self.array.clocks[self.slot].tolist() if jump is None else jump.clock
        return self.sample_at(count), clock_ns

    def release_until(self, count: int) -> None:
        """Samples before ``count`` are done with; a writer that waits for room goes on."""
        self.array.read[self.slot] = count
        if self.array.waiting[self.slot]:
            self._space.set()

    def read(self, max_samples: int) -> Block | None:
        """Take the oldest samples, up to the next jump; None if there are none.

        Returns:
            A block that owns its samples. Where it starts later than the last one ended, ``lost_reason``
            is ``overflow`` if the ring refused samples, ``gap`` if the source lost them.
        """
        # Read once, and before the jumps: what went in after it is not looked at.
        stop, start = int(self.array.written[self.slot]), int(self.array.read[self.slot])
        if stop == start:
            return None
        before, lost = self.sample_at(start), None
        if self._lost and self._lost[0].count == start:
            lost = self.pass_jump()
        if self._lost:
            stop = min(stop, self._lost[0].count)
        stop = min(stop, start + max_samples)
        samples, captured_ns = self.samples(start, stop), self.captured_ns(stop)
        self.release_until(stop)
        gap_samples = lost.gap_samples if lost else 0
        start_sample = self.sample_at(start)
        overflowed = start_sample - before > gap_samples
        return Block(
            samples,
            start_sample,
            captured_ns,
            lost_reason="overflow" if overflowed else "gap",
            gap_samples=gap_samples,
            gap_estimated=lost.gap_estimated if lost else False,
            gap_cause=lost.gap_cause if lost else "",
        )

    def samples(self, start: int, stop: int) -> NDArray[np.float32]:
        """A copy of samples ``[start, stop)``, ``(samples, channels)`` float32."""
        row, capacity = self.array.samples[self.slot], self.array.capacity_samples
        begin = start % capacity
        head = min(stop - start, capacity - begin)
        return np.concatenate((row[begin : begin + head], row[: stop - start - head]))

    def leave(self) -> None:
        """Give the slot back; a source that goes on writing all the same writes nowhere."""
        array, slot = self._place
        nowhere = RingArray(1, 1, array.n_channels, array.sample_rate_hz)
        nowhere.clocks[0], nowhere.closed[0] = array.clocks[slot], True
        array.closed[slot] = True
        self._place = nowhere, 0
        array.release(slot)

    def overwrite(self, start: int, samples: NDArray[np.float32]) -> None:
        """Put other values in the place of samples that were not read yet."""
        row, capacity = self.array.samples[self.slot], self.array.capacity_samples
        begin = start % capacity
        head = min(len(samples), capacity - begin)
        row[begin : begin + head] = samples[:head]
        row[: len(samples) - head] = samples[head:]


def open_ring(
    array: RingArray, *, wake: Callable[[], None] = lambda: None, first_sample: int = 0
) -> Ring:
    """A ring in a free slot of an array.

    Args:
        array: not full.
        wake: called by the writer when what the reader wants is there; must not block.
        first_sample: the source's index of the first sample that will go in.
    """
    return Ring(array, array.take(), wake, first_sample)


def single_ring(
    capacity_samples: int,
    n_channels: int,
    sample_rate_hz: int,
    *,
    wake: Callable[[], None] = lambda: None,
    first_sample: int = 0,
) -> Ring:
    """A ring that is alone in its array."""
    return open_ring(
        RingArray(1, capacity_samples, n_channels, sample_rate_hz),
        wake=wake,
        first_sample=first_sample,
    )
