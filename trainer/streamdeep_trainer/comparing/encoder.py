"""The encoders of this project as systems: a recipe, trained, exported, and run by the engine's own pipeline."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamdeep import onnxfile
from streamdeep.errors import ModelError
from streamdeep_trainer.comparing.cost import cost_of
from streamdeep_trainer.comparing.spectra import Spectra
from streamdeep_trainer.comparing.system import Features
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.embed import embed_clips
from streamdeep_trainer.export import export_model
from streamdeep_trainer.fit import fit
from streamdeep_trainer.run_folder import MODEL, UNTRAINED
from streamdeep_trainer.spectrograms import Spectrograms


@dataclass(frozen=True, slots=True)
class EncoderSystem:
    """A recipe of one view.

    Attributes:
        name: what tables call it.
        recipe: with every change that makes it this variant.
        spectra: of all clips.
    """

    name: str
    recipe: Recipe
    spectra: Spectra

    def features(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Features:
        """Train on the clips that may be heard, and embed all as a listener would receive them.

        Raises:
            ModelError: the loss is no number, or the model does not prove itself.
            StreamdeepError: whatever else stops a step.
        """
        recipe = self.recipe.with_seed(seed)
        learnt = _only(self.spectra.of(recipe), clips, heard)
        state = fit(recipe, learnt, run=run)
        if state.losses and not math.isfinite(state.losses[-1][0]):
            raise ModelError("the training's loss is no number; the learning rate may be too high")
        onnxfile.write(run / MODEL, export_model(state, learnt))
        return _embedded(clips, run / MODEL)

    def untrained(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Features | None:
        """The weights that this training begins with; levels and unit means are learnt as ever."""
        recipe = self.recipe.with_seed(seed)
        recipe = recipe.model_copy(update={"fit": recipe.fit.model_copy(update={"epochs": 0})})
        learnt = _only(self.spectra.of(recipe), clips, heard)
        state = fit(recipe, learnt, run=run)
        onnxfile.write(run / UNTRAINED, export_model(state, learnt, untrained=True))
        return _embedded(clips, run / UNTRAINED)


def _only(made: Spectrograms, clips: Sequence[Clip], heard: NDArray[np.bool_]) -> Spectrograms:
    names = {clip.filename for clip, may in zip(clips, heard, strict=True) if may}
    rows = np.flatnonzero([clip.filename in names for clip in made.clips])
    return made.only(rows.astype(np.int64))


def _embedded(clips: Sequence[Clip], model: Path) -> Features:
    found = embed_clips(clips, model)
    return Features(found.clips, found.vectors, found.clip_rows, cost_of(model))
