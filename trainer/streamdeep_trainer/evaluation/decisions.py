"""From what a classifier says of rows to what it says of files: means of decision values, or votes.

Any classifier with scikit-learn's words will do. Not here: which class a file gets, and who is asked
(``classify``).
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Classifier(Protocol):
    """What learns labels of rows, in scikit-learn's words.

    Attributes:
        classes_: ``(classes,)`` ascending, those that it has learnt.
    """

    classes_: NDArray[np.int64]

    def fit(self, vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> Any:
        """Learn from ``(rows, dim)`` and ``(rows,)``."""

    def decision_function(self, vectors: NDArray[np.float32]) -> NDArray[np.floating]:
        """``(rows, classes)``, the larger the likelier; ``(rows,)`` of the second of two classes."""


def mean_values(
    classifier: Classifier, vectors: NDArray[np.float32], clips: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The mean decision values of each file.

    Returns:
        The clips that occur, ascending, and ``(files, classes)`` float64, columns as ``classes_``.
    """
    values = _two_sided(classifier.decision_function(vectors))
    found, places = np.unique(clips, return_inverse=True)
    sums = np.zeros((len(found), values.shape[1]))
    np.add.at(sums, places, values)
    return found, sums / np.bincount(places)[:, None]


def vote_shares(
    classifier: Classifier, vectors: NDArray[np.float32], clips: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """As :func:`mean_values`, but the share of a file's rows that would be given each class by themselves."""
    values = _two_sided(classifier.decision_function(vectors))
    found, places = np.unique(clips, return_inverse=True)
    votes = np.zeros((len(found), values.shape[1]))
    np.add.at(votes, (places, values.argmax(axis=1)), 1.0)
    return found, votes / np.bincount(places)[:, None]


def _two_sided(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Of two classes scikit-learn gives the second one's value alone."""
    return np.stack((-values, values), axis=1) if values.ndim == 1 else values
