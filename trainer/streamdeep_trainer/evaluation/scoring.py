"""Scores of answers: accuracy, unweighted average recall, macro-F1, an interval, classes, confusions.

All from counts, so that nothing here knows a classifier. Means are over folds and repeats; numbers per class
are of all answers together. Not here: pictures (``confusion``), tables (``report``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdeep_trainer.evaluation.classify import UNREGULARISED
from streamdeep_trainer.evaluation.judging import Answer

INTERVAL = "95 %: percentile bootstrap over files; other trainings are not covered"
_N_RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One class, over all folds and repeats.

    Attributes:
        label: its name.
        precision: share of the answers with this class that were right; 0 if there were none.
        recall: share of its files that were found; 0 if there were none.
        f1: harmonic mean of both.
        count: how often a file of the class was judged.
    """

    label: str
    precision: float
    recall: float
    f1: float
    count: int


@dataclass(frozen=True, slots=True)
class Scores:
    """What one kind of embedding scored.

    Attributes:
        name: what it is.
        accuracy: share of files that were right, mean over folds and repeats.
        uar: unweighted average recall, mean over folds and repeats; classes that a fold lacks do not count.
        macro_f1: unweighted mean of the classes' F1, mean over folds and repeats.
        interval: 95 % interval of the accuracy for other files of the same kind: percentile bootstrap over
            the files (Efron 1979), 10,000 resamples; a file is drawn with all of its answers. It does not
            cover other trainings.
        fold_accuracies: one per fold, repeat after repeat.
        two_fold_deviations: twice the standard deviation over folds, mean over repeats, which auDeep calls
            the 95 % interval; None if there is one split.
        chosen_c: as ``fold_accuracies``; empty if the classifier has none.
        n_files: how many different files were judged.
        n_repeats: how many times.
        labels: of the rows and columns of ``confusion``.
        classes: one per label.
        confusion: counts summed over folds and repeats; a row is a true class, a column an answer.
        interval_kind: what ``interval`` is.
    """

    name: str
    accuracy: float
    uar: float
    macro_f1: float
    interval: tuple[float, float]
    fold_accuracies: tuple[float, ...]
    two_fold_deviations: float | None
    chosen_c: tuple[float, ...]
    n_files: int
    n_repeats: int
    labels: tuple[str, ...]
    classes: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]
    interval_kind: str = INTERVAL


def summarise(name: str, answers: Sequence[Answer], labels: Sequence[str]) -> Scores:
    """Scores from the answers of all splits.

    Args:
        name: what was judged.
        answers: one or more.
        labels: in the order of their numbers.
    """
    matrices = [confusion(one.truths, one.classes, len(labels)) for one in answers]
    accuracies = [float(np.trace(matrix) / matrix.sum()) for matrix in matrices]
    seeds = sorted({one.seed for one in answers})
    deviations = [
        2.0
        * float(np.std([a for a, one in zip(accuracies, answers, strict=True) if one.seed == s]))
        for s in seeds
    ]
    total = np.sum(matrices, axis=0)
    return Scores(
        name=name,
        accuracy=float(np.mean(accuracies)),
        uar=float(np.mean([unweighted_recall(matrix) for matrix in matrices])),
        macro_f1=float(np.mean([macro_f1(matrix) for matrix in matrices])),
        interval=interval(answers),
        fold_accuracies=tuple(accuracies),
        two_fold_deviations=float(np.mean(deviations)) if len(answers) > len(seeds) else None,
        chosen_c=tuple(one.c for one in answers if one.c != UNREGULARISED),
        n_files=len(np.unique(np.concatenate([one.clips for one in answers]))),
        n_repeats=len(seeds),
        labels=tuple(labels),
        classes=class_scores(total, labels),
        confusion=tuple(tuple(int(count) for count in row) for row in total),
    )


def confusion(
    truths: NDArray[np.int64], classes: NDArray[np.int64], n_classes: int
) -> NDArray[np.int64]:
    """``(classes, classes)`` int64 counts: a row is a true class, a column an answer."""
    counts = np.bincount(truths * n_classes + classes, minlength=n_classes * n_classes)
    return counts.reshape(n_classes, n_classes).astype(np.int64)


def unweighted_recall(matrix: NDArray[np.int64]) -> float:
    """Mean recall of the classes that occur."""
    counts = matrix.sum(axis=1)
    occurs = counts > 0
    return float((np.diag(matrix)[occurs] / counts[occurs]).mean())


def macro_f1(matrix: NDArray[np.int64]) -> float:
    """Mean F1 of the classes that occur or were answered."""
    sums = matrix.sum(axis=1) + matrix.sum(axis=0)
    occurs = sums > 0
    return float((2.0 * np.diag(matrix)[occurs] / sums[occurs]).mean())


def class_scores(matrix: NDArray[np.int64], labels: Sequence[str]) -> tuple[ClassScores, ...]:
    """One entry per class."""
    found = []
    for index, label in enumerate(labels):
        right = int(matrix[index, index])
        count, answered = int(matrix[index].sum()), int(matrix[:, index].sum())
        found.append(
            ClassScores(
                label=label,
                precision=right / max(1, answered),
                recall=right / max(1, count),
                f1=2.0 * right / max(1, count + answered),
                count=count,
            )
        )
    return tuple(found)


def interval(answers: Sequence[Answer], *, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap of the share of right answers, over files with all of their answers."""
    files, places = np.unique(np.concatenate([one.clips for one in answers]), return_inverse=True)
    right = np.concatenate([one.truths == one.classes for one in answers])
    pairs = np.stack((np.bincount(places, weights=right), np.bincount(places)), axis=1)
    # Files with equal counts are interchangeable: their numbers in a resample are multinomial, and no
    # file need be drawn. With one answer per file this is the binomial distribution.
    kinds, n_of_kind = np.unique(pairs, axis=0, return_counts=True)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(len(files), n_of_kind / len(files), size=_N_RESAMPLES)
    shares = (drawn @ kinds[:, 0]) / (drawn @ kinds[:, 1])
    low, high = np.quantile(shares, (0.025, 0.975))
    return float(low), float(high)
