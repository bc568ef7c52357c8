"""Samples that are no sound: replaced before any filter or network carries them on, and remembered.

NaN, infinities and absurd magnitudes would ruin a resampler's or an encoder's state for good; clipped ones
are sound, but a listener should know. Not here: counting towards the ledger, which the pipeline does.
"""

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 32767 / 32768
"""At or beyond this a sample counts as clipped: 16-bit sources cannot reach +1."""
ABSURD = 8.0
"""No sound is 18 dB over full scale; such samples are limited, so that no filter state is ruined."""


def sanitise(
    samples: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Replace what is no sound, and find what is too loud.

    Args:
        samples: ``(samples, channels)`` float32.

    Returns:
        The samples (the same array if nothing was replaced), the rows that held a non-finite or absurd
        sample, and the rows that held a clipped one.
    """
    nowhere = np.empty(0, dtype=np.int64)
    # One pass tells the usual case: a NaN makes the comparison false, like a loud sample does.
    if not len(samples) or (samples.max() < FULL_SCALE and samples.min() > -FULL_SCALE):
        return samples, nowhere, nowhere
    magnitudes = np.abs(samples)
    finite = np.isfinite(samples)
    absurd = ~(magnitudes <= ABSURD)
    replaced = (
        np.where(finite, np.clip(samples, -ABSURD, ABSURD), np.float32(0.0))
        if absurd.any()
        else samples
    )
    return (
        replaced,
        np.flatnonzero(absurd.any(axis=1)),
        np.flatnonzero(((magnitudes >= FULL_SCALE) & ~absurd).any(axis=1)),
    )


class Marks:
    """Source samples that a later embedding must be flagged for, as far back as a segment may reach.

    Attributes:
        count: how many were ever marked.
    """

    def __init__(self) -> None:
        self.count = 0
        self._samples = np.empty(0, dtype=np.int64)

    def add(self, samples: NDArray[np.int64]) -> None:
        """Mark samples, given in ascending order, all after those marked before."""
        if len(samples):
            self.count += len(samples)
            self._samples = np.concatenate((self._samples, samples))

    def any_in(self, start: int, stop: int) -> bool:
        """Whether a mark lies in ``[start, stop)``."""
        if not len(self._samples):
            return False
        first, last = np.searchsorted(self._samples, (start, stop))
        return bool(last > first)

    def forget(self, before: int) -> None:
        """Nobody will ask about samples before this one again."""
        if len(self._samples) and self._samples[0] < before:
            self._samples = self._samples[np.searchsorted(self._samples, before) :]
