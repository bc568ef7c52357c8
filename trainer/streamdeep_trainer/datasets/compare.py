"""The ComParE challenges of 2018 to 2021: ``wav/`` and tables in ``lab/``, which differ from year to year.

All sound files of ``wav/`` are clips; those that no table names, or that have the label ``?``, have no
label, as the challenges' test files. The partition is the beginning of the file's name. A confidential
table, which has the test files' labels too, is preferred where it is there.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.datasets.clip import PARTITIONS, Clip
from streamdeep_trainer.datasets.files import sounds
from streamdeep_trainer.datasets.listed import read_rows

_FILE_COLUMNS = ("file_name", "filename", "filename_audio")
_LABEL_COLUMNS = ("label", "emotion", "Valence", "V_cat")


def has_2018_table(folder: Path) -> bool:
    """Whether ``lab/ComParE2018_*.tsv`` is there."""
    return (folder / "wav").is_dir() and bool(_tables_2018(folder))


def compare2018_clips(folder: Path) -> list[Clip]:
    """Atypical affect, crying, heartbeat and self-assessed affect: ``lab/ComParE2018_<Task>.tsv``.

    Raises:
        ConfigurationError: tables of several tasks.
    """
    tables = _tables_2018(folder)
    tasks = sorted({_task(table) for table in tables})
    if len(tasks) > 1:
        raise ConfigurationError(
            f"{folder / 'lab'} has tables of several tasks: {', '.join(tasks)}; keep one"
        )
    return _clips(folder, _confidential_first(tables), label_columns=_LABEL_COLUMNS, delimiter="\t")


def has_2019_table(folder: Path) -> bool:
    """Whether ``lab/labels.csv`` or ``lab/labels_confidential.csv`` is there."""
    return (folder / "wav").is_dir() and bool(_tables_2019(folder))


def compare2019_clips(folder: Path) -> list[Clip]:
    """2019 (all tasks) and 2020 (masks; elderly, by valence): ``lab/labels.csv``."""
    return _clips(folder, _confidential_first(_tables_2019(folder)), label_columns=_LABEL_COLUMNS)


def compare2020_arousal_clips(folder: Path) -> list[Clip]:
    """2020, elderly, by arousal: the column ``A_cat`` of ``lab/labels.csv``."""
    return _clips(folder, _confidential_first(_tables_2019(folder)), label_columns=("A_cat",))


def has_2021_tables(folder: Path) -> bool:
    """Whether ``lab/train.csv`` is there."""
    return (folder / "wav").is_dir() and (folder / "lab" / "train.csv").is_file()


def compare2021_clips(folder: Path) -> list[Clip]:
    """2021: ``lab/train.csv``, ``lab/devel.csv`` and ``lab/test.csv``, each with ``filename,label``."""
    tables = [folder / "lab" / f"{name}.csv" for name in PARTITIONS]
    return _clips(
        folder, [table for table in tables if table.is_file()], label_columns=_LABEL_COLUMNS
    )


def _tables_2018(folder: Path) -> list[Path]:
    return sorted((folder / "lab").glob("ComParE2018_*.tsv"))


def _tables_2019(folder: Path) -> list[Path]:
    names = ("labels.csv", "labels_confidential.csv")
    return [folder / "lab" / name for name in names if (folder / "lab" / name).is_file()]


def _task(table: Path) -> str:
    return (
        table.stem.removeprefix("ComParE2018_")
        .removesuffix("confidential")
        .removesuffix(".")
        .removesuffix("_")
    )


def _confidential_first(tables: Sequence[Path]) -> list[Path]:
    return sorted(tables, key=lambda table: "confidential" not in table.name)[:1]


def _clips(
    folder: Path, tables: Sequence[Path], *, label_columns: Sequence[str], delimiter: str = ","
) -> list[Clip]:
    if not tables:
        raise SourceError(f"{folder / 'lab'} holds no table of a ComParE challenge")
    if not (folder / "wav").is_dir():
        raise SourceError(f"there is no folder {folder / 'wav'}")
    said: dict[str, tuple[str, str]] = {}
    for table in tables:
        rows = read_rows(table, (), delimiter=delimiter)
        file_column = _column(rows, _FILE_COLUMNS, table)
        label_column = _column(rows, label_columns, table)
        for row in rows:
            name, label = row[file_column], row[label_column]
            if name in said and said[name][0] != label:
                raise ConfigurationError(f"{table} gives {name} two labels; keep one row of it")
            said[name] = (label, table.stem if table.stem in PARTITIONS else "")
    paths = {path.name: path for path in sounds(folder / "wav")}
    missing = sorted(set(said) - set(paths))
    if missing:
        raise SourceError(
            f"{tables[0].parent} names {len(missing)} files that are not in {folder / 'wav'}, the first "
            f"{missing[0]}; complete the data set or take their rows out"
        )
    clips = []
    for name, path in paths.items():
        label, partition = said.get(name, ("?", ""))
        known = None if label in ("", "?") else label
        clips.append(Clip(path, f"wav/{name}", known, partition=partition or _partition(name)))
    return clips


def _column(rows: Sequence[Mapping[str, str]], names: Sequence[str], table: Path) -> str:
    header = list(rows[0]) if rows else []
    found = [name for name in names if name in header]
    if not found:
        raise ConfigurationError(
            f"{table} has no column {' or '.join(names)}; it has {', '.join(header) or 'no rows'}"
        )
    return found[0]


def _partition(name: str) -> str:
    return next((part for part in ("train", "devel") if name.startswith(part)), "test")
