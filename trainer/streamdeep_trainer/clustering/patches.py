"""What dictionaries are learnt from: patches at random places of random crops, drawn as for any training.

The same seed draws the same patches again, so that they need not be kept: whitened ones take a fraction of the
memory. Patches that hold nothing but silence, of which there is much in clips that were padded, are left out:
they are all alike, and would be what most atoms are about. Not here: what is learnt from them (``kmeans``).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamdeep_trainer.config import Recipe
from streamdeep_trainer.crops import draw_crops
from streamdeep_trainer.models.patches import PatchShape
from streamdeep_trainer.models.rows import SILENCE
from streamdeep_trainer.spectrograms import Spectrograms

PER_CROP = 32
"""Patches from one crop; more of them overlap more, fewer cost more crops."""


@dataclass(frozen=True, slots=True, eq=False)
class PatchSource:
    """Where patches are drawn from.

    Attributes:
        spectrograms: of all clips.
        recipe: of the run: segment, level treatment, gain and seed.
        levels: floor and ceiling in dB.
    """

    spectrograms: Spectrograms
    recipe: Recipe
    levels: tuple[float, float]

    def draw(
        self, clips: NDArray[np.int64], n_patches: int, shape: PatchShape, *, gain_db: float
    ) -> Iterator[Tensor]:
        """Draw patches, as many from each clip as from any other, to within one crop.

        Args:
            clips: rows of the spectrograms; at least one.
            n_patches: how many, rounded up to whole crops; fewer come of it where there is silence.
            shape: of a patch; before a crop's first frame stands that frame, as in the encoder.
            gain_db: each crop is made louder or quieter by up to this.

        Yields:
            ``(patches, values)`` float32, those of one batch of crops after the other.
        """
        fit = self.recipe.fit
        random = np.random.default_rng((fit.seed, shape.frames, shape.n_bands))
        indices = shape.indices()
        n_crops = -(-n_patches // PER_CROP)
        turns = [random.permutation(clips) for _ in range(-(-n_crops // len(clips)))]
        order = np.concatenate(turns)[:n_crops]
        length_frames = self.recipe.segment.config(self.spectrograms.frontend).length_frames
        for some in np.array_split(order, -(-n_crops // fit.batch_size)):
            frames, lengths = draw_crops(
                self.spectrograms,
                some,
                length_frames=length_frames,
                levels=self.levels,
                frontend=self.recipe.frontend,
                gain_db=gain_db,
                random=random,
            )
            ends = random.integers(lengths[:, None], size=(len(some), PER_CROP))
            which = np.maximum(ends[:, :, None] - np.arange(shape.frames)[::-1], 0)
            crops = np.arange(len(some))[:, None, None]
            whole = frames[crops, which].reshape(len(some) * PER_CROP, -1)
            heights = random.integers(len(indices), size=len(whole))
            patches = np.take_along_axis(whole, indices[heights], axis=1)
            yield torch.from_numpy(patches[patches.max(axis=1) > SILENCE])
