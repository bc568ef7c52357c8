"""What one recipe is worth: train, export and measure on the clips that trials may hear; at the end, the others.

Levels, weights and classifiers learn from the clips that are not put aside, and from nothing else. Not here:
which recipes are tried (``study``), and when (``tune``).
"""

import json
import math
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError, ModelError, SourceError, StreamdeepError
from streamdeep_trainer.batches import Batches
from streamdeep_trainer.building import untrained_network
from streamdeep_trainer.checkpoint import load_checkpoint, network_from
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.embed import embed_clips
from streamdeep_trainer.evaluation.evaluate import evaluate
from streamdeep_trainer.evaluation.judging import Method, Split, answer, rows_of
from streamdeep_trainer.evaluation.scoring import Scores, summarise
from streamdeep_trainer.fit import fit
from streamdeep_trainer.loop import validation_loss
from streamdeep_trainer.objectives.build import build_objective
from streamdeep_trainer.run_folder import CHECKPOINT, MODEL, UNTRAINED
from streamdeep_trainer.spectrograms import Spectrograms
from streamdeep_trainer.steps import export_into, shared_spectrograms
from streamdeep_trainer.tuning.aside import Aside
from streamdeep_trainer.tuning.space import Measure
from streamdeep_trainer.tuning.trials import Judged, Measured


@dataclass(frozen=True, slots=True)
class Bench:
    """Where recipes are measured.

    Attributes:
        data: folder of sound files.
        layout: how it is laid out; found out if None.
        aside: its clips in two parts.
        measure: by what.
        store: folder of the spectrograms, one file per front-end.
    """

    data: Path
    layout: str | None
    aside: Aside
    measure: Measure
    store: Path
    _twins: dict[str, float] = field(default_factory=dict)  # what untrained networks measured

    def spectrograms(self, recipe: Recipe) -> Spectrograms:
        """Of all clips; computed once per front-end, and kept.

        Raises:
            SourceError: no clip can be read.
        """
        return shared_spectrograms(recipe, self.data, self.store, layout=self.layout)

    def work(self, recipe: Recipe, place: Path) -> Measured:
        """Train a recipe into an empty folder and measure it, on the clips that are not put aside.

        Raises:
            StreamdeepError: whatever stops one of the steps.
            ModelError: the loss is no number.
        """
        begun = time.monotonic()
        shutil.rmtree(place, ignore_errors=True)
        heard = self._heard(recipe)
        state = fit(recipe, heard, run=place)
        if state.losses and not math.isfinite(state.losses[-1][0]):
            raise ModelError("the training's loss is no number; the learning rate may be too high")
        export_into(place, heard, {MODEL: False})
        twin = recipe.model_dump_json(include={"frontend", "segment", "model"})
        twin += json.dumps([recipe.fit.seed, recipe.fit.validation_fraction])
        if twin not in self._twins:
            self._twins[twin] = self._measure(recipe, heard, place, untrained=True)
        value = self._measure(recipe, heard, place, untrained=False)
        return Measured(value, self._twins[twin], time.monotonic() - begun)

    def judge(self, recipe: Recipe, place: Path) -> Judged:
        """Ask a trained recipe about the clips that were put aside.

        Raises:
            StreamdeepError: the run's folder is not whole, or none of the clips can be read.
        """
        if self.measure == "rmse":
            made = self.spectrograms(recipe)
            rows = _rows_in(made, {clip.filename for clip in self.aside.final})
            if not len(rows):
                raise SourceError(f"no clip of the {self.aside.name} can be read")
            value = self._rmse(recipe, made, rows, place, untrained=False)
            untrained = self._rmse(recipe, made, rows, place, untrained=True)
            return Judged(value, untrained, None, len(rows))
        asked = self._final(recipe, place, untrained=False)
        twin = self._final(recipe, place, untrained=True)
        return Judged(asked.accuracy, twin.accuracy, asked.interval, asked.n_files)

    def _heard(self, recipe: Recipe) -> Spectrograms:
        made = self.spectrograms(recipe)
        heard = made.only(_rows_in(made, {clip.filename for clip in self.aside.rest}))
        if self.measure == "rmse" and int(recipe.fit.validation_fraction * len(heard.clips)) < 1:
            raise ConfigurationError(
                "RMSE is measured on held-out clips; set fit.validation_fraction so that there is one"
            )
        return heard

    def _measure(
        self, recipe: Recipe, heard: Spectrograms, place: Path, *, untrained: bool
    ) -> float:
        if self.measure == "rmse":
            rows = _rows_in(heard, set(load_checkpoint(place / CHECKPOINT).held_out))
            return self._rmse(recipe, heard, rows, place, untrained=untrained)
        found = embed_clips(self.aside.rest, self._model(recipe, place, untrained=untrained))
        features = found.clips, found.vectors, found.clip_rows
        name = "untrained twin" if untrained else recipe.model.name
        return evaluate(name, *features, recipe.evaluate, method=_method(recipe)).accuracy

    def _rmse(
        self,
        recipe: Recipe,
        made: Spectrograms,
        rows: NDArray[np.int64],
        place: Path,
        *,
        untrained: bool,
    ) -> float:
        checkpoint = load_checkpoint(place / CHECKPOINT)
        network = (
            untrained_network(recipe).eval() if untrained else network_from(checkpoint.chosen())
        )
        objective = build_objective(recipe, network)
        loss = validation_loss(objective, Batches(made, recipe, checkpoint.levels), rows)
        if loss is None or not math.isfinite(loss):
            raise ModelError("the RMSE is no number; the learning rate may be too high")
        return loss

    def _final(self, recipe: Recipe, place: Path, *, untrained: bool) -> Scores:
        """Taught by all other clips, C chosen among them."""
        clips = (*self.aside.rest, *self.aside.final)
        found = embed_clips(clips, self._model(recipe, place, untrained=untrained))
        rows, names = rows_of(found.clips, found.vectors, found.clip_rows)
        final = {clip.filename for clip in self.aside.final}
        tested = np.array([clip.filename in final for clip in found.clips], dtype=np.bool_)
        if not tested.any():
            raise SourceError(f"no clip of the {self.aside.name} can be read")
        split = Split(self.aside.name, ~tested, tested)
        answers = [
            answer(rows, split, _method(recipe), seed=seed) for seed in recipe.evaluate.seeds
        ]
        return summarise(recipe.model.name, answers, names)

    def _model(self, recipe: Recipe, place: Path, *, untrained: bool) -> Path:
        """The run's model file, or its untrained twin, exported when it is first asked for."""
        path = place / (UNTRAINED if untrained else MODEL)
        if not path.is_file():
            export_into(place, self._heard(recipe), {path.name: untrained})
        return path


def _method(recipe: Recipe) -> Method:
    """A linear support vector machine, whichever classifiers judge the recipe otherwise."""
    wanted = recipe.evaluate
    return Method(
        grid=tuple(sorted(wanted.c_grid)),
        upsample=wanted.upsample,
        majority_vote=wanted.majority_vote,
    )


def _rows_in(made: Spectrograms, names: set[str]) -> NDArray[np.int64]:
    return np.flatnonzero([clip.filename in names for clip in made.clips]).astype(np.int64)


def attempt(bench: Bench, recipe: Recipe, place: Path) -> Measured | str:
    """As :meth:`Bench.work`, or why it failed."""
    try:
        return bench.work(recipe, place)
    except StreamdeepError as error:
        return str(error)
