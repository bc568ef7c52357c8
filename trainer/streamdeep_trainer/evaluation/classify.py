"""Classifiers on segment embeddings: the linear ones, the choice of their C, and one decision per file.

Rows are segments, answers are per file: the mean of the decision function over a file's segments, or their
votes. A file is on one side with all of its segments. The regularisation is chosen by inner folds of the
training part, so that test folds choose nothing. Not here: the other classifiers (``mlp``, ``neighbours``), who
is trained and asked (``judging``).
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.evaluation.balance import balanced_rows
from streamdeep_trainer.evaluation.decisions import Classifier, mean_values, vote_shares

UNREGULARISED = 0.0
"""The C of a classifier that has none."""

_N_INNER = 5


_Fitted = TypeVar("_Fitted", bound=Classifier)

MakeClassifier = Callable[[float, int], Classifier]
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


def ridge(c: float, seed: int) -> Pipeline:
    """Standardise, then least squares on classes said as ±1, with a penalty of 1 / C on the squared weights.

    Hoerl and Kennard, "Ridge regression" (Technometrics 1970). Solved exactly, so that a seed changes nothing.
    """
    return make_pipeline(
        StandardScaler(), RidgeClassifier(alpha=1.0 / c, solver="cholesky", random_state=seed)
    )


def fit_quietly(
    classifier: _Fitted, vectors: NDArray[np.float32], labels: NDArray[np.int64]
) -> _Fitted:
    """Fit; a solver that stops before it has converged is no error: its accuracy is what counts.

    On one BLAS thread: the matrices are small, and threads that wait for each other beside other work made
    a fit of 0.6 s take minutes (measured on two shared cores).
    """
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(vectors, labels)
    return classifier


def decide(
    classifier: Classifier, vectors: NDArray[np.float32], clips: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One class per file.

    Returns:
        The clips that occur, ascending, and the class of each: the largest mean decision value over its
        rows.
    """
    found, means = mean_values(classifier, vectors, clips)
    return found, classifier.classes_[means.argmax(axis=1)]


