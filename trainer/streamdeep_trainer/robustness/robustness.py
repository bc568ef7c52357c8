"""The loop: clips and models to an outcome. Run it again, and what is embedded already is not embedded again.

Not here: what is done to sound (``conditions``), embedding (``embedding``), who is taught what (``judging``).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.conditions.condition import CLEAN, Condition, conditions_of
from streamdeep_trainer.config import EvaluateRecipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.embed import EmbeddedClips, load_embeddings
from streamdeep_trainer.evaluation.judging import splits_of
from streamdeep_trainer.evaluation.scoring import Scores
from streamdeep_trainer.lock import alone_in
from streamdeep_trainer.netcdf import versions
from streamdeep_trainer.progress import progress
from streamdeep_trainer.robustness.embedding import Embedder, Order, embed_all
from streamdeep_trainer.robustness.judging import Vectors, judge

C_GRID: Final = (1e-4, 1e-3, 1e-2)
"""To choose from. With 0.1 the machine takes ten times as long, and on thousands of values decides alike."""

TellSkipped = Callable[[Sequence[tuple[str, str]]], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for.

    Attributes:
        models: files.
        data: folder of sound files.
        out: where everything goes.
        conditions: to ask under, names with commas; ``clean`` is asked in any case.
        teach: that teach together, likewise; empty: none.
        seed: of what conditions draw, of made folds and of the machine.
        workers: processes that embed.
        layout: how the data is laid out; found out if None.
    """

    models: tuple[Path, ...]
    data: Path
    out: Path
    conditions: str
    teach: str
    seed: int = 0
    workers: int = 1
    layout: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """One model.

    Attributes:
        name: for tables.
        digest: SHA-256 of the file, 64 hexadecimal digits.
        dim: width of its embeddings.
        scores: by the name of the condition that was asked, and the teaching.
    """

    name: str
    digest: str
    dim: int
    scores: dict[str, dict[str, Scores]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that came of it.

    Attributes:
        models: in the order in which they were given.
        conditions: that were asked, ``clean`` first.
        teach: that taught together.
        n_clips: that were judged.
        classes: their names.
        seed: see :class:`Plan`.
        versions: what computed.
    """

    models: tuple[Judged, ...]
    conditions: tuple[Condition, ...]
    teach: tuple[Condition, ...]
    n_clips: int
    classes: tuple[str, ...]
    seed: int
    versions: dict[str, Any]


def robustness(plan: Plan, *, tell_skipped: TellSkipped = lambda _: None) -> Outcome:
    """Do it, or go on with it.

    Args:
        plan: what to do.
        tell_skipped: told which clips cannot be used, by filename and reason.

    Raises:
        ConfigurationError: conditions or data do not allow it, or another program is at work in the folder.
        SourceError: there is no sound.
        ModelError: a model file is not good.
        MissingDependencyError: a codec without PyAV.
    """
    asked = conditions_of(plan.conditions)
    asked = (CLEAN, *(condition for condition in asked if condition != CLEAN))
    teach = conditions_of(plan.teach) if plan.teach.strip() else ()
    names = _names(plan.models)
    embedder = Embedder(plan.models)
    for path in plan.models:
        embedder.model(path)  # a bad file is said before the work
    recipe = EvaluateRecipe(c_grid=C_GRID, seeds=(plan.seed,))
    clips = find_clips(plan.data, plan.layout)
    splits_of(clips, n_folds=recipe.n_folds, seed=plan.seed)
    with alone_in(plan.out):
        every = (*asked, *(condition for condition in teach if condition not in asked))
        order = Order(tuple(clips), plan.models, every, plan.seed, plan.out, plan.workers)
        files = embed_all(order, embedder)
        usable = _usable(clips, map(load_embeddings, files.values()), tell_skipped)
        splits = splits_of(usable, n_folds=recipe.n_folds, seed=plan.seed)
        judged = []
        with progress(len(plan.models) * len(splits), "judge") as step:
            for path in plan.models:
                model = embedder.model(path)
                scores = judge(
                    usable,
                    {
                        condition.name: _vectors(
                            load_embeddings(files[path, condition]).only(usable)
                        )
                        for condition in every
                    },
                    asked=[condition.name for condition in asked],
                    teach=[condition.name for condition in teach],
                    recipe=recipe,
                    tell=partial(step, names[path]),
                )
                dim = model.contract.encoder.dim
                judged.append(Judged(names[path], model.digest.hex(), dim, scores))
    return Outcome(
        models=tuple(judged),
        conditions=asked,
        teach=teach,
        n_clips=len(usable),
        classes=tuple(sorted({str(clip.label) for clip in usable})),
        seed=plan.seed,
        versions=versions(),
    )


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """What to call each: its file's name, with its folder where that is not enough.

    Raises:
        ConfigurationError: a file is given twice.
    """
    stems = [path.stem for path in paths]
    found = {
        path: path.stem
        if stems.count(path.stem) == 1
        else f"{path.resolve().parent.name}/{path.stem}"
        for path in paths
    }
    if len(set(found.values())) < len(paths):
        raise ConfigurationError(
            "two models have the same name, or are the same file; give each once, or rename one"
        )
    return found


def _usable(
    clips: Sequence[Clip], lots: Iterable[EmbeddedClips], tell_skipped: TellSkipped
) -> list[Clip]:
    """Those that every model could embed under every condition."""
    lost: set[str] = set()
    for lot in lots:
        tell_skipped(lot.skipped)
        lost |= {name for name, _ in lot.skipped}
    return [clip for clip in clips if clip.filename not in lost]


def _vectors(lot: EmbeddedClips) -> Vectors:
    return Vectors(lot.vectors, lot.clip_rows)
