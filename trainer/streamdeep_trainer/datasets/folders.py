"""Layouts that say everything by the names of folders; each is one function from a folder to clips.

ESC as first published, one folder per class, GTZAN, ``train``/``devel``/``test``, ``fold_N``, and sound
without labels. Clips are sorted by name. Not here: which of them a folder has (``layouts``), and reading
the sound.
"""

import re
from dataclasses import replace
from pathlib import Path

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.datasets.clip import PARTITIONS, Clip
from streamdeep_trainer.datasets.files import folders_with_sound, sounds, sounds_below

_ESC_FOLDER = re.compile(r"\d{3} - (.+)")
_ESC_FILE = re.compile(r"([1-9])-.+\.(?:ogg|wav|flac|mp3)")
_FOLD_FOLDER = re.compile(r"fold_([1-9]\d*)")
_GTZAN_FOLDERS = ("genres", "genres_original")


def has_esc_folders(folder: Path) -> bool:
    """Whether at least one folder is named like ``001 - Dog bark``."""
    return any(_ESC_FOLDER.fullmatch(place.name) for place in folders_with_sound(folder))


def esc_clips(folder: Path) -> list[Clip]:
    """ESC-10 and ESC-50 as first published: ``001 - Dog bark/1-12345-A.ogg``.

    The label is the folder's name without its number, the fold is the file's first digit. Filenames keep
    their folder: the same recording may be cut into two classes.

    Raises:
        ConfigurationError: a file that names no fold, or other files and folders with sound beside.
    """
    places = _places(folder)
    clips = []
    for place in places:
        found = _ESC_FOLDER.fullmatch(place.name)
        if found is None:
            numbered = next((p for p in places if _ESC_FOLDER.fullmatch(p.name)), None)
            if numbered is None:
                raise ConfigurationError(
                    f"{folder} has no folders in ESC's old layout, which are called like '001 - Dog bark'"
                )
            raise ConfigurationError(
                f"{folder} mixes ESC folders such as {numbered.name!r} with {place.name!r}; use one layout"
            )
        for path in sounds(place):
            named = _ESC_FILE.fullmatch(path.name)
            if named is None:
                raise ConfigurationError(
                    f"{path} names no fold: files in ESC's layout are called like 1-12345-A.ogg"
                )
            clips.append(Clip(path, f"{place.name}/{path.name}", found[1], int(named[1])))
    return clips


def class_clips(folder: Path) -> list[Clip]:
    """One folder per class; files may lie deeper. No folds: evaluation makes stratified ones.

    Raises:
        ConfigurationError: sound files beside the class folders.
    """
    return [
        Clip(path, path.relative_to(folder).as_posix(), place.name)
        for place in _places(folder)
        for path in sounds_below(place)
    ]


def has_gtzan_folder(folder: Path) -> bool:
    """Whether there is a folder ``genres``, or ``genres_original`` as later copies call it."""
    return any((folder / name).is_dir() for name in _GTZAN_FOLDERS)


def gtzan_clips(folder: Path) -> list[Clip]:
    """GTZAN: ``genres/blues/blues.00000.au``. No folds: evaluation makes stratified ones.

    Raises:
        ConfigurationError: no such folder, or two.
    """
    places = [folder / name for name in _GTZAN_FOLDERS if (folder / name).is_dir()]
    if len(places) != 1:
        raise ConfigurationError(
            f"{folder} should hold either genres/ or genres_original/; it holds {len(places)} of them"
        )
    return [
        Clip(clip.path, f"{places[0].name}/{clip.filename}", clip.label)
        for clip in class_clips(places[0])
    ]


def has_partition_folders(folder: Path) -> bool:
    """Whether all folders with sound are called ``train``, ``devel`` or ``test``."""
    names = [place.name for place in folders_with_sound(folder)]
    return bool(names) and set(names) <= set(PARTITIONS)


def partition_clips(folder: Path) -> list[Clip]:
    """Prescribed partitions, in each one folder per class: ``train/dog/a.wav``.

    Files right in a partition have no label, as a challenge's test files may.

    Raises:
        ConfigurationError: other files or folders with sound, or files beside class folders.
    """
    clips = []
    for place in _places(folder):
        if place.name not in PARTITIONS:
            raise ConfigurationError(
                f"{place} is no partition: they are called {', '.join(PARTITIONS)}"
            )
        clips += [replace(clip, partition=place.name) for clip in _parted(folder, place)]
    return clips


def has_fold_folders(folder: Path) -> bool:
    """Whether at least one folder with sound is called like ``fold_1``."""
    return any(_FOLD_FOLDER.fullmatch(place.name) for place in folders_with_sound(folder))


def fold_clips(folder: Path) -> list[Clip]:
    """Prescribed folds, in each one folder per class: ``fold_1/dog/a.wav``.

    Raises:
        ConfigurationError: other files or folders with sound, or a fold that is missing.
    """
    clips, folds = [], set()
    for place in _places(folder):
        found = _FOLD_FOLDER.fullmatch(place.name)
        if found is None:
            raise ConfigurationError(f"{place} is no fold: they are called fold_1, fold_2, ...")
        folds.add(int(found[1]))
        clips += [replace(clip, fold=int(found[1])) for clip in _parted(folder, place)]
    missing = sorted(set(range(1, max(folds, default=1) + 1)) - folds)
    if missing:
        raise ConfigurationError(f"{folder} lacks sound in fold_{missing[0]}; number folds from 1")
    return sorted(clips, key=lambda clip: (clip.fold or 0, clip.filename))


def are_parts_without_classes(folder: Path) -> bool:
    """Whether partitions or folds hold only files: they may as well be classes of these names."""
    return all(not folders_with_sound(place) for place in folders_with_sound(folder))


def unlabelled_clips(folder: Path) -> list[Clip]:
    """Sound files without labels, at any depth: enough to train an encoder."""
    return [Clip(path, path.relative_to(folder).as_posix()) for path in sounds_below(folder)]


def _parted(folder: Path, place: Path) -> list[Clip]:
    if not folders_with_sound(place):
        return [Clip(path, path.relative_to(folder).as_posix()) for path in sounds(place)]
    return [
        Clip(clip.path, f"{place.name}/{clip.filename}", clip.label) for clip in class_clips(place)
    ]


def _places(folder: Path) -> list[Path]:
    """The folders with sound, when there are no sound files beside them."""
    places = folders_with_sound(folder)
    if places and sounds(folder):
        raise ConfigurationError(
            f"{folder} has sound files beside the folder {places[0].name!r}: for labels put every file "
            "into a folder named by its class, for none choose the layout 'unlabelled'"
        )
    return places