def vote(
    classifier: Classifier, vectors: NDArray[np.float32], clips: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """As :func:`decide`, but the class that most of a file's rows are given; ties go to the lowest."""
    found, shares = vote_shares(classifier, vectors, clips)
    return found, classifier.classes_[shares.argmax(axis=1)]


def choose_c(
    rows: Rows,
    training: NDArray[np.bool_],
    *,
    grid: Sequence[float],
    make: MakeClassifier,
    seed: int,
    majority_vote: bool = False,
) -> float:
    """The regularisation with the highest accuracy over the folds of the training part alone.

    Args:
        rows: all rows.
        training: ``(rows,)`` bool, which may be used; every other row is as if it were not there.
        grid: ascending; ties go to the smaller one.
        make: the classifier.
        seed: of the classifier.
        majority_vote: decide as :func:`vote` does.

    Raises:
        ConfigurationError: the training part has too few files to choose by.
    """
    if len(grid) == 1:
        return grid[0]
    shares = inner_accuracies(
        rows, training, grid=grid, make=make, seed=seed, majority_vote=majority_vote
    )
    return grid[int(shares.argmax())]


def inner_accuracies(
    rows: Rows,
    training: NDArray[np.bool_],
    *,
    grid: Sequence[float],
    make: MakeClassifier,
    seed: int,
    majority_vote: bool = False,
) -> NDArray[np.float64]:
    """What each value of a grid is worth by the folds of the training part alone; arguments as :func:`choose_c`.

    Returns:
        ``(grid,)`` float64, the share of the training part's files that were right when their fold was left out.

    Raises:
        ConfigurationError: the training part has too few files to choose by.
    """
    folds = inner_folds(rows, training)
    n_right, n_asked = np.zeros(len(grid)), 0
    for fold in np.unique(folds[rows.clips[training]]):
        out = training & (folds[rows.clips] == fold)
        inside = training & ~out
        if len(np.unique(rows.labels[rows.clips[inside]])) < 2:
            continue  # all but one class are in this fold alone: nothing can be learnt without it
        n_asked += len(np.unique(rows.clips[out]))
        every = [make(c, seed) for c in grid]
        vectors, asked = rows.vectors[inside], rows.vectors[out]
        if _same_preparation(every):
            vectors, asked, every = _prepared(every, vectors, asked)
        for column, classifier in enumerate(every):
            fitted = fit_quietly(classifier, vectors, rows.labels[rows.clips[inside]])
            answer = vote if majority_vote else decide
            clips, classes = answer(fitted, asked, rows.clips[out])
            n_right[column] += (classes == rows.labels[clips]).sum()
    if n_asked == 0:
        raise ConfigurationError(
            "there are too few files per class to choose the regularisation by; give one C"
        )
    return n_right / n_asked


def _same_preparation(classifiers: Sequence[Classifier]) -> TypeGuard[Sequence[Pipeline]]:
    """Whether all prepare the rows in the same way, before a last step of their own."""
    if not all(isinstance(one, Pipeline) for one in classifiers):
        return False
    return len({repr(one[:-1]) for one in classifiers}) == 1  # type: ignore[index]


def _prepared(
    classifiers: Sequence[Pipeline], taught: NDArray[np.float32], asked: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[Classifier]]:
    """Rows as the last steps see them, and the last steps; most of the work, done once instead of for every C."""
    with threadpool_limits(1):
        preparation = classifiers[0][:-1]
        taught = preparation.fit_transform(taught)
        return taught, preparation.transform(asked), [one[-1] for one in classifiers]


def inner_folds(rows: Rows, training: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The folds themselves; where the training part has but one, five dealt class by class."""
    clips = np.unique(rows.clips[training])
    if len(np.unique(rows.folds[clips])) > 1:
        return rows.folds
    folds = rows.folds.copy()
    for label in np.unique(rows.labels[clips]):
        of_class = clips[rows.labels[clips] == label]
        folds[of_class] = np.arange(len(of_class)) % _N_INNER
    return folds


def answer_split(
    rows: Rows,
    training: NDArray[np.bool_],
    tested: NDArray[np.bool_],
    *,
    grid: Sequence[float],
    make: MakeClassifier,
    seed: int,
    upsample: bool = False,
    majority_vote: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """Train on some clips, answer for others.

    Args:
        rows: all rows; their ``folds`` are the inner ones.
        training: ``(clips,)`` bool.
        tested: ``(clips,)`` bool.
        grid: regularisations to choose from, ascending; empty if the classifier has none.
        make: the classifier.
        seed: of the classifier, and of what is drawn to balance the classes.
        upsample: repeat training files until all classes have as many; nothing else is repeated.
        majority_vote: decide as :func:`vote` does, not :func:`decide`.

    Returns:
        The tested clips, the class given to each, and the C that the training part chose.
    """
    fitted, c = learn(
        rows,
        training,
        grid=grid,
        make=make,
        seed=seed,
        upsample=upsample,
        majority_vote=majority_vote,
    )
    asked = tested[rows.clips]
    answer = vote if majority_vote else decide
    clips, classes = answer(fitted, rows.vectors[asked], rows.clips[asked])
    return clips, classes, c


def learn(
    rows: Rows,
    training: NDArray[np.bool_],
    *,
    grid: Sequence[float],
    make: MakeClassifier,
    seed: int,
    upsample: bool = False,
    majority_vote: bool = False,
) -> tuple[Classifier, float]:
    """The first half of :func:`answer_split`: the classifier and its C."""
    taught = np.flatnonzero(training[rows.clips])
    if upsample:
        taught = balanced_rows(rows.clips[taught], rows.labels, seed=seed, rows=taught)
    part = Rows(rows.vectors[taught], rows.clips[taught], rows.labels, rows.folds)
    c = UNREGULARISED
    if grid:
        every = np.ones(len(taught), dtype=np.bool_)
        c = choose_c(part, every, grid=grid, make=make, seed=seed, majority_vote=majority_vote)
    return fit_quietly(make(c, seed), part.vectors, part.labels[part.clips]), c


def answer_fold(
    rows: Rows, fold: int, *, grid: Sequence[float], make: MakeClassifier, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """Train on the other folds, answer for this one; see :func:`answer_split`."""
    held_out = rows.folds == fold
    return answer_split(rows, ~held_out, held_out, grid=grid, make=make, seed=seed)
