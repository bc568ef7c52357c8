"""Fewer features before a linear machine: principal components, or those that tell the classes apart best.

Both are learnt from the rows that teach, and from nothing else: they are part of the classifier, so that inner folds
choose how many features there are as they choose C, and no held-out label ever says which. Not here: how inner folds
choose (``classify``).
"""

import warnings
from collections.abc import Sequence
from itertools import product
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from streamdeep_trainer.evaluation.classify import MakeClassifier

Reduction = Literal["pca", "anova"]

N_FEATURES = (32, 128, 512)
"""To choose from; where there are fewer, all are taken."""


class Setting(float):
    """A C, and how many features it is for: what a grid holds where both are chosen.

    It is a number because a grid holds numbers; as one it is the C.

    Attributes:
        n_features: at most.
    """

    n_features: int

    def __new__(cls, c: float, n_features: int) -> Self:
        """Both together."""
        found = super().__new__(cls, c)
        found.n_features = n_features
        return found

    def __getnewargs__(self) -> tuple[float, int]:  # type: ignore[override]
        """What a copy is made of."""
        return float(self), self.n_features


def grid_of(c_grid: Sequence[float]) -> tuple[Setting, ...]:
    """Every number of features with every C; what has fewer features, then the smaller C, comes first."""
    return tuple(Setting(c, count) for count, c in product(N_FEATURES, sorted(c_grid)))


class ReducedSvm:
    """Standardise, leave some features, then a linear machine; in the words of ``decisions.Classifier``.

    Attributes:
        classes_: ``(classes,)`` int64 ascending, those that occurred in training.
    """

    def __init__(self, reduction: Reduction, c: float, n_features: int, seed: int) -> None:
        """Settings.

        Args:
            reduction: ``pca``, the first principal components; ``anova``, the features with the largest ratio
                of variance between classes to variance within (Fisher's F), each looked at by itself.
            c: of the machine.
            n_features: that are left; all where there are fewer.
            seed: of the machine.
        """
        self._reduction, self._n_features = reduction, n_features
        self._machine = LinearSVC(C=c, random_state=seed, max_iter=5000, dual=False)
        self._steps: Pipeline = make_pipeline(self._machine)
        self.classes_: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def fit(self, vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> Self:
        """Learn which features and how to tell classes by them, from ``(rows, dim)`` and ``(rows,)``."""
        n_left = min(self._n_features, vectors.shape[1])
        if self._reduction == "pca":
            left = [PCA(min(n_left, len(vectors)), svd_solver="full")]
        else:
            # turned into no more coordinates than rows afterwards, which changes no decision: see ``linear_svm``
            left = [SelectKBest(_between_to_within, k=n_left), PCA(svd_solver="full")]
        self._steps = make_pipeline(StandardScaler(), *left, self._machine)
        with np.errstate(invalid="ignore"):  # what never changes has no variance to take shares of
            self._steps.fit(vectors, labels)
        self.classes_ = self._machine.classes_
        return self

    def decision_function(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """``(rows, classes)``, or ``(rows,)`` of the second of two classes."""
        values: NDArray[np.float64] = self._steps.decision_function(vectors)
        return values

    def chosen(self) -> NDArray[np.int64]:
        """``(features,)`` ascending, those that ``anova`` has left; empty of principal components."""
        chooser = self._steps[1]
        if not isinstance(chooser, SelectKBest):
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(chooser.get_support()).astype(np.int64)


def reduced_svm(reduction: Reduction) -> MakeClassifier:
    """What makes a :class:`ReducedSvm` from a setting and a seed; a bare C leaves the most features."""

    def make(c: float, seed: int) -> ReducedSvm:
        n_features = c.n_features if isinstance(c, Setting) else N_FEATURES[-1]
        return ReducedSvm(reduction, float(c), n_features, seed)

    return make


def _between_to_within(
    vectors: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """F and its p; a feature that never changes has none, and is taken last."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", UserWarning)
        found: tuple[NDArray[np.float64], NDArray[np.float64]] = f_classif(vectors, labels)
    return found
