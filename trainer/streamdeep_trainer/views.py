"""A recipe of several views: one training per view, and all encoders fused into one file that streams.

In the run's folder lie ``recipe.json``, an ordinary run per view below the view's name, and the fused model
with its untrained twin. Views of one stored front-end (those that differ in levels alone) share one file of
spectrograms, in the folder of the first. Not here: the graph of a fused model (``fusion``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from streamdeep import onnxfile
from streamdeep.config import describe
from streamdeep.encoder.model import load_model
from streamdeep.errors import ConfigurationError, ModelError
from streamdeep_trainer.building import shape_of
from streamdeep_trainer.checkpoint import Checkpoint, load_checkpoint
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.encoding import encode_segments
from streamdeep_trainer.fit import fit, refuse_overwriting
from streamdeep_trainer.fusion import Part, fuse_models, load_part
from streamdeep_trainer.levels import input_of
from streamdeep_trainer.run_folder import CHECKPOINT, MODEL, RECIPE, SPECTROGRAMS, UNTRAINED
from streamdeep_trainer.spans import segment_spans
from streamdeep_trainer.spectrograms import Spectrograms, load_spectrograms
from streamdeep_trainer.statistics import describe_embeddings, groups_of
from streamdeep_trainer.steps import export_into, kept_spectrograms
from streamdeep_trainer.writing import check_writable


@dataclass(frozen=True, slots=True, eq=False)
class TrainedViews:
    """What :func:`fit_views` made.

    Attributes:
        checkpoints: the last of each view, by its name.
        n_clips: that could be read.
        skipped: filename and reason of every clip that could not.
        models: digests of the fused model and of its untrained twin, by the names of their files.
    """

    checkpoints: dict[str, Checkpoint]
    n_clips: int
    skipped: tuple[tuple[str, str], ...]
    models: dict[str, str]

    @property
    def about(self) -> dict[str, Any]:
        """For people and programs."""
        views = {name: one.about for name, one in self.checkpoints.items()}
        counts = {"n_clips": self.n_clips, "n_skipped": len(self.skipped)}
        return counts | {"views": views, "models": self.models}


def recipe_of(run: Path) -> Recipe:
    """The recipe that a run was made by, of one view or of several.

    Raises:
        SourceError: there is no run.
        ModelError: its recipe is damaged, or of another version.
    """
    file = run / RECIPE
    if not file.is_file():
        return load_checkpoint(run / CHECKPOINT).recipe
    try:
        return Recipe.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise ModelError(f"{file} is damaged, or of another version: {describe(error)}") from error


def check_folder(recipe: Recipe, run: Path, *, resume: bool) -> None:
    """Before the work: a folder never holds two kinds of runs, and no run is lost.

    Raises:
        ConfigurationError: it cannot be written to, holds a run of one view and the recipe has several, or the
            other way round, or it holds a training that is not to be resumed.
    """
    check_writable(run / CHECKPOINT)
    if (run / (CHECKPOINT if recipe.views else RECIPE)).is_file():
        kind = "one view" if recipe.views else "several views"
        raise ConfigurationError(f"{run} holds a run of {kind}; choose another --out")
    for place in (run, *(run / name for name in recipe.singles)):
        if not resume:
            refuse_overwriting(place / CHECKPOINT)


def fit_views(
    recipe: Recipe,
    data: Path,
    *,
    run: Path,
    spectrograms_file: Path | None = None,
    layout: str | None = None,
    resume: bool = False,
) -> TrainedViews:
    """Train every view, export every encoder, and fuse them.

    Args:
        recipe: of several views.
        data: folder of sound files.
        run: folder for everything.
        spectrograms_file: of all views, if they share it; made and kept in the run if not given.
        layout: how the data is laid out; found out if not given.
        resume: go on from the views' checkpoints, and with the views that have none yet.

    Raises:
        ConfigurationError: a network cannot be, views do not share spectrograms, or the run was begun with
            another recipe.
        SourceError: there is nothing to go on from, or no sound.
    """
    singles = recipe.singles
    for single in singles.values():
        shape_of(single)  # before the work
    files = spectrogram_files(recipe, run, spectrograms_file)
    checkpoints: dict[str, Checkpoint] = {}
    made: Spectrograms | None = None
    for name, single in singles.items():
        if made is None or made.frontend != single.frontend.stored():
            made = kept_spectrograms(single, data, files[name], layout=layout)
        begun = not checkpoints or (run / name / CHECKPOINT).is_file()
        checkpoints[name] = fit(single, made, run=run / name, resume=resume and begun)
        # after a view, so that a recipe which does not go on from it leaves the run as it was
        (run / RECIPE).write_text(recipe.model_dump_json(indent=1) + "\n")
    assert made is not None
    n_clips, skipped, made = len(made.clips), made.skipped, None  # room for those that are exported
    outs = {MODEL: run / MODEL, UNTRAINED: run / UNTRAINED}
    models = export_views(run, outs, spectrograms_file=spectrograms_file)
    return TrainedViews(checkpoints, n_clips, skipped, models)


def spectrogram_files(recipe: Recipe, run: Path, given: Path | None) -> dict[str, Path]:
    """Where each view's spectrograms lie: with the first view that has the same, or in the given file.

    Raises:
        ConfigurationError: one file is given, and the views do not share one.
    """
    stored = {name: single.frontend.stored() for name, single in recipe.singles.items()}
    first = {
        name: next(other for other, earlier in stored.items() if earlier == wanted)
        for name, wanted in stored.items()
    }
    if given is not None and len(set(first.values())) > 1:
        raise ConfigurationError(
            "views of several channels or banks have spectrograms of their own; leave out --spectrograms"
        )
    return {name: given or run / place / SPECTROGRAMS for name, place in first.items()}


def shared_spectrograms(run: Path) -> Path | None:
    """Where the spectrograms of one view's run lie, if it has the folder of a run of several above it."""
    if not (run.absolute().parent / RECIPE).is_file():
        return None
    above = run.absolute().parent
    return spectrogram_files(recipe_of(above), above, None).get(run.absolute().name)


