"""Rings of one shape, side by side: their memory and their counters.

They lie together so that one compiled call can look at the samples of a thousand streams, or write them. Each
counter has one owner, the writer or the reader of its ring, and the other only reads it. Not here: what a single
ring does with them (:mod:`streamdeep.audio.ring`).
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamdeep.frontend.kernels.rings import fill_rings


class Row(Protocol):
    """A ring, as seen from the array that it lies in."""

    wake: Callable[[], None]

    @property
    def slot(self) -> int:
        """Its row here."""

    def write(self, samples: NDArray[np.float32], captured_ns: int) -> int:
        """Put samples in, whatever is in the way."""


class RingArray:
    """Memory and counters of some rings of one shape; row ``slot`` of everything belongs to one ring.

    Counts are of samples that went into a ring since it was opened; sample ``count`` lies at
    ``count % capacity_samples``.

    Attributes:
        samples: ``(slots, capacity, channels)`` float32. Memory that was never written costs nothing.
        written: ``(slots,)`` int64, the writer's: how many went in.
        read: ``(slots,)`` int64, the reader's: how many are done with; their places may be overwritten.
        wanted: ``(slots,)`` int64, the reader's: it wants to be woken when so many went in.
        clocks: ``(slots, 2)`` int64, the writer's: a count, and the monotonic time when the sample before it
            was captured.
        late_ns: ``(slots,)`` int64, the writer's: how long after their capture samples come here; 0 for sound
            from this machine. Who waits for them is not late himself.
        missing: ``(slots,)`` int64, the writer's: samples lost since the last one that went in.
        jumps: ``(slots,)`` int64, the writer's: how many times samples were lost.
        passed: ``(slots,)`` int64, the reader's: how many of these it has told of.
        closed: ``(slots,)`` bool, the writer's: no more samples will come.
        waiting: ``(slots,)`` bool, the writer's: it waits for room.
        tapped: somebody listens in on one of the rings.
    """

    def __init__(
        self, n_slots: int, capacity_samples: int, n_channels: int, sample_rate_hz: int
    ) -> None:
        self.capacity_samples = capacity_samples
        self.n_channels = n_channels
        self.sample_rate_hz = sample_rate_hz
        self.samples = np.zeros((n_slots, capacity_samples, n_channels), dtype=np.float32)
        self.written = np.zeros(n_slots, dtype=np.int64)
        self.read = np.zeros(n_slots, dtype=np.int64)
        self.wanted = np.zeros(n_slots, dtype=np.int64)
        self.clocks = np.zeros((n_slots, 2), dtype=np.int64)
        self.late_ns = np.zeros(n_slots, dtype=np.int64)
        self.missing = np.zeros(n_slots, dtype=np.int64)
        self.jumps = np.zeros(n_slots, dtype=np.int64)
        self.passed = np.zeros(n_slots, dtype=np.int64)
        self.closed = np.zeros(n_slots, dtype=np.bool_)
        self.waiting = np.zeros(n_slots, dtype=np.bool_)
        self.tapped = False
        self._free = deque(range(n_slots))

    @property
    def full(self) -> bool:
        """Whether every slot is taken."""
        return not self._free

    def take(self) -> int:
        """Take a slot; its counters begin at zero."""
        slot = self._free.popleft()
        for counters in (
            self.written, self.read, self.wanted, self.late_ns, self.missing, self.jumps, self.passed,
        ):  # fmt: skip
            counters[slot] = 0
        self.clocks[slot] = 0
        self.closed[slot] = self.waiting[slot] = False
        return slot

    def write(self, rings: Sequence[Row], samples: NDArray[np.float32], captured_ns: int) -> None:
        """Put the same samples into several rings, as ``Ring.write`` into each; without the GIL.

        Args:
            rings: of this array, each once; all written by the caller's thread.
            samples: ``(samples, channels)`` float32; copied.
            captured_ns: monotonic time of the last sample.
        """
        slots, n_samples = np.array([ring.slot for ring in rings], dtype=np.int64), len(samples)
        written = self.written[slots]
        free = self.capacity_samples - (written - self.read[slots])
        lossy = (free < n_samples).any() or self.missing[slots].any()
        if n_samples == 0 or lossy or self.tapped:
            for ring in rings:
                ring.write(samples, captured_ns)
            return
        fill_rings(self.samples, slots, written, np.ascontiguousarray(samples))
        self.clocks[slots] = np.stack((written + n_samples, np.full_like(written, captured_ns)), 1)
        self.written[slots] = written + n_samples
        due = np.flatnonzero(written + n_samples >= self.wanted[slots]).tolist()
        for wake in dict.fromkeys(rings[index].wake for index in due):  # most share one
            wake()

    def release(self, slot: int) -> None:
        """Give a slot back; nobody may write to it any more, see ``Ring.leave``."""
        self._free.append(slot)
