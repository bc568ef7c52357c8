"""A table in figures, and one of its rows, for people and for programs."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.datasets.clip import PARTITIONS
from streamdeep_trainer.tables.table import Table


def describe_table(table: Table) -> dict[str, Any]:
    """What a table holds, as JSON can say it."""
    files = table.rows_by_file()
    chunks = [len(rows) for rows in files.values()]
    held_out = table.held_out.sum(axis=1)
    return {
        "n_rows": len(table),
        "n_files": len(files),
        "chunks_per_file": [min(chunks), max(chunks)],
        "features": dict(zip(table.feature_dims, table.features.shape[1:], strict=True)),
        "lengths": [int(table.real_lengths.min()), int(table.real_lengths.max())]
        if table.lengths is not None
        else None,
        "smallest": float(table.features.min()) if table.features.size else None,
        "largest": float(table.features.max()) if table.features.size else None,
        "labels": _counts(table.labels),
        "label_map": dict(table.label_map) if table.label_map is not None else None,
        "partitions": _partitions(table),
        "folds": [
            {"fold": fold, "train": int((~column).sum()), "held_out": int(column.sum())}
            for fold, column in enumerate(table.held_out.T, start=1)
        ],
        "overlapping_folds": bool(table.n_folds and (held_out != 1).any()),
        "attributes": dict(table.attributes),
    }


def describe_row(table: Table, row: int) -> dict[str, Any]:
    """One row, with its features flattened.

    Raises:
        ConfigurationError: there is no such row.
    """
    if not 0 <= row < len(table):
        raise ConfigurationError(f"there is no row {row}; the table has rows 0 to {len(table) - 1}")
    number = float(table.numeric_labels[row])
    return {
        "filename": table.filenames[row],
        "chunk": int(table.chunk_numbers[row]),
        "label": table.labels[row],
        "numeric_label": None if number != number else number,  # NaN alone differs from itself
        "partition": table.partitions[row],
        "held_out_in": [int(fold) + 1 for fold in table.held_out[row].nonzero()[0]],
        "shape": list(table.features.shape[1:]),
        "length": int(table.lengths[row]) if table.lengths is not None else None,
        "features": table.flat_features[row].tolist(),
    }


def _partitions(table: Table) -> dict[str, int]:
    """Rows of each; those without are under an empty name, unless no row has one."""
    counts = Counter(name or "" for name in table.partitions)
    found = {name: counts[name] for name in (*PARTITIONS, "") if counts[name]}
    return {} if list(found) == [""] else found


def _counts(labels: tuple[str | None, ...]) -> Mapping[str, int]:
    return dict(sorted(Counter(label or "" for label in labels).items()))
