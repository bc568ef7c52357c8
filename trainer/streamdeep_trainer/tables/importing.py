"""CSV and ARFF files to tables: one file, several, or the folders that ``exporting`` writes.

Every column that is not named in :class:`ColumnNames` is a feature. Not here: how the text is read
(``csvfile``, ``arff``).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.datasets.clip import PARTITIONS
from streamdeep_trainer.datasets.files import visible
from streamdeep_trainer.progress import track
from streamdeep_trainer.tables.arff import read_arff
from streamdeep_trainer.tables.collect import Collected, Place, collect, number
from streamdeep_trainer.tables.csvfile import Row, read_csv
from streamdeep_trainer.tables.table import Table

_READERS = {".csv": read_csv, ".arff": read_arff}
_FOLD = re.compile(r"fold_([1-9]\d*)")


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """What the columns that are no features are called in a file; each may be missing from it."""

    filename: str = "filename"
    chunk_number: str = "chunk_nr"
    label: str = "label_nominal"
    numeric_label: str = "label_numeric"
    partition: str = "partition"
    fold: str = "fold"


def import_features(path: Path, *, columns: ColumnNames | None = None) -> Table:
    """Read features that this or another program has written.

    Rows are named by filename and chunk number. Without chunk numbers, a file's rows are numbered as they
    come; without filenames, rows are called after the feature file. A row may be in several folds, when it
    is the same in each. Labels without numbers are numbered in alphabetical order.

    Args:
        path: a file, a folder of files, or one of ``train``/``devel``/``test`` and ``fold_N`` folders.
        columns: what the columns that are no features are called.

    Raises:
        SourceError: there are no such files, or they are no text.
        ConfigurationError: files do not have the same columns, cells cannot be understood, or rows
            contradict each other.
    """
    names = columns or ColumnNames()
    places = _places(path)
    found = [
        row for place in track(places, len(places), "import") for row in _rows(path, place, names)
    ]
    return collect(found, n_folds=max((place.fold or 0 for place in places), default=0))


def _places(path: Path) -> list[Place]:
    if path.is_file():
        if path.suffix.lower() not in _READERS:
            raise SourceError(f"{path} is neither a .csv nor an .arff file")
        return [Place(path)]
    if not path.is_dir():
        raise SourceError(f"there is no file or folder {path}")
    places = list(_below(path, Place(path)))
    if not places:
        raise SourceError(
            f"{path} holds no .csv or .arff file, nor folders train, devel, test or fold_1 with them"
        )
    folds = {place.fold for place in places} - {None}
    if folds and any(place.fold is None for place in places):
        raise ConfigurationError(
            f"{path} has files both in and beside fold folders; use one of both"
        )
    if len({place.partition is None for place in places}) > 1:
        raise ConfigurationError(
            f"{path} has files both in and beside partition folders; use one of both"
        )
    return places


def _below(folder: Path, place: Place) -> Iterator[Place]:
    for path in visible(folder):
        if path.is_file() and path.suffix.lower() in _READERS:
            yield Place(path, place.partition, place.fold)
        elif path.is_dir() and path.name in PARTITIONS and place.partition is None:
            yield from _below(path, Place(path, path.name, place.fold))
        elif path.is_dir() and place.fold is None and (fold := _FOLD.fullmatch(path.name)):
            yield from _below(path, Place(path, place.partition, int(fold[1])))


def _rows(root: Path, place: Place, names: ColumnNames) -> Iterator[Collected]:
    lines = _READERS[place.path.suffix.lower()](place.path)
    header = next(lines, None)
    if header is None:
        raise ConfigurationError(f"{place.path} is empty")
    twice = sorted({name or "" for name in header if header.count(name) > 1})
    if twice or None in header:
        raise ConfigurationError(
            f"{place.path} has a column {twice[0] if twice else ''!r} without a name of its own"
        )
    known = {getattr(names, one.name): one.name for one in fields(names)}
    at = {known[name]: index for index, name in enumerate(header) if name in known}
    features = [index for index, name in enumerate(header) if name not in known]
    if not features:
        raise ConfigurationError(f"{place.path} has no columns of features")
    feature_names = tuple(str(header[index]) for index in features)
    stem = place.path.relative_to(root if root.is_dir() else root.parent).with_suffix("").as_posix()
    n_chunks: dict[str, int] = {}
    for line, row in enumerate(lines, start=1):
        where = f"{place.path}, row {line}"

        def cell(name: str, row: Row = row) -> str | None:
            return row[at[name]] if name in at else None

        filename = cell("filename") or f"{stem}_{line - 1}"
        chunk = cell("chunk_number")
        if "chunk_number" in at and chunk is None:
            raise ConfigurationError(f"{where}, has no chunk number")
        if chunk is None:
            chunk = str(n_chunks.setdefault(filename, 0))
            n_chunks[filename] += 1
        yield Collected(
            where=where,
            place=place,
            filename=filename,
            chunk=number(chunk, where, whole=True),
            label=cell("label"),
            numeric_label=number(cell("numeric_label") or "nan", where),
            has_numbers="numeric_label" in at,
            partition=cell("partition"),
            folds=cell("fold"),
            feature_names=feature_names,
            features=np.array([number(row[index], where) for index in features], dtype=np.float32),
        )
