"""The netCDF file of preprocessed spectrograms: a table that all table commands read, and lengths beside it.

Rows shorter than the longest are padded with -1, which is silence; ``lengths`` says how many frames are real,
and stays with the rows in all that table commands write. Not here: how the values come about.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import FrontendConfig
from streamdeep.errors import ConfigurationError
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.netcdf import versions
from streamdeep_trainer.preprocess.options import PreprocessOptions
from streamdeep_trainer.tables.clips import table_of_clips
from streamdeep_trainer.tables.storage import read_table, write_table
from streamdeep_trainer.tables.table import Table

FEATURE_DIMS = ("time", "band")
PADDING = -1.0


@dataclass(frozen=True, slots=True, eq=False)
class Preprocessed:
    """What a file holds.

    Attributes:
        table: filenames, chunks, labels, folds, and features ``(rows, frames, bands)`` float32 in [-1, 1].
        lengths: ``(rows,)`` int64, real frames of each row.
        frontend: what computed them.
        options: what was asked for.
    """

    table: Table
    lengths: NDArray[np.int64]
    frontend: FrontendConfig
    options: PreprocessOptions


def refuse_unwritable(clips: Sequence[Clip]) -> None:
    """Refuse, before work is done, clips that the file could not hold.

    Raises:
        ConfigurationError: a name that is no text, or folds that only some clips have.
    """
    table_of_clips(
        clips, np.arange(len(clips)), np.zeros((len(clips), 1), np.float32), attributes={}
    )


def provenance(options: PreprocessOptions, frontend: FrontendConfig) -> dict[str, Any]:
    """What decides the values beside the sound: the attributes of a file."""
    return {
        "sample_rate_hz": frontend.sample_rate_hz,
        "frontend": frontend.model_dump(mode="json"),
        "preprocess": options.model_dump(mode="json"),
        "versions": versions(),
    }


def write_preprocessed(
    path: Path,
    clips: Sequence[Clip],
    clip_rows: NDArray[np.int64],
    features: NDArray[np.float32],
    *,
    lengths: NDArray[np.int64],
    attributes: dict[str, Any],
) -> None:
    """Write a file, whole or not at all.

    Args:
        path: where to.
        clips: what is known about each.
        clip_rows: ``(rows,)``, each row's clip.
        features: ``(rows, frames, bands)`` float32, padded.
        lengths: ``(rows,)``, real frames.
        attributes: :func:`provenance`, and what else there is to say.
    """
    table = table_of_clips(
        clips,
        clip_rows,
        features,
        feature_dims=FEATURE_DIMS,
        attributes={"padding": PADDING, **attributes},
    )
    write_table(path, replace(table, lengths=lengths))


def read_preprocessed(path: Path) -> Preprocessed:
    """Read a file again.

    Raises:
        SourceError: no such file, or not netCDF.
        ConfigurationError: a file of another kind, or a table of something else.
    """
    table = read_table(path)
    if not {"preprocess", "frontend"} <= set(table.attributes) or table.lengths is None:
        raise ConfigurationError(
            f"{path} is a table, but not what `spectrograms` writes; its lengths or options are missing"
        )
    return Preprocessed(
        table=table,
        lengths=table.lengths,
        frontend=FrontendConfig.model_validate(table.attributes["frontend"]),
        options=PreprocessOptions.model_validate(table.attributes["preprocess"]),
    )
