"""Embeddings of files as a table: .npz, .csv, .parquet."""

import csv
import math
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError
from streamdeep.tables import fixed_size_lists, require_pyarrow

SUFFIXES = (".npz", ".csv", ".parquet")


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Embeddings of several files, a row each.

    Attributes:
        embedding: ``(n, dim)`` float32.
        file: ``(n,)`` text, as the file was found.
        start_sample: ``(n,)`` int64, at the file's rate.
        n_samples: ``(n,)`` int64.
        novelty: ``(n,)`` float64, how unusual for the model's training; NaN where the model cannot tell.
    """

    embedding: NDArray[np.float32]
    file: NDArray[np.str_]
    start_sample: NDArray[np.int64]
    n_samples: NDArray[np.int64]
    novelty: NDArray[np.float64]


def write_table(path: Path, table: Table) -> None:
    """Write a table in the format its name asks for; an old file stays whole until the new one is."""
    draft = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".npz":
            _write_npz(draft, table)
        elif path.suffix == ".csv":
            _write_csv(draft, table)
        else:
            _write_parquet(draft, table)
        draft.replace(path)
    except OSError as error:
        if draft.is_file():
            draft.unlink()
        raise ConfigurationError(f"cannot write {path}: {error.strerror or error}") from error


def _write_npz(path: Path, table: Table) -> None:
    # numpy.savez cannot write an array called `file`: that is the name of its first argument.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for field in fields(Table):
            with archive.open(f"{field.name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, getattr(table, field.name), allow_pickle=False)


def _write_csv(path: Path, table: Table) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        columns = [f"embedding_{index}" for index in range(table.embedding.shape[1])]
        writer.writerow(["file", "start_sample", "n_samples", "novelty", *columns])
        for name, start, length, novelty, vector in zip(
            table.file,
            table.start_sample,
            table.n_samples,
            table.novelty.tolist(),
            table.embedding,
            strict=True,
        ):
            told = "" if math.isnan(novelty) else novelty
            # The shortest text that reads back as the same float32.
            writer.writerow([name, start, length, told, *(str(value) for value in vector)])


def _write_parquet(path: Path, table: Table) -> None:
    pyarrow = require_pyarrow()
    columns = {
        "file": pyarrow.array(table.file.tolist()),
        "start_sample": pyarrow.array(table.start_sample),
        "n_samples": pyarrow.array(table.n_samples),
        "novelty": pyarrow.array(table.novelty, from_pandas=True),  # NaN becomes null
        "embedding": fixed_size_lists(table.embedding),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
