"""What is done to a crop before training sees it, on its dB: each thing a pure function, and all in order.

A crop changed here could have come from a microphone: another sound beside it, another start, a little higher,
through a line that carries less, from a tape that runs faster. Gains are ``crops``', masks ``masks``'.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import FrontendConfig
from streamdeep.frontend.mel import band_centres_hz
from streamdeep_trainer.augment_recipe import AugmentRecipe
from streamdeep_trainer.config import STORED_FLOOR_DB

Decibels = NDArray[np.float32]
"""``(frames, bands)``."""


@dataclass(frozen=True, slots=True, eq=False)
class Augmentation:
    """A recipe's, for frames of one front-end.

    Attributes:
        recipe: what is wanted, and how much.
        centres_hz: ``(bands,)``, where each band is centred.
        sample_rate_hz: of the sound; it has nothing above half of it.
    """

    recipe: AugmentRecipe
    centres_hz: NDArray[np.float64]
    sample_rate_hz: int

    @classmethod
    def of(cls, recipe: AugmentRecipe, frontend: FrontendConfig) -> "Augmentation":
        """For frames of a front-end, which has one view while it trains."""
        (view,) = frontend.views
        rate_hz = frontend.sample_rate_hz
        return cls(recipe, band_centres_hz(view, rate_hz), rate_hz)

    def speeds(self, n_crops: int, random: np.random.Generator) -> NDArray[np.float64]:
        """Draw at which speed each crop is to be played, which decides how much of its clip it needs.

        Args:
            n_crops: how many.
            random: nothing is drawn where the recipe asks for no other speed.

        Returns:
            ``(n_crops,)``, above 1 where it is faster.
        """
        if self.recipe.speed == 1.0:
            return np.ones(n_crops)
        speeds: NDArray[np.float64] = self.recipe.speed ** random.uniform(-1.0, 1.0, n_crops)
        return speeds

    def played(self, decibels: Decibels, speed: float, n_frames: int) -> Decibels:
        """A stretch of a clip at a speed; at 1 it is as it was.

        Args:
            decibels: of as many frames as are needed.
            speed: see :meth:`speeds`.
            n_frames: how many are to come of it.
        """
        if speed == 1.0:
            return decibels
        limit_hz = speed * self.sample_rate_hz
        return band_limited(
            played(decibels, self.centres_hz, speed, n_frames), self.centres_hz, limit_hz
        )

    def __call__(
        self, decibels: Decibels, other: Callable[[], Decibels], random: np.random.Generator
    ) -> Decibels:
        """Change a crop.

        Args:
            decibels: of the crop; not written to.
            other: gives a crop of another clip, as long or shorter; called only to mix it in.
            random: nothing is drawn for what the recipe does not ask for.

        Returns:
            As many frames and bands, not below the floor that is stored.
        """
        recipe = self.recipe
        if recipe.mix:
            decibels = mixed(decibels, other(), random.uniform(0.0, recipe.mix))
        if recipe.roll:
            decibels = np.roll(decibels, random.integers(len(decibels)), axis=0)
        if recipe.shift_bands:
            n_bands = random.integers(-recipe.shift_bands, recipe.shift_bands, endpoint=True)
            decibels = shifted_bands(decibels, int(n_bands))
        if recipe.source_rates_hz:
            rates_hz = (np.inf, *recipe.source_rates_hz)
            rate_hz = rates_hz[random.integers(len(rates_hz))]
            decibels = band_limited(decibels, self.centres_hz, rate_hz)
        return decibels


def mixed(decibels: Decibels, other: Decibels, share: float) -> Decibels:
    """Two crops' powers, weighted ``1 - share`` and ``share``.

    Niizumi et al., "BYOL for audio" (IJCNN 2021), section III-B: mixing happens before the logarithm. Phases are not
    known, so that powers add up as of sounds that have nothing to do with each other.

    Args:
        decibels: of the crop.
        other: at most as long; after its end there is silence.
        share: from 0 to 1.
    """
    power = (1.0 - share) * _power(decibels)
    power[: len(other)] += share * _power(other)
    return _decibels(power)


def played(
    decibels: Decibels, centres_hz: NDArray[np.float64], speed: float, n_frames: int
) -> Decibels:
    """As from a tape that runs faster: at frame t what was at ``speed * t``, at f what was at ``f / speed``.

    Powers are interpolated linearly between frames, and between the centres of bands: a tone between two bands is
    in both, as it is in a bank of triangles. Tones, and noise where bands are as wide as they are high (Mel above
    1 kHz), keep their level; noise below is off by up to the factor, 1 dB at 1.26.

    Args:
        decibels: of ``(n_frames - 1) * speed + 1`` frames, rounded up; the last is repeated where one is missing.
        centres_hz: ``(bands,)``, rising; beyond the outermost bands these are repeated.
        speed: above 0.
        n_frames: of the result.
    """
    power = _between(_power(decibels), np.arange(n_frames, dtype=np.float64) * speed)
    numbers = np.arange(len(centres_hz), dtype=np.float64)
    bands = np.interp(centres_hz / speed, centres_hz, numbers)
    return _decibels(_between(power.T, bands).T)


def _between(rows: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows at places that are no whole numbers, linearly interpolated."""
    below = np.minimum(places.astype(np.int64), len(rows) - 1)
    above = np.minimum(below + 1, len(rows) - 1)
    share = (places - below)[:, None]
    found: NDArray[np.float64] = (1.0 - share) * rows[below] + share * rows[above]
    return found


def _decibels(power: NDArray[np.float64]) -> Decibels:
    smallest = 10.0 ** (STORED_FLOOR_DB / 10.0)
    decibels: Decibels = (10.0 * np.log10(np.maximum(power, smallest))).astype(np.float32)
    return decibels


def _power(decibels: Decibels) -> NDArray[np.float64]:
    power: NDArray[np.float64] = 10.0 ** (decibels.astype(np.float64) / 10.0)
    return power


def shifted_bands(decibels: Decibels, n_bands: int) -> Decibels:
    """Everything ``n_bands`` higher, or lower if negative; the outermost band is repeated where nothing came from.

    On a Mel scale above 1 kHz this is about a change of pitch by a factor; below it is not.
    """
    width = decibels.shape[1]
    shifted: Decibels = decibels[:, np.clip(np.arange(width) - n_bands, 0, width - 1)]
    return shifted


def band_limited(decibels: Decibels, centres_hz: NDArray[np.float64], rate_hz: float) -> Decibels:
    """As from a source of a lower rate: silence in all bands that are centred at half of it or above."""
    limited = decibels.copy()
    limited[:, centres_hz >= rate_hz / 2.0] = STORED_FLOOR_DB
    return limited
