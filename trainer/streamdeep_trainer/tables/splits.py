"""Folds and partitions for tables that have none: stratified by class, whole files together, drawn by a seed."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.datasets.clip import PARTITIONS
from streamdeep_trainer.tables.table import Table


def add_folds(table: Table, n_folds: int, *, seed: int) -> Table:
    """Folds that do not overlap; in each class their numbers of files differ by one at most.

    Raises:
        ConfigurationError: the table has folds, fewer than two are wanted, or a class has too few files.
    """
    if table.n_folds:
        raise ConfigurationError(f"the table has {table.n_folds} folds; remove them first")
    if n_folds < 2:
        raise ConfigurationError(f"{n_folds} folds are too few; two are needed")
    for label, files in _files_by_label(table).items():
        if len(files) < n_folds:
            what = "files without a label" if label is None else f"files of the class {label!r}"
            raise ConfigurationError(f"{n_folds} folds need as many {what}; there are {len(files)}")
    parts = _deal(table, np.full(n_folds, 1.0 / n_folds), seed)
    return replace(table, held_out=parts[:, None] == np.arange(n_folds))


def remove_folds(table: Table) -> Table:
    """The same without folds."""
    return replace(table, held_out=np.zeros((len(table), 0), dtype=np.bool_))


def add_partitions(table: Table, shares: Mapping[str, float], *, seed: int) -> Table:
    """Partitions of about these shares of each class; files that do not divide go where most are missing.

    Args:
        table: without partitions.
        shares: of ``train``, ``devel`` or ``test``; above 0, they need not add up to 1.
        seed: of the draw.

    Raises:
        ConfigurationError: the table has partitions, a name or share is wrong, or one would be empty.
    """
    if any(name is not None for name in table.partitions):
        raise ConfigurationError("the table has partitions; remove them first")
    unknown = [name for name in shares if name not in PARTITIONS]
    if unknown or not shares:
        raise ConfigurationError(
            f"{unknown[0] if unknown else 'nothing'!r} is no partition; use {', '.join(PARTITIONS)}"
        )
    if not all(0.0 < share < float("inf") for share in shares.values()):
        raise ConfigurationError("the share of a partition is a number above 0")
    names = list(shares)
    weights = np.array([shares[name] for name in names])
    parts = _deal(table, weights / weights.sum(), seed)
    empty = [name for part, name in enumerate(names) if not (parts == part).any()]
    if empty:
        raise ConfigurationError(
            f"the partition {empty[0]!r} would be empty; give it a larger share"
        )
    return replace(table, partitions=tuple(names[part] for part in parts))


def remove_partitions(table: Table) -> Table:
    """The same without partitions."""
    return replace(table, partitions=(None,) * len(table))


def _deal(table: Table, shares: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """``(rows,)`` int64, the part of each row; in each class less than one file off its share."""
    random = np.random.default_rng(seed)
    rows_of = table.rows_by_file()
    parts = np.zeros(len(table), dtype=np.int64)
    dealt, n_files = np.zeros(len(shares)), 0
    by_label = _files_by_label(table)
    for label in sorted(by_label, key=lambda label: (label is not None, label or "")):
        files = by_label[label]
        exact = shares * len(files)
        counts = np.floor(exact + 1e-9).astype(np.int64)
        n_files += len(files)
        left = len(files) - int(counts.sum())
        # What is left goes to the largest remainders; equal ones to the part that lacks most overall.
        lacking = shares * n_files - dealt - counts
        order = np.lexsort((-lacking.round(9), -(exact - counts).round(9)))
        counts[order[:left]] += 1
        dealt += counts
        places = np.repeat(np.arange(len(shares)), counts)
        for file, part in zip(random.permutation(len(files)), places, strict=True):
            parts[rows_of[files[file]]] = part
    return parts


def _files_by_label(table: Table) -> dict[str | None, list[str]]:
    found: dict[str | None, list[str]] = {}
    for name, rows in table.rows_by_file().items():
        labels = {table.labels[row] for row in rows}
        if len(labels) > 1:
            raise ConfigurationError(f"the chunks of {name} have several labels; see `validate`")
        found.setdefault(labels.pop(), []).append(name)
    return found
