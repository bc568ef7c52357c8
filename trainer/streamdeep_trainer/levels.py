"""From dB to the encoder's input: between which levels, and the map itself.

The rule for ``auto``: of all stored values louder than -120 dB (digital silence is no level), the 10 % and
the 99 % quantile, each rounded to the nearest 5 dB. The tenth that is cut off below is the noise floor of
the quietest bands; what is cut off above is clipped peaks. On ESC-10: -90 and -20 dB.
"""

import numpy as np
from numpy.typing import NDArray

from streamdeep.frontend.normalise import stretch
from streamdeep_trainer.config import FrontendRecipe

SILENCE_DB = -120.0
QUANTILES = (0.10, 0.99)
STEP_DB = 5.0


def learn_levels(decibels: NDArray[np.float32], recipe: FrontendRecipe) -> tuple[float, float]:
    """Floor and ceiling in dB: the recipe's own, or learnt where it says ``auto``.

    Args:
        decibels: ``(frames, features)`` of the training clips alone.
        recipe: what is wanted.

    Returns:
        Floor and ceiling, at least 20 dB apart. Data that is silent throughout gives -90 and -20.
    """
    loud = decibels[decibels > SILENCE_DB]
    floor, ceiling = (-90.0, -20.0)
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
    relative = np.clip(
        decibels.astype(np.float64) - loudest, recipe.clip_below_db, recipe.clip_above_db
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
