"""The record that all table tools share: one row per chunk of a file, with what is known about it.

A table is whole when it is made: lengths fit, features are numbers, texts can be written to any file. Whether
its rows also agree with each other, ``checks`` says. Not here: files (``storage``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.datasets.clip import PARTITIONS

LabelMap = tuple[tuple[str, int], ...]
"""Label and number, sorted by label."""

VARIABLES = "filename chunk_nr cv_folds partition label_nominal label_numeric features instance fold".split()
"""Names of the variables and axes of a file, which feature axes cannot have; and ``lengths``, which is not in all."""

SAME_AXES = {"freq": "band"}
"""auDeep's name of an axis, and this project's."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Features and what is known about them.

    Attributes:
        filenames: of each row's sound file; with the chunk number it names the row.
        chunk_numbers: ``(rows,)`` int64, from 0 in each file.
        labels: class of each row, None where it is not known.
        numeric_labels: ``(rows,)`` float64, the class's number, or a value to predict; NaN where not known.
        partitions: ``train``, ``devel`` or ``test``; None where there is none.
        held_out: ``(rows, folds)`` bool, column 0 is fold 1; a row trains in every fold that does not hold
            it out. Folds may overlap, and there may be none.
        features: ``(rows, ...)`` float32, finite.
        feature_dims: names of the axes of ``features`` but the first.
        label_map: label and number, sorted by label; None if numbers are no classes.
        lengths: ``(rows,)`` int64, real steps along the first feature axis, the rest is padding; None if all
            are real.
        attributes: where the features come from, as JSON can say it: ``sample_rate_hz``, ``frontend``,
            ``model`` (digest), ``seed``, ``versions`` as far as they are known.
    """

    filenames: tuple[str, ...]
    chunk_numbers: NDArray[np.int64]
    labels: tuple[str | None, ...]
    numeric_labels: NDArray[np.float64]
    partitions: tuple[str | None, ...]
    held_out: NDArray[np.bool_]
    features: NDArray[np.float32]
    feature_dims: tuple[str, ...]
    label_map: LabelMap | None = None
    lengths: NDArray[np.int64] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n_rows = len(self.filenames)
        if n_rows == 0:
            raise ConfigurationError("a table needs at least one row")
        columns = (
            self.chunk_numbers,
            self.labels,
            self.numeric_labels,
            self.partitions,
            self.held_out,
            self.features,
        )
        if any(len(column) != n_rows for column in columns):
            raise ValueError(f"columns of {[len(column) for column in columns]} rows, not {n_rows}")
        if self.features.ndim != 1 + len(self.feature_dims) or self.held_out.ndim != 2:
            raise ValueError(
                f"features are {self.features.shape} of {self.feature_dims}, folds {self.held_out.shape}"
            )
        if self.lengths is not None and len(self.lengths) != n_rows:
            raise ValueError(f"{len(self.lengths)} lengths of {n_rows} rows")
        taken = [name for name in self.feature_dims if name in (*VARIABLES, "lengths") or not name]
        if taken or len(set(self.feature_dims)) < len(self.feature_dims) or not self.feature_dims:
            raise ConfigurationError(
                f"feature axes cannot be called {list(self.feature_dims)}; use other names, each once"
            )
        for name in (
            *self.filenames,
            *set(self.labels),
            *(name for name, _ in self.label_map or ()),
        ):
            _check_text(name)
        for partition in set(self.partitions) - {None, *PARTITIONS}:
            raise ConfigurationError(f"{partition!r} is no partition; use {', '.join(PARTITIONS)}")
        finite = np.isfinite(self.features.reshape(n_rows, -1)).all(axis=1)
        if not finite.all():
            row = int(finite.argmin())
            raise ConfigurationError(
                f"row {row} ({self.filenames[row]}) has features that are no finite numbers; "
                "leave the row out or compute it again"
            )

    def __len__(self) -> int:
        return len(self.filenames)

    @property
    def n_folds(self) -> int:
        """How many folds there are."""
        return int(self.held_out.shape[1])

    @property
    def real_lengths(self) -> NDArray[np.int64]:
        """``(rows,)`` int64, real steps along the first feature axis."""
        if self.lengths is not None:
            return self.lengths
        return np.full(len(self), self.features.shape[1], dtype=np.int64)

    @property
    def flat_features(self) -> NDArray[np.float32]:
        """``(rows, values)`` float32, the last feature axis changing fastest."""
        return self.features.reshape(len(self), -1)

    def only(self, rows: Sequence[int] | NDArray[np.int64]) -> Self:
        """Some rows, in this order."""
        chosen = np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            filenames=tuple(self.filenames[row] for row in chosen),
            chunk_numbers=self.chunk_numbers[chosen],
            labels=tuple(self.labels[row] for row in chosen),
            numeric_labels=self.numeric_labels[chosen],
            partitions=tuple(self.partitions[row] for row in chosen),
            held_out=self.held_out[chosen],
            features=self.features[chosen],
            lengths=None if self.lengths is None else self.lengths[chosen],
        )

    def rows_by_file(self) -> dict[str, list[int]]:
        """The rows of each file, files in the order of their first row."""
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(self.filenames):
            rows.setdefault(name, []).append(row)
        return rows


def make_table(
    filenames: Sequence[str],
    features: NDArray[Any],
    *,
    feature_dims: Sequence[str] = ("generated",),
    labels: Sequence[str | None] | None = None,
    chunk_numbers: Sequence[int] | NDArray[np.int64] | None = None,
    partitions: Sequence[str | None] | None = None,
    held_out: NDArray[np.bool_] | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Table:
    """A table from what is known; the rest is empty, and labels are numbered in alphabetical order."""
    n_rows = len(filenames)
    named = tuple(labels) if labels is not None else (None,) * n_rows
    label_map = number_labels(named)
    return Table(
        filenames=tuple(filenames),
        chunk_numbers=np.asarray(
            chunk_numbers if chunk_numbers is not None else np.zeros(n_rows), dtype=np.int64
        ),
        labels=named,
        numeric_labels=numbers_of(named, label_map),
        partitions=tuple(partitions) if partitions is not None else (None,) * n_rows,
        held_out=held_out if held_out is not None else np.zeros((n_rows, 0), dtype=np.bool_),
        features=np.asarray(features, dtype=np.float32),
        feature_dims=tuple(feature_dims),
        label_map=label_map,
        attributes=dict(attributes or {}),
    )


def number_labels(labels: Sequence[str | None]) -> LabelMap | None:
    """Numbers from 0 for the labels that occur, in alphabetical order; None if there are none."""
    found = sorted({label for label in labels if label is not None})
    return tuple((label, number) for number, label in enumerate(found)) or None


def numbers_of(labels: Sequence[str | None], label_map: LabelMap | None) -> NDArray[np.float64]:
    """``(rows,)`` float64: each label's number, NaN where there is none."""
    numbers = dict(label_map or ())
    return np.array([numbers.get(label or "", np.nan) for label in labels], dtype=np.float64)


