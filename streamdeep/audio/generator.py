"""Stands for many sound cards at once: noise at the pace of live sound, written from one thread.

Every stream gets a block when its sound card would hand one over. A thread a stream would not do: with a
thousand of them the machine would be busy with threads. Streams are written in groups, whose blocks are due one
after another, evenly over a block's time. Not here: who runs the thread, and on which core (``bench``).
"""

import math
import threading
import time

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.ring import Ring, open_ring
from streamdeep.audio.ring_array import RingArray

BLOCK_S = 0.01
FEWEST_GROUPS = 8
NOISE_S = 2.0
LEVEL = 0.05


class NoiseSource:
    """A source that a generator writes for; see :class:`streamdeep.audio.source.Source`.

    Attributes:
        ring: what is written; None before the engine started it.
        started: set once there is a ring.
        stopped: nothing more is wanted.
        first_turn: the block of the generator with which it begins.
    """

    live = True

    def __init__(
        self, name: str, sample_rate_hz: int, n_channels: int, writing: threading.Lock
    ) -> None:
        self.name = name
        self.sample_rate_hz = sample_rate_hz
        self.n_channels = n_channels
        self.ring: Ring | None = None
        self.started = threading.Event()
        self.stopped = False
        self.first_turn = 0
        self._writing = writing

    def start(self, ring: Ring) -> None:
        """Take the ring; nothing comes before the generator runs."""
        self.ring = ring
        self.started.set()

    def stop(self) -> None:
        """Nothing is written after it returns."""
        with self._writing:
            self.stopped = True


class Generator:
    """Writes the same noise for all its sources, each from its own moment on.

    Args:
        sample_rate_hz: of all sources.
        n_channels: of all sources.
        spread_s: each stream begins so much earlier at most, so that their frames end at different times.
        apart_s: each stream begins so much later at most, so that their segments do.
        seed: of the noise and of the beginnings.

    Attributes:
        late_ns: how late each group's blocks were written.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        n_channels: int = 1,
        *,
        spread_s: float = 0.0,
        apart_s: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.late_ns: list[int] = []
        self._sample_rate_hz = sample_rate_hz
        self._n_channels = n_channels
        self._spread_samples = round(spread_s * sample_rate_hz)
        self._random = np.random.default_rng(seed)
        n_noise = max(self._spread_samples, round(NOISE_S * sample_rate_hz))
        noise = self._random.normal(0.0, LEVEL, (n_noise, n_channels))
        self._noise = noise.astype(np.float32)
        self._block_samples = max(1, round(BLOCK_S * sample_rate_hz))
        self._most_turns_apart = round(apart_s / BLOCK_S)
        self._sources: list[NoiseSource] = []
        self._groups: list[list[NoiseSource]] = []
        self._writing = threading.Lock()
        self._turn = 0
        self._began_ns = 0
        # Compiled now and not under way: that takes seconds on a new machine.
        spare = RingArray(1, 1, self._n_channels, self._sample_rate_hz)
        spare.write([open_ring(spare)], np.zeros((1, self._n_channels), np.float32), 0)

    def source(self, name: str) -> NoiseSource:
        """One more source; before ``run``."""
        self._sources.append(
            NoiseSource(name, self._sample_rate_hz, self._n_channels, self._writing)
        )
        return self._sources[-1]

    def run(self, duration_s: float) -> None:
        """Write for so long, at the pace of live sound; called again, it goes on where it was."""
        if not self._groups:
            self._begin()
        block_ns = self._block_samples * 1_000_000_000 / self._sample_rate_hz
        last = self._turn + round(duration_s * 1e9 / block_ns)
        while self._turn < last:
            for number, group in enumerate(self._groups):
                part = self._turn + number / len(self._groups)
                due_ns = self._began_ns + round(part * block_ns)
                time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
                self.late_ns.append(time.monotonic_ns() - due_ns)
                # As a sound card would say: when the last sample was captured, not when it was written.
                self._write(group, self._next_block(), due_ns)
            self._turn += 1

    def close(self) -> None:
        """The sound ends."""
        for source in self._sources:
            if source.ring is not None:
                source.ring.close()

    def _begin(self) -> None:
        for source in self._sources:
            source.started.wait()
        by_array: dict[int, list[NoiseSource]] = {}
        for source in self._sources:
            by_array.setdefault(id(_ring(source).array), []).append(source)
        n_parts = math.ceil(FEWEST_GROUPS / len(by_array))
        for members in by_array.values():
            self._groups += [members[part::n_parts] for part in range(min(n_parts, len(members)))]
        now_ns = time.monotonic_ns()
        for source in self._sources:
            source.first_turn = int(self._random.integers(0, self._most_turns_apart + 1))
            n_early = int(self._random.integers(0, self._spread_samples + 1))
            _ring(source).write(self._noise[:n_early], now_ns)
        self._began_ns = time.monotonic_ns()

    def _next_block(self) -> NDArray[np.float32]:
        n_blocks = len(self._noise) // self._block_samples
        start = self._turn % n_blocks * self._block_samples
        return self._noise[start : start + self._block_samples]

    def _write(
        self,
        group: list[NoiseSource],
        block: NDArray[np.float32],
        captured_ns: int,
    ) -> None:
        with self._writing:
            rings = [
                _ring(source)
                for source in group
                if not source.stopped and source.first_turn <= self._turn
            ]
            if rings:
                rings[0].array.write(rings, block, captured_ns)


def _ring(source: NoiseSource) -> Ring:
    assert source.ring is not None, "the engine starts a source first"
    return source.ring