def export_views(
    run: Path, outs: Mapping[str, Path], *, spectrograms_file: Path | None = None
) -> dict[str, str]:
    """Export each view's checkpoint into the view's folder, and fuse.

    Args:
        run: folder of a run of several views.
        outs: ``model.onnx``, ``untrained.onnx`` or both, and where the fused one goes.
        spectrograms_file: of all views, if they share it; the run's own if not given.

    Returns:
        The fused models' digests, by the keys of ``outs``.

    Raises:
        SourceError: a view has no checkpoint or no spectrograms.
        ConfigurationError: the views were trained on different clips.
    """
    recipe = recipe_of(run)
    files = spectrogram_files(recipe, run, spectrograms_file)
    fusions = {name: _Fusion() for name in outs}
    loaded: tuple[Path, Spectrograms] | None = None
    clips: list[tuple[str, int]] = []
    for view, file in files.items():
        if loaded is None or loaded[0] != file:
            loaded = file, load_spectrograms(file)
        made = loaded[1]
        found = [(clip.filename, int(n)) for clip, n in zip(made.clips, made.lengths, strict=True)]
        if clips and clips != found:
            raise ConfigurationError(
                f"the view {view!r} was made of other clips than the one before; train again"
            )
        clips = found
        export_into(run / view, made, {name: name == UNTRAINED for name in outs})
        checkpoint = load_checkpoint(run / view / CHECKPOINT)
        segments, groups = _training_segments(checkpoint, made)
        for name, fusion in fusions.items():
            fusion.add(run / view / name, segments, groups)
    digests = {}
    for name, fusion in fusions.items():
        called = f"{recipe.model.name}-untrained" if name == UNTRAINED else recipe.model.name
        onnxfile.write(outs[name], fusion.fused(called))
        digests[name] = load_model(outs[name]).digest.hex()
    return digests


def _training_segments(
    checkpoint: Checkpoint, made: Spectrograms
) -> tuple[list[NDArray[np.float32]], NDArray[np.int64]]:
    """Every segment of the training clips, as the engine would cut them, and what belongs together of them."""
    recipe = checkpoint.recipe
    segment = recipe.segment.config(made.frontend)
    found, groups = [], []
    for start, length, group in zip(made.starts, made.lengths, groups_of(made.clips), strict=True):
        for first, last in segment_spans(int(length), segment):
            rows = slice(start + first, start + last)
            found.append(input_of(made, rows, checkpoint.levels, recipe.frontend))
            groups.append(group)
    return found, np.array(groups, dtype=np.int64)


@dataclass(slots=True, eq=False)
class _Fusion:
    """The encoders of all views, where each puts the training segments, and which of these belong together."""

    parts: list[Part] = field(default_factory=list)
    embeddings: list[NDArray[np.float32]] = field(default_factory=list)
    groups: NDArray[np.int64] | None = None

    def add(
        self, path: Path, segments: list[NDArray[np.float32]], groups: NDArray[np.int64]
    ) -> None:
        self.groups = groups  # the same for all views, which are of the same clips
        part = load_part(path)
        self.parts.append(part)
        self.embeddings.append(encode_segments(part.model, segments))

    def fused(self, name: str) -> bytes:
        # Part by part equals the fused model's own, bit for bit: that is what fusion promises.
        statistics, projection = describe_embeddings(
            np.concatenate(self.embeddings, axis=1), self.groups
        )
        return fuse_models(self.parts, name=name, statistics=statistics, projection=projection)
