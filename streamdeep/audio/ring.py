"""Between a source's thread and the engine's: samples, their times, and what was lost.

One writer, one reader, no lock: the writer may be an audio callback, which must never wait for anybody.
Each side owns one counter and only reads the other's; data is copied before the counter that announces
it moves. When the ring is full, new samples are refused, and the refusal is counted and shows as a jump
in the next block's ``start_sample``: what was read is never torn, and the loss is exact.

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

from streamdeep.records import Block


@dataclass(frozen=True, slots=True)
class _Mark:
    """One write: where it ends in the ring's count, where it began in the source's, and when."""

    start_count: int
    stop_count: int
    start_sample: int
    captured_ns: int
    gap_samples: int
    gap_estimated: bool


class Ring:
    """A bounded queue of samples.

    ``write`` costs two copies into preallocated memory and a record of 48 bytes; ``read`` copies out.
    """

    def __init__(
        self,
        capacity_samples: int,
        n_channels: int,
        sample_rate_hz: int,
        *,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """Allocate a ring.

        Args:
            capacity_samples: how many samples fit.
            n_channels: channels of a sample.
            sample_rate_hz: the source's rate, for times within a write.
            wake: called by the writer after each write; must not block.
        """
        self._samples = np.zeros((capacity_samples, n_channels), dtype=np.float32)
        self._capacity = capacity_samples
        self._rate_hz = sample_rate_hz
        self._wake = wake
        self._marks: deque[_Mark] = deque()
        self._space = threading.Event()
        self._written = 0  # writer's
        self._next_sample = 0  # writer's: the source's index of the next sample
        self._refused = 0  # writer's
        self._read = 0  # reader's
        self._expected_sample = 0  # reader's: where the next block starts if nothing was lost
        self._reported = 0  # reader's: refused samples that a block has told of
        self._closed = False
        self.error: Exception | None = None

    # --- the writer's side ---------------------------------------------------------------------------

    def write(
        self,
        samples: NDArray[np.float32],
        captured_ns: int,
        *,
        gap_samples: int = 0,
        gap_estimated: bool = False,
    ) -> int:
        """Put samples in; never waits.

        Args:
            samples: ``(samples, channels)`` float32; copied.
            captured_ns: monotonic time of the last sample.
            gap_samples: samples known to be lost before these, that were never captured.
            gap_estimated: ``gap_samples`` is an estimate.

        Returns:
            How many were taken; the others are refused and counted.
        """
        self._next_sample += gap_samples
        taken = min(len(samples), self._capacity - (self._written - self._read))
        if taken:
            begin = self._written % self._capacity
            head = min(taken, self._capacity - begin)
            self._samples[begin : begin + head] = samples[:head]
            self._samples[: taken - head] = samples[head:taken]
            late_ns = (len(samples) - taken) * 1_000_000_000 // self._rate_hz
            self._marks.append(
                _Mark(
                    self._written,
                    self._written + taken,
                    self._next_sample,
                    captured_ns - late_ns,
                    gap_samples,
                    gap_estimated,
                )
            )
            self._written += taken
        self._refused += len(samples) - taken
        self._next_sample += len(samples)
        self._wake()
        return taken

    def write_all(
        self, samples: NDArray[np.float32], captured_ns: int, stop: threading.Event
    ) -> bool:
        """Put samples in, waiting for space: for sources that can wait. False if ``stop`` was set."""
        at = 0
        while at < len(samples):
            self._space.clear()
            free = self._capacity - (self._written - self._read)
            if free == 0:
                if stop.is_set():
                    return False
                self._space.wait(0.1)
                continue
            self.write(samples[at : at + free], captured_ns)
            at += free
        return not stop.is_set()

    def close(self, error: Exception | None = None) -> None:
        """No more samples will come; ``error`` says why if it is not simply the end. The first call counts."""
        if not self._closed:
            self.error = error
        self._closed = True
        self._wake()

    # --- the reader's side ---------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Closed, and everything was read."""
        return self._closed and self.available == 0

    @property
    def available(self) -> int:
        """Samples that can be read now."""
        return self._written - self._read

    @property
    def unreported(self) -> int:
        """Samples refused that no block has told of yet."""
        return self._refused - self._reported

    def read(self, max_samples: int) -> Block | None:
        """Take the oldest samples, up to the next jump; None if there are none.

        Returns:
            A block that owns its samples. Where it starts later than the last one ended, ``lost_reason``
            is ``overflow`` if the ring refused samples, ``gap`` if the source lost them.
        """
        available = self.available  # read once: the writer may add more meanwhile
        if available == 0:
            return None
        first = self._marks[0]
        start_sample = first.start_sample + self._read - first.start_count
        jumped = start_sample - self._expected_sample
        gap_samples, estimated = (first.gap_samples, first.gap_estimated) if jumped else (0, False)
        count, last = 0, first
        while count < min(available, max_samples) and self._marks:
            mark = self._marks[0]
            if mark is not first and mark.start_sample != start_sample + count:
                break
            count = min(mark.stop_count - self._read, available, max_samples)
            last = mark
            if mark.stop_count - self._read > count:
                break
            self._marks.popleft()
        begin = self._read % self._capacity
        head = min(count, self._capacity - begin)
        samples = np.concatenate(
            (self._samples[begin : begin + head], self._samples[: count - head])
        )
        after_ns = (last.stop_count - self._read - count) * 1_000_000_000 // self._rate_hz
        self._reported += jumped - gap_samples
        self._expected_sample = start_sample + count
        self._read += count
        self._space.set()
        return Block(
            samples,
            start_sample,
            last.captured_ns - after_ns,
            lost_reason="overflow" if jumped > gap_samples else "gap",
            gap_samples=gap_samples,
            gap_estimated=estimated,
        )
