"""The encoders of this project as systems: a recipe, trained, exported, and run by the engine's own pipeline."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
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
from streamdeep_trainer.fusion import fuse_models, load_part
from streamdeep_trainer.run_folder import MODEL, UNTRAINED
from streamdeep_trainer.spectrograms import Spectrograms


@dataclass(frozen=True, slots=True)
class EncoderSystem:
    """A recipe, of one view or of several, whose encoders are then fused into the one file that is judged.

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
        made = partial(self._trained, clips, heard)
        return _embedded(clips, self._model(made, self.recipe.with_seed(seed), run, MODEL))

    def untrained(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Features | None:
        """The weights that this training begins with; levels and unit means are learnt as ever."""
        made = partial(self._untrained, clips, heard)
        return _embedded(clips, self._model(made, self.recipe.with_seed(seed), run, UNTRAINED))

    def _model(
        self, made: Callable[[Recipe, Path], bytes], recipe: Recipe, run: Path, file: str
    ) -> Path:
        """Write the model file of a recipe, made view by view where there are several; returns its path."""
        if not recipe.views:
            onnxfile.write(run / file, made(recipe, run))
            return run / file
        parts = []
        for view, single in recipe.singles.items():
            onnxfile.write(run / view / file, made(single, run / view))
            parts.append(load_part(run / view / file))
        onnxfile.write(run / file, fuse_models(parts, name=recipe.model.name))
        return run / file

    def _trained(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], recipe: Recipe, run: Path
    ) -> bytes:
        learnt = _only(self.spectra.of(recipe), clips, heard)
        state = fit(recipe, learnt, run=run)
        if state.losses and not math.isfinite(state.losses[-1][0]):
            raise ModelError("the training's loss is no number; the learning rate may be too high")
        return export_model(state, learnt)

    def _untrained(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], recipe: Recipe, run: Path
    ) -> bytes:
        recipe = recipe.model_copy(update={"fit": recipe.fit.model_copy(update={"epochs": 0})})
        learnt = _only(self.spectra.of(recipe), clips, heard)
        return export_model(fit(recipe, learnt, run=run), learnt, untrained=True)


def _only(made: Spectrograms, clips: Sequence[Clip], heard: NDArray[np.bool_]) -> Spectrograms:
    names = {clip.filename for clip, may in zip(clips, heard, strict=True) if may}
    rows = np.flatnonzero([clip.filename in names for clip in made.clips])
    return made.only(rows.astype(np.int64))


def _embedded(clips: Sequence[Clip], model: Path) -> Features:
    found = embed_clips(clips, model)
    return Features(found.clips, found.vectors, found.clip_rows, cost_of(model))
