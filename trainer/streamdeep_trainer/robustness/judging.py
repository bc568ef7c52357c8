"""Who is taught under which condition and asked under which: one linear machine per fold and teaching.

The official folds, or stratified ones. A file is on one side with all that was made of it. The machine is that of
``evaluate``; its C is chosen by inner folds of the clean training part, so that neither a test fold nor a condition
chooses anything, and divided by the number of conditions that teach: a file weighs as much however often it is
heard. Not here: embeddings (``embedding``), tables (``report``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamdeep_trainer.conditions.condition import CLEAN
from streamdeep_trainer.config import EvaluateRecipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.evaluation.classify import Rows, decide, learn, linear_svm
from streamdeep_trainer.evaluation.decisions import Classifier
from streamdeep_trainer.evaluation.judging import Answer, Split, rows_of, splits_of
from streamdeep_trainer.evaluation.scoring import Scores, summarise

TEACHINGS: Final = {
    "clean": "taught clean sound alone",
    "several": "taught under several conditions",
    "same": "taught under the condition that is asked",
}
"""By name, in words."""


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """One model's embeddings of the clips under one condition.

    Attributes:
        vectors: ``(rows, dim)`` float32.
        clip_rows: ``(rows,)`` int64, each row's clip.
    """

    vectors: NDArray[np.float32]
    clip_rows: NDArray[np.int64]


def judge(
    clips: Sequence[Clip],
    embedded: Mapping[str, Vectors],
    *,
    asked: Sequence[str],
    teach: Sequence[str],
    recipe: EvaluateRecipe,
    tell: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, Scores]]:
    """Judge one model.

    Args:
        clips: labelled.
        embedded: by the condition's name; ``clean`` must be there.
        asked: conditions to ask under.
        teach: conditions that teach together; none: there is no such teaching.
        recipe: grid of C, seed, how many folds to make where there are none.
        tell: called when a fold is done.

    Returns:
        By the condition that was asked and the teaching: scores.

    Raises:
        ConfigurationError: labels or folds are missing.
    """
    seed, grid = recipe.seeds[0], tuple(sorted(recipe.c_grid))
    rows = {name: rows_of(clips, of.vectors, of.clip_rows)[0] for name, of in embedded.items()}
    names = rows_of(clips, embedded[CLEAN.name].vectors, embedded[CLEAN.name].clip_rows)[1]
    answers: dict[tuple[str, str], list[Answer]] = {}
    for split in splits_of(clips, n_folds=recipe.n_folds, seed=seed):
        clean, c = learn(rows[CLEAN.name], split.training, grid=grid, make=linear_svm, seed=seed)
        several: Classifier | None = None
        if teach:
            together = _together([rows[name] for name in teach])
            several = _taught(together, split, c / len(teach), seed)
        for name in asked:
            same = clean if name == CLEAN.name else _taught(rows[name], split, c, seed)
            for teaching, machine in (("clean", clean), ("several", several), ("same", same)):
                if machine is not None:
                    found = _ask(machine, rows[name], split, c, seed)
                    answers.setdefault((name, teaching), []).append(found)
        tell()
    scores: dict[str, dict[str, Scores]] = {name: {} for name in asked}
    for (name, teaching), of_folds in answers.items():
        scores[name][teaching] = summarise(f"{name}, {teaching}", of_folds, names)
    return scores


def _together(parts: Sequence[Rows]) -> Rows:
    first = parts[0]
    return Rows(
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.clips for part in parts]),
        first.labels,
        first.folds,
    )


def _taught(rows: Rows, split: Split, c: float, seed: int) -> Classifier:
    return learn(rows, split.training, grid=(c,), make=linear_svm, seed=seed)[0]


def _ask(machine: Classifier, rows: Rows, split: Split, c: float, seed: int) -> Answer:
    asked = split.tested[rows.clips]
    clips, classes = decide(machine, rows.vectors[asked], rows.clips[asked])
    return Answer(clips, rows.labels[clips], classes, c, seed)
