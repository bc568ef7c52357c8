"""Embeddings as points in a plane: by the model's own projection, or along the main axes of what is there."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

BY_MODEL: Final = (
    "The axes are the model's own, so that places stay where they are from map to map."
)
BY_DATA: Final = (
    "The model file has no projection: the axes are the two along which these embeddings vary most, "
    "and places differ from map to map."
)
_AXES_FROM_MOST: Final = 4096


def plane(
    vectors: NDArray[np.float32], projection: NDArray[np.float32] | None
) -> tuple[NDArray[np.float64], str]:
    """Points, and what their axes are.

    Args:
        vectors: ``(rows, dim)``.
        projection: ``(2, dim)`` of the model file, if it has one.

    Returns:
        ``(rows, 2)`` float64, and a sentence: :data:`BY_MODEL`, or :data:`BY_DATA`. Of many rows every so-many-th is enough
        to find the main axes.
    """
    if projection is not None:
        return project(vectors, projection), BY_MODEL
    every = -(-len(vectors) // _AXES_FROM_MOST)
    some = vectors[:: max(1, every)].astype(np.float64)
    mean = some.mean(axis=0)
    axes = np.zeros((2, vectors.shape[1]))
    found = np.linalg.svd(some - mean, full_matrices=False)[2][:2]
    axes[: len(found)] = found
    # A main axis has no direction; its largest weight shall be positive, so that no map is mirrored by chance.
    largest = np.abs(axes).argmax(axis=1)
    axes *= np.where(axes[[0, 1], largest] < 0.0, -1.0, 1.0)[:, None]
    return (vectors.astype(np.float64) - mean) @ axes.T, BY_DATA


def project(vectors: NDArray[np.float32], projection: NDArray[np.float32]) -> NDArray[np.float64]:
    """``(rows, dim)`` to ``(rows, 2)`` float64."""
    points: NDArray[np.float64] = vectors.astype(np.float64) @ projection.T.astype(np.float64)
    return points
