"""Frames of some streams for those who draw them: what the front-end made anyhow, in small batches of bytes.

Asked after a turn's embeddings are published, so that no embedding waits for it. Only the first view is taken:
one picture for each stream. Not here: who wants to see it (``engine``, ``stream``).
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import FixedLevel, FrontendConfig
from streamdeep.rack.slot import Slot
from streamdeep.records import Spectrogram

PERIOD_S: Final = 0.2
"""So much sound becomes one batch: five a second move smoothly, and cost little."""
_POWER_LOW_DB: Final = -120.0
"""Where power is drawn, no level treatment says what is dark; below this is silence for the normaliser too."""


@dataclass(slots=True)
class _Open:
    epoch: int = -1
    start_frame: int = 0
    n_frames: int = 0
    start_sample: int = 0
    stop_sample: int = 0
    levels: list[NDArray[np.uint8]] = field(default_factory=list)


class FrameTap:
    """Collects frames of the streams that were added.

    Args:
        config: the front-end's.
    """

    def __init__(self, config: FrontendConfig) -> None:
        view = config.views[0]
        self._width = view.width
        self._batch_frames = max(1, round(PERIOD_S * config.sample_rate_hz / config.hop_samples))
        self._power = not config.causal
        level = view.level
        self._low_db, self._high_db = _POWER_LOW_DB, 0.0
        if isinstance(level, FixedLevel) and not self._power:
            # What is drawn in one colour is what the encoder sees as one value.
            self._low_db, self._high_db = level.floor_db, level.ceiling_db
        self._open: dict[Slot, _Open] = {}

    def add(self, slot: Slot) -> None:
        """From now on take this stream's frames."""
        self._open[slot] = _Open()

    def take(
        self,
        slots: list[Slot],
        starts: list[int],
        values: NDArray[np.float32] | NDArray[np.float64],
    ) -> list[tuple[Slot, Spectrogram]]:
        """Take what a turn computed.

        Args:
            slots: of each row.
            starts: number of each row's first frame since its epoch began.
            values: ``(rows, frames, features)`` as the encoder got them; nothing of it is kept.

        Returns:
            The batches that are full, or whose epoch has ended.
        """
        levels = self._levels(values[:, :, : self._width])
        found = []
        for row, (slot, start) in enumerate(zip(slots, starts, strict=True)):
            waiting = self._open.get(slot)
            if waiting is None:
                continue
            if waiting.n_frames and waiting.epoch != slot.timeline.epoch:
                found += self.flush(slot)
            first, stop = slot.timeline.newest_samples(start, values.shape[1])
            if not waiting.n_frames:
                waiting.epoch, waiting.start_frame = slot.timeline.epoch, start
                waiting.start_sample = first
            waiting.stop_sample = stop
            waiting.levels.append(levels[row])
            waiting.n_frames += values.shape[1]
            if waiting.n_frames >= self._batch_frames:
                found += self.flush(slot)
        return found

    def flush(self, slot: Slot) -> list[tuple[Slot, Spectrogram]]:
        """What waits of a stream, full or not; at most one batch."""
        waiting = self._open.get(slot)
        if waiting is None or not waiting.n_frames:
            return []
        batch = Spectrogram(
            epoch=waiting.epoch,
            start_frame=waiting.start_frame,
            start_sample=waiting.start_sample,
            n_samples=waiting.stop_sample - waiting.start_sample,
            sample_rate_hz=slot.timeline.source_rate_hz,
            levels=np.concatenate(waiting.levels),
            low_db=self._low_db,
            high_db=self._high_db,
        )
        waiting.levels, waiting.n_frames = [], 0
        return [(slot, batch)]

    def remove(self, slot: Slot) -> None:
        """The stream ended."""
        self._open.pop(slot, None)

    def _levels(self, values: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.uint8]:
        share = (values + 1.0) / 2.0
        if self._power:
            db = 10.0 * np.log10(np.maximum(values, 1e-12))
            share = (db - self._low_db) / (self._high_db - self._low_db)
        return np.rint(255.0 * np.clip(share, 0.0, 1.0)).astype(np.uint8)
