"""The classifier that learns nothing: the k nearest training rows vote, on standardised vectors.

Not here: how k is chosen (``classify``, as it chooses C).
"""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

K_GRID = (1.0, 3.0, 5.0, 9.0, 15.0)
"""Values of k to choose from."""


class Neighbours:
    """k nearest neighbours by Euclidean distance (Cover and Hart 1967), in the words of ``decisions.Classifier``.

    A neighbour's vote counts by the inverse of its distance, so that rows of k = 2 or 4 are no ties; brute force,
    exact: milliseconds for hundreds of rows.

    Attributes:
        classes_: ``(classes,)`` int64 ascending, those that occurred in training.
    """

    def __init__(self, k: int) -> None:
        self.k = k
        self.classes_: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._scaler = StandardScaler()
        self._nearest = KNeighborsClassifier()

    def fit(self, vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> Self:
        """Keep the rows; of fewer than k, all are neighbours."""
        self._nearest = KNeighborsClassifier(
            min(self.k, len(vectors)), weights="distance", algorithm="brute"
        )
        self._nearest.fit(self._scaler.fit_transform(vectors), labels)
        self.classes_ = self._nearest.classes_
        return self

    def decision_function(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """``(rows, classes)``, shares of the votes; of two classes the second one's lead, as scikit-learn has it."""
        shares: NDArray[np.float64] = self._nearest.predict_proba(self._scaler.transform(vectors))
        return shares[:, 1] - shares[:, 0] if shares.shape[1] == 2 else shares


def neighbours(k: float, seed: int) -> Neighbours:
    """Of this k; a seed changes nothing."""
    return Neighbours(int(k))