def metadata_difference(first: Table, second: Table) -> str | None:
    """The first thing beside features in which two tables differ, in words; None if there is none."""
    if len(first) != len(second):
        return f"they have {len(first)} and {len(second)} rows"
    if first.label_map != second.label_map:
        return "their labels have different numbers"
    if first.n_folds != second.n_folds:
        return f"they have {first.n_folds} and {second.n_folds} folds"
    columns = {
        "filename": (first.filenames, second.filenames),
        "chunk": (first.chunk_numbers.tolist(), second.chunk_numbers.tolist()),
        "label": (first.labels, second.labels),
        "numeric label": (_texts(first.numeric_labels), _texts(second.numeric_labels)),
        "partition": (first.partitions, second.partitions),
        "folds": (first.held_out.tolist(), second.held_out.tolist()),
    }
    for name, (one, other) in columns.items():
        for row, (left, right) in enumerate(zip(one, other, strict=True)):
            if left != right:
                return f"row {row} has the {name} {left!r} in one and {right!r} in the other"
    return None


def number_text(value: float) -> str:
    """A number so that it reads back the same, whole ones without a point."""
    return f"{value:.0f}" if float(value).is_integer() else repr(float(value))


def _texts(values: NDArray[np.float64]) -> list[str]:
    """As text, where NaN equals NaN."""
    return [str(value) for value in values.tolist()]


def _check_text(text: str | None) -> None:
    if text is None:
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"the name {text!r} is not UTF-8; rename it") from error
    if not text or "\0" in text:
        raise ConfigurationError(f"{text!r} cannot be a filename or label; rename it")
