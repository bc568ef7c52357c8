"""The nearest of many embeddings, by the cosine of the angle between them; exact, in bounded memory.

Every vector is looked at, in chunks; none is left out for speed. Vectors of length zero are like nothing: their
cosine counts as -1. Equal scores keep the order in which vectors were given, and the last place says how many others
would have had the same right to it. numpy only. Not here: where embeddings come from.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import MismatchError

_CHUNK_NUMBERS: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class Nearest:
    """The vectors nearest to a query.

    Attributes:
        indices: of the vectors, counted over all chunks, nearest first.
        similarities: cosines in [-1, 1].
        ties: how many vectors that are left out are exactly as near as the last one that is not.
        looked_at: how many there were.
    """

    indices: tuple[int, ...]
    similarities: tuple[float, ...]
    ties: int
    looked_at: int


def nearest_to(
    query: NDArray[np.float32], tables: Iterable[NDArray[np.float32]], n_most: int
) -> Nearest:
    """Look at every vector once.

    Args:
        query: ``(dim,)``.
        tables: each ``(rows, dim)``; one at a time is held in memory.
        n_most: how many are wanted, at least 1.

    Raises:
        MismatchError: vectors of another length.
        ValueError: the query is all zeros or not finite, or nothing is wanted.
    """
    if n_most < 1:
        raise ValueError(f"n_most is {n_most}, it must be at least 1")
    length = float(np.linalg.norm(query.astype(np.float64)))
    if not 0.0 < length < np.inf:
        raise ValueError("the query is all zeros or not finite: nothing is like it")
    direction = query.astype(np.float64) / length
    best, where = np.empty(0), np.empty(0, dtype=np.int64)
    ties = looked_at = 0
    for table in tables:
        if table.ndim != 2 or table.shape[1] != len(query):
            raise MismatchError(
                f"embeddings of shape {table.shape} and a query of {len(query)} numbers are of different models"
            )
        step = max(1, _CHUNK_NUMBERS // table.shape[1])
        for first in range(0, len(table), step):
            scores = _cosines(table[first : first + step], direction)
            found = np.arange(looked_at, looked_at + len(scores))
            looked_at += len(scores)
            scores, found = np.concatenate((best, scores)), np.concatenate((where, found))
            order = np.argsort(-scores, kind="stable")
            kept = order[:n_most]
            last = scores[kept[-1]]
            # What tied with a place that has got nearer company since is no tie any more.
            former = ties if len(best) == n_most and best[-1] == last else 0
            ties = former + int((scores[order[n_most:]] == last).sum())
            best, where = scores[kept], found[kept]
    return Nearest(tuple(where.tolist()), tuple(best.tolist()), ties, looked_at)


def _cosines(vectors: NDArray[np.float32], direction: NDArray[np.float64]) -> NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    # Not a matrix product, whose sums depend on how many rows there are: equal vectors must come out equal.
    products = np.einsum("ij,j->i", wide, direction)
    usable = np.isfinite(lengths) & (lengths > 0.0)
    scores = np.full(len(wide), -1.0)
    scores[usable] = np.clip(products[usable] / lengths[usable], -1.0, 1.0)
    return scores
