"""Rows that were read from feature files, put together to one table.

A row that stands in several folds' files becomes one; what contradicts is refused by its place. Not here:
reading the files (``importing``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.tables.exporting import NEVER_HELD_OUT
from streamdeep_trainer.tables.table import LabelMap, Table, number_labels, numbers_of


@dataclass(frozen=True, slots=True)
class Place:
    """A feature file, and what its folders say of all of its rows."""

    path: Path
    partition: str | None = None
    fold: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Collected:
    """One row of a feature file.

    Attributes:
        where: file and row, for messages.
        place: the file.
        filename: of the sound file.
        chunk: its chunk number.
        label: its class; None if there is none.
        numeric_label: NaN if there is none.
        has_numbers: whether the file has a column of them at all.
        partition: of the row's own cell.
        folds: of the row's own cell: numbers separated by blanks, or ``-``.
        feature_names: of the file's columns.
        features: ``(values,)`` float32.
    """

    where: str
    place: Place
    filename: str
    chunk: float
    label: str | None
    numeric_label: float
    has_numbers: bool
    partition: str | None
    folds: str | None
    feature_names: tuple[str, ...]
    features: NDArray[np.float32]


def collect(found: Sequence[Collected], *, n_folds: int) -> Table:
    """One table of all rows, in the order in which they came.

    Args:
        found: from all files.
        n_folds: how many fold folders there are; 0 if rows have their own cells.

    Raises:
        ConfigurationError: rows or files contradict each other.
    """
    if not found:
        raise ConfigurationError("the feature files have no rows")
    rows: dict[tuple[str, float], Collected] = {}
    folds: dict[tuple[str, float], set[int]] = {}
    for row in found:
        if row.feature_names != found[0].feature_names:
            raise ConfigurationError(
                f"{row.place.path} has other features than {found[0].place.path}: "
                f"{_difference(found[0].feature_names, row.feature_names)}"
            )
        key = (row.filename, row.chunk)
        own = _folds(row)
        before = rows.setdefault(key, row)
        if before is not row:
            _refuse_other(before, row)
            if row.place.fold is None or row.place.fold in folds[key]:
                raise ConfigurationError(
                    f"{row.where}, repeats chunk {row.chunk:g} of {row.filename} from {before.where}"
                )
        folds.setdefault(key, set()).update(own)
    kept = list(rows.values())
    labels = tuple(row.label for row in kept)
    numbers = np.array([row.numeric_label for row in kept])
    label_map = _label_map(kept)
    if not any(row.has_numbers for row in kept):
        numbers = numbers_of(labels, label_map)
    held_out = np.zeros(
        (len(kept), max([n_folds, *(fold for one in folds.values() for fold in one)])),
        dtype=np.bool_,
    )
    for index, key in enumerate(rows):
        held_out[index, [fold - 1 for fold in folds[key]]] = True
    return Table(
        filenames=tuple(row.filename for row in kept),
        chunk_numbers=np.array([row.chunk for row in kept]).astype(np.int64),
        labels=labels,
        numeric_labels=numbers,
        partitions=tuple(row.place.partition or row.partition for row in kept),
        held_out=held_out,
        features=np.stack([row.features for row in kept]),
        feature_dims=("generated",),
        label_map=label_map,
    )


def number(text: str | None, where: str, *, whole: bool = False) -> float:
    """A cell as a number.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        value = float(text or "")
    except ValueError as error:
        raise ConfigurationError(
            f"{where}, has {text or 'an empty cell'!r} where a number is needed"
        ) from error
    if whole and not value.is_integer():
        raise ConfigurationError(f"{where}, has {text!r} where a whole number is needed")
    return value


def _folds(row: Collected) -> set[int]:
    if row.place.fold is not None:
        return {row.place.fold}
    if row.folds is None or row.folds == NEVER_HELD_OUT:
        return set()
    found = {int(number(cell, row.where, whole=True)) for cell in row.folds.split()}
    if min(found) < 1:
        raise ConfigurationError(f"{row.where}, has a fold {min(found)}; folds count from 1")
    return found


def _refuse_other(before: Collected, row: Collected) -> None:
    same = (
        before.label == row.label
        and str(before.numeric_label) == str(row.numeric_label)  # as text NaN equals NaN
        and before.place.partition == row.place.partition
        and np.array_equal(before.features, row.features)
    )
    if not same:
        raise ConfigurationError(
            f"{row.where}, contradicts {before.where}: both are chunk {row.chunk:g} of {row.filename}"
        )


def _label_map(rows: Sequence[Collected]) -> LabelMap | None:
    """From the pairs that occur; None if numbers are no classes."""
    if not any(row.has_numbers for row in rows):
        return number_labels([row.label for row in rows])
    numbers: dict[str, float] = {}
    for row in rows:
        known, value = row.label is not None, row.numeric_label
        if known != (value == value) or (known and not value.is_integer()):
            return None
        if row.label is not None and numbers.setdefault(row.label, value) != value:
            raise ConfigurationError(
                f"{row.where}, gives {row.label!r} the number {value:g}, which was {numbers[row.label]:g} before"
            )
    return tuple(sorted((label, int(value)) for label, value in numbers.items())) or None


def _difference(first: Sequence[str], other: Sequence[str]) -> str:
    if len(first) != len(other):
        return f"{len(other)} columns instead of {len(first)}"
    return next(f"{b!r} instead of {a!r}" for a, b in zip(first, other, strict=True) if a != b)
