"""Layouts with a table beside the sound: today's ESC-50, TUT 2017, UrbanSound8K, and a manifest of one's own.

What the table names must be there, once each. Not here: the ComParE challenges, whose sound files may be
missing from their tables (``compare``).
"""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.datasets.clip import PARTITIONS, Clip
from streamdeep_trainer.datasets.folds import with_held_out

MANIFEST = "manifest.csv"


def has_esc50_table(folder: Path) -> bool:
    """Whether ``meta/esc50.csv`` is there."""
    return (folder / "meta" / "esc50.csv").is_file()


def esc50_clips(folder: Path) -> list[Clip]:
    """ESC-50 as it is today: ``audio/1-100032-A-0.wav`` and ``meta/esc50.csv``."""
    return _esc50(folder, _rows(folder / "meta" / "esc50.csv", ("filename", "fold", "category")))


def esc10_clips(folder: Path) -> list[Clip]:
    """The ten classes of ESC-50 that are free for any use, marked ``esc10`` in its table."""
    table = folder / "meta" / "esc50.csv"
    rows = _rows(table, ("filename", "fold", "category", "esc10"))
    return _esc50(folder, [row for row in rows if row["esc10"] == "True"])


def _esc50(folder: Path, rows: Sequence[dict[str, str]]) -> list[Clip]:
    table = folder / "meta" / "esc50.csv"
    clips = []
    for row in rows:
        name = f"audio/{row['filename']}"
        clips.append(Clip(folder / name, name, row["category"], _fold(row["fold"], table)))
    return present(clips, table)


def has_urbansound8k_table(folder: Path) -> bool:
    """Whether ``metadata/UrbanSound8K.csv`` is there."""
    return (folder / "metadata" / "UrbanSound8K.csv").is_file()


def urbansound8k_clips(folder: Path) -> list[Clip]:
    """UrbanSound8K: ``audio/fold1/7061-6-0-0.wav`` and ``metadata/UrbanSound8K.csv``, ten folds."""
    table = folder / "metadata" / "UrbanSound8K.csv"
    clips = []
    for row in _rows(table, ("slice_file_name", "fold", "class")):
        name = f"audio/fold{row['fold']}/{row['slice_file_name']}"
        clips.append(Clip(folder / name, name, row["class"], _fold(row["fold"], table)))
    return present(clips, table)


def has_tut2017_tables(folder: Path) -> bool:
    """Whether ``meta.txt`` and ``evaluation_setup/fold1_train.txt`` are there."""
    return (folder / "meta.txt").is_file() and _tut_fold(folder, 1).is_file()


def tut2017_clips(folder: Path) -> list[Clip]:
    """TUT acoustic scenes 2017, development set: ``audio/b020_90_100.wav`` and ``meta.txt``, four folds.

    A clip is held out in every fold whose ``fold<k>_train.txt`` does not name it. Where that is not exactly
    one, folds overlap and clips have ``held_out`` instead of a fold.
    """
    table = folder / "meta.txt"
    clips = [
        Clip(folder / row[0], row[0], row[1]) for row in _cells(table, delimiter="\t", n_columns=2)
    ]
    names = {clip.filename for clip in clips}
    trained = []
    for fold in range(1, 5):
        listed = {row[0] for row in _cells(_tut_fold(folder, fold), delimiter="\t", n_columns=1)}
        unknown = sorted(listed - names)
        if unknown:
            raise ConfigurationError(
                f"{_tut_fold(folder, fold)} names {unknown[0]}, which {table} does not"
            )
        trained.append(listed)
    held_out = [
        tuple(fold for fold, listed in enumerate(trained, start=1) if clip.filename not in listed)
        for clip in clips
    ]
    return with_held_out(present(clips, table), held_out)


def _tut_fold(folder: Path, fold: int) -> Path:
    return folder / "evaluation_setup" / f"fold{fold}_train.txt"


def has_manifest(folder: Path) -> bool:
    """Whether ``manifest.csv`` is there."""
    return (folder / MANIFEST).is_file()


