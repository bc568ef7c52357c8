"""Which values of some crops are hidden from the encoder: stretches of frames and of bands.

After SpecAugment (Park et al., Interspeech 2019), with widths from 1 instead of 0, so that every crop has
something to be told. Not here: what is made of it (``objectives``).
"""

import numpy as np
from numpy.typing import NDArray

from streamdeep_trainer.augment_recipe import MaskRecipe


def draw_masks(
    lengths: NDArray[np.int64],
    shape: tuple[int, int, int],
    recipe: MaskRecipe,
    random: np.random.Generator,
) -> NDArray[np.bool_]:
    """Draw stretches for each row.

    Args:
        lengths: ``(rows,)``, frames of each; stretches lie within them.
        shape: ``(rows, time, features)``.
        recipe: how many, how long.
        random: draws.

    Returns:
        ``(rows, time, features)``, true where a value is hidden.
    """
    hidden = np.zeros(shape, dtype=np.bool_)
    for row, length in zip(hidden, lengths, strict=True):
        for _ in range(recipe.frame_stretches):
            row[_stretch(int(length), recipe.longest_frames, random)] = True
        for _ in range(recipe.band_stretches):
            row[:length, _stretch(shape[2], recipe.widest_bands, random)] = True
    return hidden


def _stretch(n_steps: int, longest: int, random: np.random.Generator) -> slice:
    """A stretch within some steps, of half of them at most."""
    n_hidden = int(random.integers(1, max(1, min(longest, n_steps // 2)), endpoint=True))
    first = int(random.integers(n_steps - n_hidden, endpoint=True))
    return slice(first, first + n_hidden)
