"""From spectrograms to the encoder's input: between which levels, and the map itself.

The rule for ``auto``: of all stored values louder than -120 dB (digital silence is no level), the 10 % and
the 99 % quantile, each rounded to the nearest 5 dB. The tenth that is cut off below is the noise floor of
the quietest bands; what is cut off above is clipped peaks. On ESC-10: -90 and -20 dB.
"""

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError
from streamdeep.frontend.normalise import stretch
from streamdeep_trainer.config import STORED_FLOOR_DB, FrontendRecipe
from streamdeep_trainer.spectrograms import Spectrograms

SILENCE_DB = -120.0
QUANTILES = (0.10, 0.99)
STEP_DB = 5.0
UNKNOWN_DB = (-90.0, -20.0)


def levels_of(spectrograms: Spectrograms, recipe: FrontendRecipe) -> tuple[float, float]:
    """Floor and ceiling in dB of the training clips: those applied already, else as :func:`learn_levels`.

    Levels that are each segment's own have neither; they give -90 and -20, which nothing uses.
    """
    applied = spectrograms.applied
    if applied is None:
        return learn_levels(spectrograms.values, recipe)
    return (applied.floor_db, applied.ceiling_db) if applied.kind == "fixed" else UNKNOWN_DB


def input_of(
    spectrograms: Spectrograms,
    frames: slice,
    levels: tuple[float, float],
    recipe: FrontendRecipe,
    *,
    gain_db: float = 0.0,
) -> NDArray[np.float32]:
    """What the encoder eats of some frames: dB are mapped, prepared values stay as they are.

    Args:
        spectrograms: of a data set.
        frames: one segment or crop.
        levels: floor and ceiling of the run.
        recipe: which level treatment.
        gain_db: louder by this first; 0 of prepared values, whose levels are final.

    Returns:
        ``(frames, features)`` float32 in [-1, 1].

    Raises:
        ConfigurationError: the values were prepared between other levels than the run's, or a gain is wanted.
    """
    values, applied = spectrograms.values[frames], spectrograms.applied
    if applied is None:
        return to_input(values + np.float32(gain_db), levels, recipe)
    if gain_db:
        raise ConfigurationError("levels of prepared spectrograms are final; set gain_db = 0")
    if applied.kind == "fixed" and (applied.floor_db, applied.ceiling_db) != levels:
        raise ConfigurationError(
            f"these spectrograms lie between {applied.floor_db:g} and {applied.ceiling_db:g} dB and the run's "
            f"between {levels[0]:g} and {levels[1]:g}; give those that it was trained on"
        )
    return values


def learn_levels(decibels: NDArray[np.float32], recipe: FrontendRecipe) -> tuple[float, float]:
    """Floor and ceiling in dB: the recipe's own, or learnt where it says ``auto``.

    Args:
        decibels: ``(frames, features)`` of the training clips alone.
        recipe: what is wanted.

    Returns:
        Floor and ceiling, at least 20 dB apart. Data that is silent throughout gives -90 and -20.
    """
    loud = decibels[decibels > SILENCE_DB]
    floor, ceiling = UNKNOWN_DB
    if len(loud):
        found = np.quantile(loud, QUANTILES)
        floor, ceiling = (float(STEP_DB * np.round(level / STEP_DB)) for level in found)
    if recipe.floor_db != "auto":
        floor = recipe.floor_db
    if recipe.ceiling_db != "auto":
        return floor, recipe.ceiling_db
    return floor, max(ceiling, floor + 20.0)


def to_input(
    decibels: NDArray[np.float32], levels: tuple[float, float], recipe: FrontendRecipe
) -> NDArray[np.float32]:
    """A segment's stored dB to what the encoder eats.

    Args:
        decibels: ``(frames, features)`` of one segment or crop.
        levels: floor and ceiling; used where the recipe's level is ``fixed``.
        recipe: which level treatment.
    """
    if recipe.level == "fixed":
        return normalised(decibels, levels)
    loudest = decibels.max(initial=-np.inf)
    if loudest < SILENCE_DB:
        return np.full(decibels.shape, -1.0, dtype=np.float32)
    # as the engine: where there is no power, the smallest that there is
    floor = decibels.min(where=decibels > STORED_FLOOR_DB, initial=np.inf)
    relative = np.clip(
        np.maximum(decibels, floor).astype(np.float64) - loudest,
        recipe.clip_below_db,
        recipe.clip_above_db,
    )
    return stretch(relative, decibels.shape).astype(np.float32)


def normalised(decibels: NDArray[np.float32], levels: tuple[float, float]) -> NDArray[np.float32]:
    """Affinely to [-1, 1] and clipped, as the engine's ``fixed`` level does from power.

    The two agree to 1e-5: here the dB were rounded to float32 on the way, there they were not.
    """
    floor, ceiling = levels
    scale = np.float32(2.0 / (ceiling - floor))
    values = (decibels - np.float32(floor)) * scale - np.float32(1.0)
    clipped: NDArray[np.float32] = np.clip(values, np.float32(-1.0), np.float32(1.0))
    return clipped
