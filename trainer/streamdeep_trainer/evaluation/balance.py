"""Upsampling: files of rare classes are repeated until every class has as many, as indices of rows.

auDeep repeats each row of a class ``max // count`` times, whole numbers only; here whole files are repeated, and
what is left is drawn, so that the classes come out equal. Not here: copies in a table (``tables.upsample``).
"""

import numpy as np
from numpy.typing import NDArray


def balanced_rows(
    files: NDArray[np.int64],
    labels: NDArray[np.int64],
    *,
    seed: int,
    rows: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Rows in which every class has as many files as the most frequent one.

    Args:
        files: ``(rows,)`` int64, each row's file.
        labels: ``(files,)`` int64, class of each file, also of files that have no row.
        seed: of the files that are repeated once more than others.
        rows: ``(rows,)`` int64, what to return of each row; by default its index.

    Returns:
        ``(n,)`` int64: all rows first, in their order, then the repeated ones, file by file.
    """
    present = np.unique(files)
    counts = np.bincount(labels[present])
    random = np.random.default_rng(seed)
    repeated = []
    for label in np.flatnonzero(counts):
        of_class = present[labels[present] == label]
        whole, rest = divmod(int(counts.max()) - len(of_class), len(of_class))
        extra = random.permutation(of_class)[:rest]
        repeated += [*np.tile(of_class, whole), *np.sort(extra)]
    order = np.argsort(files, kind="stable")
    starts = np.searchsorted(files[order], repeated, side="left")
    stops = np.searchsorted(files[order], repeated, side="right")
    added = [order[start:stop] for start, stop in zip(starts, stops, strict=True)]
    places = np.concatenate((np.arange(len(files)), *added)).astype(np.int64)
    return places if rows is None else rows[places]
