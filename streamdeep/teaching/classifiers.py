"""Linear classifiers from few examples: nearest class mean, and logistic regression. Pure.

Both work on standardised vectors, the scaling folded into the weights, and both count every class alike, and every
take of a class alike: five minutes of background do not outvote three calls of a bird. Not here: how good they
are (``judging``), which of them is taken (``learner``).
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import MissingDependencyError
from streamdeep.heads.writing import folded

_SPREAD_SHARE: Final = 0.1
"""A share of the median variance is added to every dimension's own: of few examples it may be zero by chance."""
_STEPS_MOST: Final = 500
_NO_LENGTH: Final = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What is learnt from.

    Attributes:
        vectors: ``(rows, dim)`` float64.
        classes: ``(rows,)`` int64, each a column of what is learnt.
        takes: ``(rows,)`` int64; rows of one take hold the same sound.
        sources: ``(rows,)`` int64, a number per source and session.
        starts: ``(rows,)`` int64, first sample within the source.
        stops: ``(rows,)`` int64, one past the last.
    """

    vectors: NDArray[np.float64]
    classes: NDArray[np.int64]
    takes: NDArray[np.int64]
    sources: NDArray[np.int64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]

    @property
    def n_classes(self) -> int:
        """How many there are."""
        return int(self.classes.max()) + 1

    def where(self, chosen: NDArray[np.bool_]) -> "Rows":
        """Some of the rows."""
        return Rows(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def overlapping(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """``(rows,)``: which rows share a sample with one of the chosen, these included."""
        found = chosen.copy()
        for index in np.flatnonzero(chosen):
            found |= (
                (self.sources == self.sources[index])
                & (self.starts < self.stops[index])
                & (self.stops > self.starts[index])
            )
        return found

    def weights(self) -> NDArray[np.float64]:
        """``(rows,)``, sum the number of rows: classes count alike, and the takes within each."""
        weights = np.zeros(len(self.classes))
        for number in np.unique(self.classes):
            own = self.classes == number
            _, of_row, counts = np.unique(self.takes[own], return_inverse=True, return_counts=True)
            weights[own] = 1.0 / (len(counts) * counts[of_row])
        weighted: NDArray[np.float64] = weights * (len(weights) / weights.sum())
        return weighted


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A linear classifier.

    Attributes:
        weight: ``(classes, dim)`` float64.
        bias: ``(classes,)`` float64.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """``(rows, dim)`` to ``(rows, classes)``."""
        found: NDArray[np.float64] = vectors.astype(np.float64) @ self.weight.T + self.bias
        return found

    def cooled(self, temperature: float) -> "Linear":
        """The same decisions with logits divided by a temperature."""
        return Linear(self.weight / temperature, self.bias / temperature)


Fit = Callable[[Rows], Linear]


def prototypes(rows: Rows) -> Linear:
    """Nearest class mean: minus the squared distance to each, over ``dim``; what all share is left out.

    Args:
        rows: at least one of every class.
    """
    standard, mean, scale = _standardised(rows)
    weights = rows.weights()
    centres = np.stack(
        [
            np.average(standard[rows.classes == n], axis=0, weights=weights[rows.classes == n])
            for n in range(rows.n_classes)
        ]
    )
    dim = standard.shape[1]
    return _finished(2.0 * centres / dim, -(centres**2).sum(axis=1) / dim, mean, scale)


def logistic(rows: Rows) -> Linear:
    """Multinomial logistic regression by scikit-learn.

    Args:
        rows: at least one of every class, two classes or more.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    regression = require_logistic()
    standard, mean, scale = _standardised(rows)
    # Standardised vectors are sqrt(dim) long: so the penalty weighs the same whatever dim is.
    fitted = regression(C=1.0 / standard.shape[1], max_iter=_STEPS_MOST)
    coordinates, axes = _spanned(standard)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whether it came to its end is judged by how it does
        fitted.fit(coordinates, rows.classes, sample_weight=rows.weights())
    weight, bias = fitted.coef_, fitted.intercept_
    weight = weight @ axes
    if rows.n_classes == 2:  # scikit-learn gives the second class's logit alone
        weight, bias = np.concatenate((-weight, weight)) / 2.0, np.concatenate((-bias, bias)) / 2.0
    return _finished(weight, bias, mean, scale)


def _spanned(
    standard: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The rows in the space that they span: coordinates ``(rows, axes)`` and orthonormal axes ``(axes, dim)``.

    A penalised solution is a sum of rows, so it is the same there, and found many times sooner where there are fewer
    rows than dimensions.
    """
    n_rows, dim = standard.shape
    if n_rows >= dim:
        return standard, np.eye(dim)
    squares, left = np.linalg.eigh(standard @ standard.T)
    if squares[-1] <= 0.0:  # all rows are equal
        return np.zeros((n_rows, 1)), np.zeros((1, dim))
    kept = squares > _NO_LENGTH * squares[-1]
    lengths = np.sqrt(squares[kept])
    return left[:, kept] * lengths, (left[:, kept] / lengths).T @ standard


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """BLAS on one thread, where scikit-learn is, which brings what that takes: matrices this small are ten times slower on several, where a machine has other work."""
    try:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
    except ImportError:
        yield
        return
    with threadpool_limits(1, user_api="blas"):
        yield


def require_logistic() -> Any:
    """scikit-learn's class.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingDependencyError(
            "logistic regression needs scikit-learn: pip install 'streamdeep[heads]'"
        ) from error
    return LogisticRegression


def _standardised(
    rows: Rows,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    weights = rows.weights()
    mean = np.average(rows.vectors, axis=0, weights=weights)
    variances = np.average((rows.vectors - mean) ** 2, axis=0, weights=weights)
    scale = np.sqrt(variances + _SPREAD_SHARE * np.median(variances))
    scale[scale == 0.0] = 1.0
    return (rows.vectors - mean) / scale, mean, scale


def _finished(
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    mean: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> Linear:
    # What is common to all classes changes no probability, and would cost float32 its digits.
    weight, bias = folded(weight - weight.mean(axis=0), bias - bias.mean(), mean, scale)
    return Linear(weight, bias - bias.mean())
