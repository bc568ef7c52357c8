"""Linear classifiers on segment embeddings, with one decision per file.

Rows are segments, answers are per file: the mean of the decision function over a file's segments. A file
is in one fold with all of its segments. The regularisation is chosen by inner folds of the training part,
so that test folds choose nothing. The only module, with ``evaluate``, that knows scikit-learn.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

MakeClassifier = Callable[[float, int], Pipeline]
"""From a regularisation C and a seed to an unfitted classifier."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Embeddings of labelled clips.

    Attributes:
        vectors: ``(rows, dim)`` float32.
        clips: ``(rows,)`` int64, each row's clip.
        labels: ``(clips,)`` int64, class of each clip.
        folds: ``(clips,)`` int64.
    """

    vectors: NDArray[np.float32]
    clips: NDArray[np.int64]
    labels: NDArray[np.int64]
    folds: NDArray[np.int64]


def linear_svm(c: float, seed: int) -> Pipeline:
    """Standardise, then a linear support vector machine, one against the rest.

    The primal solver finds the same optimum as the dual, 5 to 8 times faster from C = 0.01 on (measured, 330
    rows of 1,536). The weights lie in the span of the training rows, so turning these into as many
    coordinates as there are rows changes no decision and saves most of the rest.
    """
    return make_pipeline(
        StandardScaler(),
        PCA(svd_solver="full"),
        LinearSVC(C=c, random_state=seed, max_iter=5000, dual=False),
    )


def logistic(c: float, seed: int) -> Pipeline:
    """Standardise, then multinomial logistic regression."""
    return make_pipeline(
        StandardScaler(), LogisticRegression(C=c, random_state=seed, max_iter=200, tol=1e-3)
    )


def fit_quietly(
    classifier: Pipeline, vectors: NDArray[np.float32], labels: NDArray[np.int64]
) -> Pipeline:
    """Fit; a solver that stops before it has converged is no error: its accuracy is what counts.

    On one BLAS thread: the matrices are small, and threads that wait for each other beside other work made
    a fit of 0.6 s take minutes (measured on two shared cores).
    """
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted: Pipeline = classifier.fit(vectors, labels)
    return fitted


def decide(
    classifier: Pipeline, vectors: NDArray[np.float32], clips: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One class per file.

    Returns:
        The clips that occur, ascending, and the class of each: the largest mean decision value over its
        rows.
    """
    values = classifier.decision_function(vectors)
    if values.ndim == 1:  # two classes: scikit-learn gives the second one's value alone
        values = np.stack((-values, values), axis=1)
    found, places = np.unique(clips, return_inverse=True)
    sums = np.zeros((len(found), values.shape[1]))
    np.add.at(sums, places, values)
    best = (sums / np.bincount(places)[:, None]).argmax(axis=1)
    classes: NDArray[np.int64] = classifier.classes_[best]
    return found, classes


def choose_c(
    rows: Rows,
    training: NDArray[np.bool_],
    *,
    grid: Sequence[float],
    make: MakeClassifier,
    seed: int,
) -> float:
    """The regularisation with the highest accuracy over the folds of the training part alone.

    Args:
        rows: all rows.
        training: ``(rows,)`` bool, which may be used; every other row is as if it were not there.
        grid: ascending; ties go to the smaller one.
        make: the classifier.
        seed: of the classifier.
    """
    if len(grid) == 1:
        return grid[0]
    folds = _inner_folds(rows, training)
    n_right = np.zeros(len(grid))
    for fold in np.unique(folds[rows.clips[training]]):
        out = training & (folds[rows.clips] == fold)
        inside = training & ~out
        for column, c in enumerate(grid):
            fitted = fit_quietly(
                make(c, seed), rows.vectors[inside], rows.labels[rows.clips[inside]]
            )
            clips, classes = decide(fitted, rows.vectors[out], rows.clips[out])
            n_right[column] += (classes == rows.labels[clips]).sum()
    return grid[int(n_right.argmax())]


def _inner_folds(rows: Rows, training: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The folds themselves; where the training part has but one, two dealt class by class."""
    clips = np.unique(rows.clips[training])
    if len(np.unique(rows.folds[clips])) > 1:
        return rows.folds
    folds = rows.folds.copy()
    for label in np.unique(rows.labels[clips]):
        of_class = clips[rows.labels[clips] == label]
        folds[of_class] = np.arange(len(of_class)) % 2
    return folds


def answer_fold(
    rows: Rows, fold: int, *, grid: Sequence[float], make: MakeClassifier, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """Train on the other folds, answer for this one.

    Returns:
        The fold's clips, the class given to each, and the C that the training part chose.
    """
    training = rows.folds[rows.clips] != fold
    c = choose_c(rows, training, grid=grid, make=make, seed=seed)
    fitted = fit_quietly(make(c, seed), rows.vectors[training], rows.labels[rows.clips[training]])
    clips, classes = decide(fitted, rows.vectors[~training], rows.clips[~training])
    return clips, classes, c
