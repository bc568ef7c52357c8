"""Which files are sound, by their names, and how folders are walked. Nothing is opened here."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from streamdeep.errors import SourceError

SOUND_SUFFIXES = frozenset(".wav .ogg .flac .mp3 .aif .aiff .aifc .au .caf .opus .w64".split())


def is_sound(path: Path) -> bool:
    """By its suffix, in either case; hidden files are none."""
    return path.suffix.lower() in SOUND_SUFFIXES and not path.name.startswith(".")


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, sorted, without what is hidden.

    Raises:
        SourceError: the folder cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        _refuse(error)


def visible_below(folder: Path) -> list[Path]:
    """The files in a folder at any depth, sorted, without those that are hidden or in hidden folders."""
    return sorted(_walk(folder))


def sounds(folder: Path) -> list[Path]:
    """The sound files side by side in a folder, sorted."""
    return [path for path in visible(folder) if is_sound(path) and path.is_file()]


def sounds_below(folder: Path) -> list[Path]:
    """The sound files in a folder at any depth, sorted."""
    return [path for path in visible_below(folder) if is_sound(path)]


def folders_with_sound(folder: Path) -> list[Path]:
    """The folders in a folder that hold sound at any depth, sorted."""
    return [path for path in visible(folder) if path.is_dir() and any(map(is_sound, _walk(path)))]


def suffixes() -> str:
    """The suffixes that count as sound, for messages."""
    return ", ".join(sorted(SOUND_SUFFIXES))


def empty_folders(folder: Path) -> list[Path]:
    """The folders at any depth that hold nothing at all, sorted."""
    return sorted(
        Path(place)
        for place, folders, names in os.walk(folder)
        if not folders and not names and Path(place) != folder
    )


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in names if not name.startswith("."))


def _refuse(error: OSError) -> NoReturn:
    # A folder that cannot be read would be a class that is silently not there.
    raise SourceError(
        f"cannot read the folder {error.filename}: {error.strerror}; make it readable, or move it away"
    ) from error
