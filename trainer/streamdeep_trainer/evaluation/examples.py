"""A table as the protocols want it: one clip per file, and each row's clip.

Not here: tables and their files (``tables``), what is done with the clips (``judging``, ``predict``).
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError, MismatchError
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.folds import with_held_out
from streamdeep_trainer.evaluation.judging import in_partitions
from streamdeep_trainer.tables.table import Table

Examples = tuple[tuple[Clip, ...], NDArray[np.float32], NDArray[np.int64]]
"""Clips, ``(rows, dim)`` float32, and ``(rows,)`` int64, each row's clip."""

_COPY = re.compile(r"(?P<original>.+)(?:\.copy|\.upsampled\.)\d+")
"""Names of upsampled files: this project's (``tables.upsample``) and auDeep's."""


def clips_of_table(table: Table) -> Examples:
    """The files of a table, its features and where they belong.

    Returns:
        One clip per file, in the order of their first rows; ``(rows, values)`` float32; ``(rows,)`` int64, each
        row's clip.

    Raises:
        ConfigurationError: the rows of a file differ in label, partition or folds.
    """
    clips, held_out = [], []
    clip_rows = np.zeros(len(table), dtype=np.int64)
    for number, (name, rows) in enumerate(table.rows_by_file().items()):
        clip_rows[rows] = number
        first = rows[0]
        columns = {
            "label": {table.labels[row] for row in rows},
            "partition": {table.partitions[row] for row in rows},
            "folds": {table.held_out[row].tobytes() for row in rows},
        }
        several = [what for what, found in columns.items() if len(found) > 1]
        if several:
            raise ConfigurationError(
                f"the chunks of {name} differ in their {several[0]}; `streamdeep-train validate` lists them all"
            )
        clips.append(Clip(Path(name), name, table.labels[first], None, table.partitions[first]))
        held_out.append(tuple(int(fold) + 1 for fold in np.flatnonzero(table.held_out[first])))
    if table.n_folds:
        clips = with_held_out(clips, held_out)
    return tuple(clips), table.flat_features, clip_rows


def only_partitions(examples: Examples, names: Sequence[str], *, labelled: bool) -> Examples:
    """The clips of some partitions with their rows; everything, if none is named.

    Raises:
        ConfigurationError: a partition has no clips, or has one without a label where ``labelled``.
    """
    if not names:
        return examples
    clips, vectors, clip_rows = examples
    chosen = in_partitions(clips, names, labelled=labelled)
    kept = chosen[clip_rows]
    places = np.cumsum(chosen) - 1
    return (
        tuple(clip for clip, used in zip(clips, chosen, strict=True) if used),
        vectors[kept],
        places[clip_rows[kept]],
    )


def refuse_copies_without_folds(table: Table) -> None:
    """Made folds would put copies of a file on both sides.

    Raises:
        ConfigurationError: the table has upsampled files and no folds.
    """
    copies = [name for name in table.filenames if _COPY.fullmatch(name)]
    if copies and not table.n_folds:
        raise ConfigurationError(
            f"{copies[0]} is an upsampled copy and the table has no folds; judge the original table with --upsample"
        )


def check_same_features(first: Table, other: Table) -> None:
    """Two tables that one classifier reads.

    Raises:
        MismatchError: they have features of different width, or of different models.
    """
    width, found = first.flat_features.shape[1], other.flat_features.shape[1]
    if width != found:
        raise MismatchError(
            f"the tables have {width} and {found} features; make both with the same model"
        )
    models = first.attributes.get("model"), other.attributes.get("model")
    if None not in models and models[0] != models[1]:
        raise MismatchError(
            f"the tables hold embeddings of different models, {str(models[0])[:16]} and {str(models[1])[:16]}; "
            "make both with the same"
        )
