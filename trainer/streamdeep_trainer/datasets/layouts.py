"""Folders that are understood: ESC's old layout, one folder per class, and sound files without labels.

Each layout is one function from a folder to clips, sorted by name. Nothing is guessed: a folder that fits
no layout, or several, is refused. Not here: reading the sound.
"""

import re
from pathlib import Path

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.datasets.clip import Clip

SOUND_SUFFIXES = frozenset(".wav .ogg .flac .mp3 .aif .aiff .aifc .au .caf .opus .w64".split())
_ESC_FOLDER = re.compile(r"\d{3} - (.+)")
_ESC_FILE = re.compile(r"([1-9])-.+\.(?:ogg|wav)")


def find_clips(folder: Path) -> list[Clip]:
    """The clips of a data set, by whichever layout the folder has.

    Raises:
        SourceError: no such folder, or no sound files in it.
        ConfigurationError: sound files both beside and inside of class folders, or ESC folders beside others.
    """
    if not folder.is_dir():
        raise SourceError(f"there is no folder {folder}")
    folders = [path for path in _visible(folder) if path.is_dir() and _sounds_below(path)]
    beside = _sounds(folder)
    if beside and folders:
        raise ConfigurationError(
            f"{folder} has sound files beside the folder {folders[0].name!r}: for labels put every file "
            "into a folder named by its class, for none move them into one folder"
        )
    if beside:
        return unlabelled_clips(folder)
    if not folders:
        raise SourceError(f"{folder} holds no sound files (looked for {_suffixes()})")
    numbered = [path for path in folders if _ESC_FOLDER.fullmatch(path.name)]
    if numbered and len(numbered) < len(folders):
        other = next(path for path in folders if path not in numbered)
        raise ConfigurationError(
            f"{folder} mixes ESC folders such as {numbered[0].name!r} with {other.name!r}; use one layout"
        )
    return esc_clips(folder) if numbered else class_clips(folder)


def esc_clips(folder: Path) -> list[Clip]:
    """ESC-10 and ESC-50 as first published: ``001 - Dog bark/1-12345-A.ogg``.

    The label is the folder's name without its number, the fold is the file's first digit.

    Raises:
        ConfigurationError: a file that names no fold.
    """
    clips = []
    for place in _visible(folder):
        found = _ESC_FOLDER.fullmatch(place.name)
        if found is None or not place.is_dir():
            continue
        for path in _sounds(place):
            named = _ESC_FILE.fullmatch(path.name)
            if named is None:
                raise ConfigurationError(
                    f"{path} names no fold: files in ESC's layout are called like 1-12345-A.ogg"
                )
            clips.append(Clip(path, f"{place.name}/{path.name}", found[1], int(named[1])))
    return clips


def class_clips(folder: Path) -> list[Clip]:
    """One folder per class; files may lie deeper. No folds: evaluation makes stratified ones."""
    return [
        Clip(path, path.relative_to(folder).as_posix(), place.name)
        for place in _visible(folder)
        if place.is_dir()
        for path in _sounds_below(place)
    ]


def unlabelled_clips(folder: Path) -> list[Clip]:
    """Sound files without labels, side by side: enough to train an encoder."""
    return [Clip(path, path.name) for path in _sounds(folder)]


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _sounds(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.suffix.lower() in SOUND_SUFFIXES]


def _sounds_below(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SOUND_SUFFIXES and not path.name.startswith(".")
    )


def _suffixes() -> str:
    return ", ".join(sorted(SOUND_SUFFIXES))
