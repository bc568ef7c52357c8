"""How good embeddings are: cross-validated accuracy, unweighted average recall and macro-F1, per file.

The official folds where the data has them, stratified ones otherwise; the classifier's regularisation is
chosen within the training part (``classify``). Not here: making embeddings (``embed``), other systems'
figures (``baselines.quoted``), tables (``report``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, f1_score

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.classify import MakeClassifier, Rows, answer_fold, linear_svm
from streamdeep_trainer.config import EvaluateRecipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.folds import folds_of

_N_RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Scores:
    """What one kind of embedding scored.

    Attributes:
        name: what it is.
        accuracy: share of files that were right, mean over folds.
        uar: unweighted average recall, mean over folds.
        macro_f1: unweighted mean of the classes' F1, mean over folds.
        interval: 95 % interval of the accuracy for other files of the same kind: percentile bootstrap over
            the files (Efron 1979), 10,000 resamples; it does not cover other trainings.
        fold_accuracies: one per fold.
        chosen_c: one per fold.
        n_files: how many files were judged.
    """

    name: str
    accuracy: float
    uar: float
    macro_f1: float
    interval: tuple[float, float]
    fold_accuracies: tuple[float, ...]
    chosen_c: tuple[float, ...]
    n_files: int


def labelled_rows(
    clips: Sequence[Clip],
    vectors: NDArray[np.float32],
    clip_rows: NDArray[np.int64],
    *,
    n_folds: int,
    seed: int,
) -> tuple[Rows, tuple[str, ...]]:
    """Embeddings as the classifiers want them, and the labels in the order of their numbers.

    Raises:
        ConfigurationError: a clip has no label, or there is but one label or one fold.
    """
    unlabelled = [clip.filename for clip in clips if clip.label is None]
    if unlabelled:
        raise ConfigurationError(
            f"{unlabelled[0]} has no label; put each clip into a folder named by its class"
        )
    names = tuple(sorted({str(clip.label) for clip in clips}))
    if len(names) < 2:
        raise ConfigurationError(f"all clips are of the class {names[0]!r}; two classes are needed")
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
) -> Scores:
    """Cross-validate one kind of embedding.

    Args:
        name: what to call it.
        clips: labelled.
        vectors: ``(rows, dim)`` float32.
        clip_rows: ``(rows,)`` each row's clip.
        recipe: grid of C, folds, seeds.
        make: the classifier.

    Raises:
        ConfigurationError: labels or folds are missing.
    """
    answers: list[_Answer] = []
    for seed in recipe.seeds:
        rows, _ = labelled_rows(clips, vectors, clip_rows, n_folds=recipe.n_folds, seed=seed)
        answers += [
            _Answer.of(rows, int(fold), grid=sorted(recipe.c_grid), make=make, seed=seed)
            for fold in np.unique(rows.folds)
        ]
    return summarise(name, answers)


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """What a classifier said of one fold.

    Attributes:
        truths: ``(files,)``.
        classes: ``(files,)``.
        c: that the training part chose.
    """

    truths: NDArray[np.int64]
    classes: NDArray[np.int64]
    c: float

    @classmethod
    def of(
        cls, rows: Rows, fold: int, *, grid: Sequence[float], make: MakeClassifier, seed: int
    ) -> "_Answer":
        clips, classes, c = answer_fold(rows, fold, grid=grid, make=make, seed=seed)
        return cls(rows.labels[clips], classes, c)


def answer(
    clips: Sequence[Clip],
    vectors: NDArray[np.float32],
    clip_rows: NDArray[np.int64],
    recipe: EvaluateRecipe,
    *,
    fold: int,
) -> _Answer:
    """As :func:`evaluate`, for one fold alone: an encoder that never heard it is judged on it."""
    rows, _ = labelled_rows(clips, vectors, clip_rows, n_folds=recipe.n_folds, seed=recipe.seeds[0])
    return _Answer.of(rows, fold, grid=sorted(recipe.c_grid), make=linear_svm, seed=recipe.seeds[0])


def summarise(name: str, answers: Sequence[_Answer]) -> Scores:
    """Scores from the answers of all folds."""
    right = np.concatenate([found.truths == found.classes for found in answers])
    random = np.random.default_rng(0)
    # The number of right answers in a resample of n files is binomial: no need to draw the files.
    resampled = random.binomial(len(right), right.mean(), _N_RESAMPLES) / len(right)
    low, high = np.quantile(resampled, (0.025, 0.975))
    accuracies = tuple(float((found.truths == found.classes).mean()) for found in answers)
    return Scores(
        name=name,
        accuracy=float(np.mean(accuracies)),
        uar=float(np.mean([balanced_accuracy_score(a.truths, a.classes) for a in answers])),
        macro_f1=float(
            np.mean(
                [f1_score(a.truths, a.classes, average="macro", zero_division=0.0) for a in answers]
            )
        ),
        interval=(float(low), float(high)),
        fold_accuracies=accuracies,
        chosen_c=tuple(found.c for found in answers),
        n_files=len(right),
    )