def manifest_clips(folder: Path) -> list[Clip]:
    """A table of one's own: ``filename,label[,fold][,partition]``, a header, one row per file.

    Args:
        folder: with a ``manifest.csv``; or the table itself, under any name. Filenames are relative to the
            table's folder. An empty cell is: not known. A fold may be several, separated by blanks (held
            out in each), or ``-`` (in none).

    Raises:
        SourceError: no such table, or files that it names are missing.
        ConfigurationError: columns are missing, a name occurs twice, or a cell cannot be understood.
    """
    table = folder / MANIFEST if folder.is_dir() else folder
    clips, held_out = [], []
    for row in _rows(table, ("filename", "label")):
        partition = row.get("partition") or None
        if partition is not None and partition not in PARTITIONS:
            raise ConfigurationError(
                f"{table} gives {row['filename']} the partition {partition!r}; use {', '.join(PARTITIONS)}"
            )
        clips.append(
            Clip(
                table.parent / row["filename"],
                row["filename"],
                row["label"] or None,
                partition=partition,
            )
        )
        held_out.append(row.get("fold") or "")
    present(clips, table)
    if not any(held_out):
        return clips
    if not all(held_out):
        name = clips[held_out.index("")].filename
        raise ConfigurationError(
            f"{table} gives no fold to {name}, but to others; write - for a clip that is never held out"
        )
    return with_held_out(
        clips,
        [
            () if cell == "-" else tuple(sorted({_fold(part, table) for part in cell.split()}))
            for cell in held_out
        ],
    )


def present(clips: Sequence[Clip], table: Path) -> list[Clip]:
    """The clips, when each is there, and named once.

    Raises:
        SourceError: files are missing.
        ConfigurationError: a name occurs twice.
    """
    name, count = max(
        Counter(clip.filename for clip in clips).items(), key=lambda item: item[1], default=("", 1)
    )
    if count > 1:
        raise ConfigurationError(f"{table} names {name} {count} times; keep one row of each file")
    missing = [clip.filename for clip in clips if not clip.path.is_file()]
    if missing:
        raise SourceError(
            f"{table} names {len(missing)} of {len(clips)} files that are not there, the first {missing[0]}; "
            "complete the data set or take their rows out"
        )
    return list(clips)


def _rows(table: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    return read_rows(table, columns, delimiter=",")


def read_rows(table: Path, columns: Sequence[str], *, delimiter: str) -> list[dict[str, str]]:
    """The rows of a table with a header, as texts without blanks around them.

    Raises:
        SourceError: no such file, or not text.
        ConfigurationError: a column is missing, or a row has too few or too many cells.
    """
    cells = _cells(table, delimiter=delimiter, n_columns=1)
    header = cells[0] if cells else []
    missing = [column for column in columns if column not in header]
    if missing:
        other = next(
            (sign for sign in ",;\t" if sign != delimiter and sign in "".join(header)), None
        )
        how = f"; cells are separated by {delimiter!r}, not by {other!r}" if other else ""
        raise ConfigurationError(
            f"{table} has no column {missing[0]!r}; its first line should name "
            f"{', '.join(columns)}, it names {', '.join(header) or 'nothing'}{how}"
        )
    for number, row in enumerate(cells[1:], start=2):
        if len(row) != len(header):
            raise ConfigurationError(
                f"{table}, row {number}, has {len(row)} cells; its header has {len(header)}"
            )
    return [dict(zip(header, row, strict=True)) for row in cells[1:]]


def _cells(table: Path, *, delimiter: str, n_columns: int) -> list[list[str]]:
    if not table.is_file():
        raise SourceError(f"there is no table {table}")
    try:
        with table.open(encoding="utf-8-sig", newline="") as lines:
            rows = [
                [cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)
            ]
    except UnicodeDecodeError as error:
        raise SourceError(f"{table} is not text in UTF-8; save it as that") from error
    except (OSError, csv.Error) as error:
        raise SourceError(f"{table} is no table that can be read: {error}") from error
    rows = [row for row in rows if any(row)]
    short = next((row for row in rows if len(row) < n_columns), None)
    if short is not None:
        raise ConfigurationError(
            f"{table} has a row {delimiter.join(short)!r}; {n_columns} columns are needed"
        )
    return rows


def _fold(cell: str, table: Path) -> int:
    if not (cell.isascii() and cell.isdigit()) or int(cell) < 1:
        raise ConfigurationError(f"{table} has a fold {cell!r}; folds are whole numbers from 1")
    return int(cell)
