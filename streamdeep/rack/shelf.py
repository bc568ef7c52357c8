"""Rings of one shape at the model's rate, and which of their frames are complete.

Everything is an array over the shelf's places, so that looking at a thousand streams costs what looking at
one does. Not here: samples that need a resampler, and what happens at gaps and ends (``slot``).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.ring import Ring, open_ring
from streamdeep.audio.ring_array import RingArray
from streamdeep.config import FrontendConfig
from streamdeep.frontend.rows import FrameRows


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What is complete on a shelf, at one moment.

    Attributes:
        n_frames: ``(places,)`` int64, how many frames of each ring; 0 where nobody is.
        due_ns: ``(places,)`` int64, monotonic time when the next frame was, or will be, here in full: when
            its last sample was captured, and the way here of sound that comes from far.
        stalled: places, whose ring has no complete frame before a loss or its end.
    """

    n_frames: NDArray[np.int64]
    due_ns: NDArray[np.int64]
    stalled: list[int]


class Shelf:
    """Some rings and what is known of each one's next frame.

    Attributes:
        array: the rings.
        slots: ``(places,)`` int64, the rack's number of the stream in each; -1 where nobody is.
        starts: ``(places,)`` int64, count of the first sample of the next frame.
        fresh: ``(places,)`` bool, that frame is its epoch's first.
        resting: ``(places,)`` bool, no frames are wanted for the time being.
        frames: the front-end for these rings.
    """

    def __init__(
        self, config: FrontendConfig, n_places: int, capacity_samples: int, n_channels: int
    ) -> None:
        self.array = RingArray(n_places, capacity_samples, n_channels, config.sample_rate_hz)
        self.frames = FrameRows(config, n_channels)
        self.slots = np.full(n_places, -1, dtype=np.int64)
        self.starts = np.zeros(n_places, dtype=np.int64)
        self.fresh = np.ones(n_places, dtype=np.bool_)
        self.resting = np.zeros(n_places, dtype=np.bool_)
        self._rings: dict[int, Ring] = {}
        self._window, self._hop = config.longest_window_samples, config.hop_samples

    def place(self, slot: int, wake: Callable[[], None], first_sample: int = 0) -> Ring:
        """Take a place for a stream; the shelf must not be full."""
        ring = open_ring(self.array, wake=wake, first_sample=first_sample)
        self.slots[ring.slot] = slot
        self._rings[ring.slot] = ring
        self.resting[ring.slot] = False
        self.restart(ring, 0)
        return ring

    def restart(self, ring: Ring, count: int) -> None:
        """An epoch begins with the sample of this count."""
        self.starts[ring.slot], self.fresh[ring.slot] = count, True
        self.array.wanted[ring.slot] = count + self._window
        ring.release_until(count)

    def remove(self, ring: Ring) -> None:
        """Give a place back; its writer has stopped."""
        self.slots[ring.slot] = -1
        del self._rings[ring.slot]
        ring.leave()

    def survey(self) -> Survey:
        """Look at all rings, without waiting for their writers."""
        array = self.array
        # In this order: what is closed has written its last, and what is written has told of its losses.
        closed = array.closed.copy()
        stops = array.written.copy()
        lossy = array.jumps != array.passed
        for place in np.flatnonzero(lossy).tolist():
            jump = self._rings[place].next_jump() if self.slots[place] >= 0 else None
            if jump is not None:
                stops[place] = min(stops[place], jump.count)
        used = (self.slots >= 0) & ~self.resting
        n_frames = np.where(used, (stops - self.starts - self._window) // self._hop + 1, 0)
        n_frames = np.maximum(n_frames, 0)
        stalled = np.flatnonzero(used & (n_frames == 0) & (lossy | closed))
        clocks = array.clocks.copy()
        missing = self.starts + self._window - clocks[:, 0]
        due_ns = clocks[:, 1] + array.late_ns + missing * 1_000_000_000 // array.sample_rate_hz
        return Survey(n_frames, due_ns, stalled.tolist())

    def advance(self, places: NDArray[np.int64], n_frames: int) -> None:
        """These rings' next frames are computed; all but what the next one overlaps may be overwritten."""
        self.starts[places] += n_frames * self._hop
        self.fresh[places] = False
        self.array.wanted[places] = self.starts[places] + self._window
        # Pre-emphasis looks one sample back.
        self.array.read[places] = self.starts[places] - 1
        for place in places[self.array.waiting[places]].tolist():
            self._rings[place].release_until(int(self.starts[place]) - 1)
