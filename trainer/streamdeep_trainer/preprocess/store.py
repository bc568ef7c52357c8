"""The netCDF file of preprocessed spectrograms: a table that all table commands read, and lengths beside it.

Rows shorter than the longest are padded with -1, which is silence; ``lengths`` says how many frames are real.
Table commands that write a new file leave ``lengths`` out. Not here: how the values come about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import FrontendConfig
from streamdeep.errors import ConfigurationError
from streamdeep_trainer.datasets.clip import PARTITIONS, Clip
from streamdeep_trainer.netcdf import read_netcdf, versions, write_netcdf
from streamdeep_trainer.preprocess.options import PreprocessOptions
from streamdeep_trainer.tables.clips import table_of_clips
from streamdeep_trainer.tables.storage import KIND, read_table
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
        clips, clip_rows, features, feature_dims=FEATURE_DIMS, attributes=attributes
    )
    rows = ("instance",)
    labels: NDArray[Any] = np.array([label or "" for label in table.labels], dtype=object)
    if table.label_map is None:  # as auDeep's files have it where there are no labels
        labels = np.full(len(table), np.nan)
    arrays: dict[str, tuple[tuple[str, ...], NDArray[Any]]] = {
        "filename": (rows, np.array(table.filenames, dtype=object)),
        "chunk_nr": (rows, table.chunk_numbers),
        "label_nominal": (rows, labels),
        "label_numeric": (rows, table.numeric_labels),
        "cv_folds": ((*rows, "fold"), table.held_out.astype(np.int64)),
        "partition": (
            rows,
            np.array(
                [np.nan if name is None else PARTITIONS.index(name) for name in table.partitions]
            ),
        ),
        "lengths": (rows, lengths),
        "features": ((*rows, *FEATURE_DIMS), table.features),
    }
    about = {
        "feature_dims": list(FEATURE_DIMS),
        "padding": PADDING,
        **({"label_map": [list(pair) for pair in table.label_map]} if table.label_map else {}),
    }
    write_netcdf(path, arrays, kind=KIND, attributes={**about, **attributes})


def read_preprocessed(path: Path) -> Preprocessed:
    """Read a file again.

    Raises:
        SourceError: no such file, or not netCDF.
        ConfigurationError: a file of another kind, or a table of something else.
    """
    arrays, attributes = read_netcdf(path, KIND)
    if not {"preprocess", "frontend"} <= set(attributes) or "lengths" not in arrays:
        raise ConfigurationError(
            f"{path} is a table, but not what `spectrograms` writes; its lengths or options are missing"
        )
    return Preprocessed(
        table=read_table(path),
        lengths=arrays["lengths"].astype(np.int64),
        frontend=FrontendConfig.model_validate(attributes["frontend"]),
        options=PreprocessOptions.model_validate(attributes["preprocess"]),
    )
