"""What dictionaries are learnt from: patches at random places of random crops, drawn as for any training.

The same seed draws the same patches again, so that they need not be kept: raw patches of 16 frames take 8
times the memory of whitened ones. Not here: what is learnt from them (``kmeans``).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamdeep_trainer.config import Recipe
from streamdeep_trainer.crops import draw_crops
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
        self, clips: NDArray[np.int64], n_patches: int, n_frames: int, *, gain_db: float
    ) -> Iterator[Tensor]:
        """Draw patches, each clip giving as many as any other, to within one crop.

        Args:
            clips: rows of the spectrograms; at least one.
            n_patches: how many, rounded up to whole crops.
            n_frames: in a patch; before a crop's first frame stands that frame, as in the encoder.
            gain_db: each crop is made louder or quieter by up to this.

        Yields:
            ``(patches, n_frames * features)`` float32, those of one batch of crops after the other.
        """
        fit = self.recipe.fit
        random = np.random.default_rng((fit.seed, n_frames))
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
            which = np.maximum(ends[:, :, None] - np.arange(n_frames)[::-1], 0)
            crops = np.arange(len(some))[:, None, None]
            patches = frames[crops, which]  # (crops, patches, frames, features)
            yield torch.from_numpy(patches.reshape(len(some) * PER_CROP, -1))
