"""Tables to CSV and ARFF files, in the folders that auDeep uses.

Without folds and partitions one file; with partitions ``train/``, ``devel/`` and ``test/``; with folds
``fold_<k>/``, which holds the rows that fold k holds out; with both ``train/fold_<k>/``. Not here: how such
files are written as text (``csvfile``, ``arff``), and reading them (``importing``).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.datasets.clip import PARTITIONS
from streamdeep_trainer.tables.arff import nominal, write_arff
from streamdeep_trainer.tables.csvfile import write_csv
from streamdeep_trainer.tables.table import Table, number_labels, number_text

Form = Literal["csv", "arff"]
NEVER_HELD_OUT = "-"
"""In a flat file, the folds of a row that no fold holds out."""


def export_features(
    table: Table,
    folder: Path,
    *,
    name: str,
    form: Form,
    labels_last: bool = False,
    flat: bool = False,
) -> list[Path]:
    """Write a table's rows as text.

    Features are flattened, the last axis changing fastest, and written with 9 digits, from which float32
    reads back exactly.

    Args:
        table: what.
        folder: where the files go.
        name: of each file, without suffix.
        form: ``csv`` or ``arff``.
        labels_last: both labels after the features, for programs that want the class there.
        flat: one file in any case, with columns ``partition`` and ``fold`` where the table has them.

    Returns:
        The files, in the order in which they were written.

    Raises:
        ConfigurationError: a row would be in no file: it has no partition, or no fold holds it out.
    """
    parts = [(Path(), np.arange(len(table)))] if flat else _parts(table)
    written = []
    for place, rows in parts:
        path = folder / place / f"{name}.{form}"
        columns = _columns(table, flat=flat)
        last = labels_last
        before = [column for column in columns if not (last and column[0].startswith("label_"))]
        after = [column for column in columns if column not in before]
        n_values = table.flat_features.shape[1]
        features = [(f"feature_{number}", "REAL") for number in range(n_values)]
        attributes = [*(column[:2] for column in before), *features, *(c[:2] for c in after)]
        cells = _rows(table, rows, [c[2] for c in before], [c[2] for c in after])
        if form == "csv":
            write_csv(path, [attribute for attribute, _ in attributes], cells)
        else:
            write_arff(path, name, attributes, cells)
        written.append(path)
    return written


_Column = tuple[str, str, Sequence[str | None]]


def _columns(table: Table, *, flat: bool) -> list[_Column]:
    """Name, ARFF type and cells of everything beside the features."""
    labels = [label for label, _ in table.label_map or number_labels(table.labels) or ()]
    occurring = sorted({label for label in table.labels if label is not None} - set(labels))
    numbers = table.numeric_labels
    whole = bool((np.isnan(numbers) | (numbers == np.floor(numbers))).all())
    columns: list[_Column] = [
        ("filename", "STRING", table.filenames),
        ("chunk_nr", "INTEGER", [str(number) for number in table.chunk_numbers]),
        (
            "label_nominal",
            nominal([*labels, *occurring]) if labels or occurring else "STRING",
            table.labels,
        ),
        (
            "label_numeric",
            "INTEGER" if whole else "REAL",
            [None if np.isnan(number) else number_text(number) for number in numbers],
        ),
    ]
    if flat and any(name is not None for name in table.partitions):
        columns.append(("partition", nominal(PARTITIONS), table.partitions))
    if flat and table.n_folds:
        columns.append(("fold", "STRING", [_folds(row) for row in table.held_out]))
    return columns


def _folds(held_out: NDArray[np.bool_]) -> str:
    return " ".join(str(fold + 1) for fold in held_out.nonzero()[0]) or NEVER_HELD_OUT


def _rows(
    table: Table,
    rows: NDArray[np.int64],
    before: Sequence[Sequence[str | None]],
    after: Sequence[Sequence[str | None]],
) -> Iterator[list[str | None]]:
    features = table.flat_features
    for row in rows:
        yield [
            *(column[row] for column in before),
            *(f"{value:.9g}" for value in features[row].tolist()),
            *(column[row] for column in after),
        ]


def _parts(table: Table) -> list[tuple[Path, NDArray[np.int64]]]:
    """Folder and rows of each file."""
    every = np.ones(len(table), dtype=np.bool_)
    by_partition = [(Path(), every)]
    if any(name is not None for name in table.partitions):
        _refuse_lost(table, [name is None for name in table.partitions], "has no partition")
        by_partition = [
            (Path(name), np.array([found == name for found in table.partitions]))
            for name in PARTITIONS
        ]
    if table.n_folds:
        _refuse_lost(table, table.held_out.sum(axis=1) == 0, "is held out in no fold")
        by_partition = [
            (place / f"fold_{fold}", inside & column)
            for place, inside in by_partition
            for fold, column in enumerate(table.held_out.T, start=1)
        ]
    return [(place, np.flatnonzero(inside)) for place, inside in by_partition if inside.any()]


def _refuse_lost(table: Table, lost: Sequence[bool] | NDArray[np.bool_], why: str) -> None:
    rows = np.flatnonzero(np.asarray(lost))
    if len(rows):
        raise ConfigurationError(
            f"{table.filenames[rows[0]]} {why}, so that it would be in no file; export with --flat"
        )
