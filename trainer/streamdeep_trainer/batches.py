"""From clips to batches: crops as training sees them, and as the loss on held-out clips is measured.

Not here: drawing a crop (``crops``), changing it (``augment``), what is hidden (``masks``), and what is made of it
(``objectives``).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from streamdeep_trainer.augment import Augmentation
from streamdeep_trainer.augment_recipe import AugmentRecipe, MaskRecipe
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.crops import draw_crops
from streamdeep_trainer.masks import draw_masks
from streamdeep_trainer.objectives.objective import Batch
from streamdeep_trainer.spectrograms import Spectrograms

_HELD_OUT = (0, 2)
"""Tells the draws on held-out clips from those of epochs, which count from 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Batches:
    """Where a run's batches come from.

    Attributes:
        spectrograms: of all clips.
        recipe: of the run.
        levels: floor and ceiling in dB.
    """

    spectrograms: Spectrograms
    recipe: Recipe
    levels: tuple[float, float]

    def training(self, rows: NDArray[np.int64], random: np.random.Generator) -> Batch:
        """Random crops of some clips, changed as the recipe says; of each as many as the objective has views."""
        augment = self.recipe.augment
        changed = augment != AugmentRecipe()
        frames, lengths = draw_crops(
            self.spectrograms,
            np.tile(rows, self.recipe.objective.n_views),
            length_frames=self.recipe.crop_frames,
            levels=self.levels,
            frontend=self.recipe.frontend,
            gain_db=self.recipe.gain_db,
            random=random,
            augmentation=Augmentation.of(augment, self.spectrograms.frontend) if changed else None,
        )
        return _batch(frames, lengths, augment.masks or self.recipe.objective.masks, random)

    def held_out(self, rows: NDArray[np.int64]) -> Batch:
        """What a loss is measured on: the beginnings of some clips at their own gain, the same whenever it is asked for.

        Where views of a clip are compared they are drawn as in training, because two beginnings would be the same.
        """
        random = np.random.default_rng((self.recipe.fit.seed, *_HELD_OUT))
        if self.recipe.objective.n_views > 1:
            return self.training(rows, random)
        frames, lengths = draw_crops(
            self.spectrograms,
            rows,
            length_frames=self.recipe.segment.config(self.spectrograms.frontend).length_frames,
            levels=self.levels,
            frontend=self.recipe.frontend,
            gain_db=0.0,
            random=None,
        )
        return _batch(frames, lengths, self.recipe.objective.masks, random)


def _batch(
    frames: NDArray[np.float32],
    lengths: NDArray[np.int64],
    masks: MaskRecipe | None,
    random: np.random.Generator,
) -> Batch:
    hidden = None
    if masks is not None:
        hidden = torch.from_numpy(draw_masks(lengths, frames.shape, masks, random))
    on_host = torch.from_numpy(lengths)
    return Batch(torch.from_numpy(frames), on_host, hidden, on_host.sum())
