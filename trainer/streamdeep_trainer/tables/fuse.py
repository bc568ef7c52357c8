"""Wider rows: the features of several tables side by side, or the chunks of each file one after the other.

Padding stays at the end of a row: rows that would have some in the middle are refused.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.tables.checks import violations
from streamdeep_trainer.tables.table import SAME_AXES, Table, metadata_difference


def fuse_tables(tables: Sequence[Table], *, dimension: str | None = None) -> Table:
    """Concatenate the features of tables whose rows are the same in everything else.

    Args:
        tables: two or more.
        dimension: the feature axis to concatenate; None where there is but one.

    Returns:
        A table with the first one's metadata; its attribute ``fused`` has the attributes of each.

    Raises:
        ConfigurationError: rows differ, named by the first that does, or axes or real lengths do not fit.
    """
    if len(tables) < 2:
        raise ConfigurationError("give two tables or more to fuse")
    first = tables[0]
    axis = _axis(first, dimension)
    for number, table in enumerate(tables[1:], start=2):
        difference = metadata_difference(first, table)
        if difference is not None:
            raise ConfigurationError(f"tables 1 and {number} cannot be fused: {difference}")
        shapes = [list(each.features.shape[1:]) for each in (first, table)]
        others = [
            [size for at, size in enumerate(shape, start=1) if at != axis] for shape in shapes
        ]
        if _axes(table) != _axes(first) or others[0] != others[1]:
            raise ConfigurationError(
                f"tables 1 and {number} cannot be fused: features are {shapes[0]} of "
                f"{', '.join(first.feature_dims)} and {shapes[1]} of {', '.join(table.feature_dims)}"
            )
    return replace(
        first,
        features=np.concatenate([table.features for table in tables], axis=axis),
        lengths=_joined_lengths(tables, axis),
        attributes={"fused": [dict(table.attributes) for table in tables]},
    )


def fuse_chunks(table: Table, *, dimension: str | None = None) -> Table:
    """One row per file: its chunks' features one after the other, by chunk number.

    Args:
        table: every file with as many chunks, which agree in everything else.
        dimension: the feature axis to concatenate; None where there is but one.

    Raises:
        ConfigurationError: chunks are missing or differ, or real lengths do not fit.
    """
    wrong = [found for found in violations(table) if found.constraint != "labels obey the map"]
    if wrong:
        raise ConfigurationError(f"chunks cannot be fused: {wrong[0].message}; see `validate`")
    axis = _axis(table, dimension)
    files = [
        sorted(rows, key=lambda row: int(table.chunk_numbers[row]))
        for rows in table.rows_by_file().values()
    ]
    fused = np.stack([np.concatenate(list(table.features[rows]), axis=axis - 1) for rows in files])
    firsts = table.only([rows[0] for rows in files])
    chunks = [table.only([rows[chunk] for rows in files]) for chunk in range(len(files[0]))]
    return replace(
        firsts,
        chunk_numbers=np.zeros(len(files), dtype=np.int64),
        features=fused,
        lengths=_joined_lengths(chunks, axis),
        attributes={**table.attributes, "chunks_fused": len(files[0])},
    )


def _joined_lengths(parts: Sequence[Table], axis: int) -> NDArray[np.int64] | None:
    """Real lengths of rows that are joined of parts, row by row."""
    if all(part.lengths is None for part in parts):
        return None
    lengths = np.stack([part.real_lengths for part in parts])
    if axis == 1:
        sizes = np.array([[part.features.shape[1]] for part in parts])
        padded = lengths[:-1] < sizes[:-1]
        wrong = "padding would lie in the middle; it can only be at the end"
        joined: NDArray[np.int64] = sizes[:-1].sum() + lengths[-1]
    else:
        padded, joined = lengths[1:] != lengths[0], lengths[0]
        wrong = "they have different real lengths"
    if padded.any():
        row = int(padded.any(axis=0).argmax())
        raise ConfigurationError(
            f"parts of {parts[0].filenames[row]} with {', '.join(map(str, lengths[:, row]))} real steps "
            f"along {parts[0].feature_dims[0]} cannot be joined: {wrong}"
        )
    return joined


def _axes(table: Table) -> tuple[str, ...]:
    return tuple(SAME_AXES.get(name, name) for name in table.feature_dims)


def _axis(table: Table, dimension: str | None) -> int:
    if dimension is None and len(table.feature_dims) == 1:
        return 1
    wanted = SAME_AXES.get(dimension or "", dimension)
    if wanted is None or wanted not in _axes(table):
        raise ConfigurationError(
            f"the features have the axes {', '.join(table.feature_dims)}; "
            f"choose one with --dimension {table.feature_dims[0]}"
        )
    return 1 + _axes(table).index(wanted)
