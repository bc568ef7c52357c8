"""What ``evaluate`` judges: a run beside its baselines, or a table alone.

Here is what belongs side by side; how one kind of features is judged, ``evaluate`` says.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.baselines.quoted import QUOTED, Quoted
from streamdeep_trainer.config import EvaluateRecipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.evaluation.evaluate import evaluate
from streamdeep_trainer.evaluation.judging import Partitions
from streamdeep_trainer.evaluation.methods import Choice
from streamdeep_trainer.evaluation.scoring import Scores
from streamdeep_trainer.run_folder import MODEL, SPECTROGRAMS, UNTRAINED

Skipped = Sequence[tuple[str, str]]


def judge_table(
    path: Path, recipe: EvaluateRecipe, *, choice: Choice, partitions: Partitions | None = None
) -> Scores:
    """Judge a table by its folds or partitions; without folds, stratified ones are made.

    Raises:
        SourceError: it cannot be read.
        ConfigurationError: it is no table, or labels or partitions are missing.
    """
    from streamdeep_trainer.evaluation.examples import clips_of_table, refuse_copies_without_folds
    from streamdeep_trainer.tables.storage import read_table

    table = read_table(path)
    if partitions is None:
        refuse_copies_without_folds(table)
    method = choice.method(recipe.c_grid)
    return evaluate(path.stem, *clips_of_table(table), recipe, method=method, partitions=partitions)


def choices_of(recipe: EvaluateRecipe) -> list[Choice]:
    """The classifiers that a recipe asks for."""
    return [
        Choice(name, upsample=recipe.upsample, majority_vote=recipe.majority_vote)
        for name in recipe.classifiers
    ]


def judge_run(
    run: Path,
    data: Path,
    *,
    choices: Sequence[Choice],
    adapt: Callable[[EvaluateRecipe], EvaluateRecipe] = lambda recipe: recipe,
    partitions: Partitions | None = None,
    seed: int | None = None,
    layout: str | None = None,
    inductive: bool = False,
    workers: int = 1,
    tell_skipped: Callable[[Skipped], None] = lambda _: None,
) -> tuple[list[list[Scores]], tuple[Quoted, ...]]:
    """Judge a run's encoder, its untrained twin and the pooled log-Mel frames; other systems' figures beside them.

    Args:
        run: folder that ``fit`` made. Of a fused model each view is judged too, behind the whole.
        data: folder of sound files.
        choices: the classifiers.
        adapt: changes the evaluation of the run's recipe.
        partitions: judge by these instead of by folds.
        seed: instead of the recipe's, for the trainings of ``inductive``.
        layout: how the data is laid out; found out if not given.
        inductive: also train once per split without what is judged; comes second.
        workers: processes that embed.
        tell_skipped: told the clips that cannot be used, model by model.

    Returns:
        Per classifier the scores, and other systems' figures.

    Raises:
        SourceError: there is no run or no sound.
        ConfigurationError: labels, folds or partitions are missing, or ``inductive`` of several views.
    """
    from streamdeep_trainer.datasets.layouts import find_clips
    from streamdeep_trainer.evaluation.inductive import evaluate_inductively
    from streamdeep_trainer.evaluation.judging import splits_of
    from streamdeep_trainer.steps import kept_spectrograms
    from streamdeep_trainer.views import recipe_of

    recipe = recipe_of(run).with_seed(seed)
    if inductive and recipe.views:
        raise ConfigurationError(
            f"--inductive is for a run of one view, such as {run / recipe.views[0].name}"
        )
    wanted = adapt(recipe.evaluate)
    recipe = recipe.model_copy(update={"evaluate": wanted})
    methods = [choice.method(wanted.c_grid) for choice in choices]
    clips = find_clips(data, layout)
    refuse_unfit = partial(
        splits_of, n_folds=wanted.n_folds, seed=wanted.seeds[0], partitions=partitions
    )
    refuse_unfit(clips)  # what is missing is said before the work
    subjects: list[_Subject] = []
    for subject in _subjects(recipe.model.name, run, clips, workers, tell_skipped):
        if not subjects:
            refuse_unfit(subject.clips)  # of some classes too little may be left
        subjects.append(subject)
    judged = []
    for method in methods:
        scores = [
            evaluate(
                one.name,
                one.clips,
                one.vectors,
                one.clip_rows,
                wanted,
                method=method,
                partitions=partitions,
            )
            for one in subjects
        ]
        if inductive:
            without = evaluate_inductively(
                recipe,
                clips,
                kept_spectrograms(recipe, data, run / SPECTROGRAMS, layout=layout),
                run=run / "inductive",
                method=method,
                partitions=partitions,
                workers=workers,
            )
            scores.insert(1, without)
        judged.append(scores)
    return judged, QUOTED[wanted.quoted]


@dataclass(frozen=True, slots=True, eq=False)
class _Subject:
    """One kind of features: ``(rows, dim)`` float32, and each row's clip."""

    name: str
    clips: tuple[Clip, ...]
    vectors: NDArray[np.float32]
    clip_rows: NDArray[np.int64]


def _subjects(
    name: str,
    run: Path,
    clips: Sequence[Clip],
    workers: int,
    tell_skipped: Callable[[Skipped], None],
) -> Iterator[_Subject]:
    from streamdeep.encoder.model import load_model
    from streamdeep_trainer.baselines.pooled_logmel import pooled_logmel
    from streamdeep_trainer.embed import embed_clips

    contract = load_model(run / MODEL).contract
    for called, file in ((name, MODEL), ("untrained twin", UNTRAINED)):
        found = embed_clips(clips, run / file, workers=workers)
        tell_skipped(found.skipped)
        yield _Subject(called, found.clips, found.vectors, found.clip_rows)
        column = 0
        for part in contract.provenance.get("fused", []) if file == MODEL else []:
            # a single model's embeddings are columns of the fused one's, bit for bit
            columns = found.vectors[:, column : column + part["dim"]]
            yield _Subject(part["name"], found.clips, columns, found.clip_rows)
            column += part["dim"]
    yield _Subject("pooled log-Mel", *pooled_logmel(clips, contract.frontend, contract.segment))
