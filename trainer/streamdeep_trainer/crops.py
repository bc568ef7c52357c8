"""What a training step sees: one random crop per clip, at a random gain, padded to one length.

A shift of the dB before they are clipped is exactly a change of the microphone's gain. Digital silence is
stored 40 dB below the lowest possible floor and so stays silent. Rows that were prepared before have no gain
(``levels.input_of``). Padding is -1 and never counts: lengths go along. Not here: what else is done to a crop
(``augment``), and what of it is hidden (``masks``).
"""

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from streamdeep_trainer.augment import Augmentation
from streamdeep_trainer.config import FrontendRecipe
from streamdeep_trainer.levels import input_of
from streamdeep_trainer.spectrograms import Spectrograms


def draw_crops(
    spectrograms: Spectrograms,
    rows: NDArray[np.int64],
    *,
    length_frames: int,
    levels: tuple[float, float],
    frontend: FrontendRecipe,
    gain_db: float,
    random: np.random.Generator | None,
    augmentation: Augmentation | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Crops of some clips.

    Args:
        spectrograms: of the whole data set.
        rows: which clips.
        length_frames: a clip that is shorter gives all it has, and fewer where it is played faster.
        levels: floor and ceiling in dB.
        frontend: which level treatment.
        gain_db: evenly drawn between minus and plus this.
        random: None takes each clip's beginning at its own gain.
        augmentation: what else is done to each crop; None, or no ``random``: nothing. Another clip that is mixed in
            is one of these.

    Returns:
        ``(rows, time, features)`` float32 in [-1, 1], ``time`` the longest of these crops, and ``(rows,)``
        int64 lengths.
    """
    speeds = np.ones(len(rows))
    if random is not None and augmentation is not None:
        speeds = augmentation.speeds(len(rows), random)
    there = spectrograms.lengths[rows]
    lengths = np.minimum(((there - 1) / speeds).astype(np.int64) + 1, length_frames)
    needed = np.minimum(np.ceil((lengths - 1) * speeds).astype(np.int64) + 1, there)
    frames = np.full((len(rows), lengths.max(), spectrograms.values.shape[1]), -1.0, np.float32)
    for row, (clip, length, speed) in enumerate(zip(rows, lengths, speeds, strict=True)):
        start, gain, seen = spectrograms.starts[clip], 0.0, spectrograms
        if random is not None:
            start += random.integers(there[row] - needed[row] + 1)
            gain = random.uniform(-gain_db, gain_db)
        crop = slice(start, start + needed[row])
        if random is not None and augmentation is not None:
            other = partial(_other, spectrograms, rows, int(length), random)
            values = augmentation.played(spectrograms.values[crop], speed, int(length))
            values = augmentation(values, other, random)
            seen, crop = replace(spectrograms, values=values), slice(None)
        frames[row, :length] = input_of(seen, crop, levels, frontend, gain_db=gain)
    return frames, lengths


def _other(
    spectrograms: Spectrograms, rows: NDArray[np.int64], n_frames: int, random: np.random.Generator
) -> NDArray[np.float32]:
    """A crop of any of the clips, of so many frames if it has them."""
    clip = random.choice(rows)
    length = min(n_frames, int(spectrograms.lengths[clip]))
    start = spectrograms.starts[clip] + random.integers(spectrograms.lengths[clip] - length + 1)
    return spectrograms.values[start : start + length]
