"""How good embeddings are: one kind of them through a protocol, repeated by seeds, one decision per file.

The official folds where the data has them, stratified ones otherwise, or partitions (``judging``); the
classifier's regularisation is chosen within the training part (``classify``). Not here: making embeddings
(``embed``), what the numbers mean (``scoring``), other systems' figures (``baselines.quoted``), tables
(``report``).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.config import EvaluateRecipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.folds import folds_of
from streamdeep_trainer.evaluation.classify import MakeClassifier, Rows, linear_svm
from streamdeep_trainer.evaluation.judging import (
    Method,
    Partitions,
    answer,
    check_labels,
    rows_of,
    splits_of,
)
from streamdeep_trainer.evaluation.scoring import Scores, summarise
from streamdeep_trainer.progress import track


def labelled_rows(
    clips: Sequence[Clip],
    vectors: NDArray[np.float32],
    clip_rows: NDArray[np.int64],
    *,
    n_folds: int,
    seed: int,
) -> tuple[Rows, tuple[str, ...]]:
    """Embeddings as the classifiers want them, each clip in one fold, and the labels by their numbers.

    Raises:
        ConfigurationError: a clip has no label, there is but one label or one fold, or folds overlap.
    """
    names = check_labels(clips)
    folds = folds_of(clips, n_folds=n_folds, seed=seed)
    if len(np.unique(folds)) < 2:
        raise ConfigurationError("all clips are in one fold; two are needed")
    labels = np.array([names.index(str(clip.label)) for clip in clips], dtype=np.int64)
    return Rows(vectors, clip_rows, labels, folds), names


def evaluate(
    name: str,
    clips: Sequence[Clip],
    vectors: NDArray[np.float32],
    clip_rows: NDArray[np.int64],
    recipe: EvaluateRecipe,
    *,
    make: MakeClassifier = linear_svm,
    method: Method | None = None,
    partitions: Partitions | None = None,
) -> Scores:
    """Judge one kind of embedding.

    Args:
        name: what to call it.
        clips: labelled, at least where they are used.
        vectors: ``(rows, dim)`` float32.
        clip_rows: ``(rows,)`` each row's clip.
        recipe: seeds, of which each is a repeat; how many folds to make where there are none; grid of C.
        make: the classifier.
        method: instead of ``make`` and the recipe's grid.
        partitions: judge by these instead of by folds.

    Raises:
        ConfigurationError: labels, folds or partitions are missing.
    """
    method = method or Method(make, tuple(sorted(recipe.c_grid)))
    rows, names = rows_of(clips, vectors, clip_rows)
    work = [
        (split, seed)
        for seed in recipe.seeds
        for split in splits_of(clips, n_folds=recipe.n_folds, seed=seed, partitions=partitions)
    ]
    answers = [
        answer(rows, split, method, seed=seed)
        for split, seed in track(work, len(work), f"judge {name}")
    ]
    return summarise(name, answers, names)
