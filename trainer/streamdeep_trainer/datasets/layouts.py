"""All layouts in one table, and ``find_clips``, which tells them apart.

Nothing is guessed: a folder that fits two layouts, or that looks like half of one, is refused with what to
say instead. Not here: the layouts themselves (``folders``, ``listed``, ``compare``, ``readers``).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.datasets import compare, folders, listed, readers
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.files import folders_with_sound, sounds, suffixes


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which a data set may lie on disk.

    Attributes:
        read: from the folder to its clips.
        fits: whether a folder has this layout; None where it has to be named.
        shape: what it looks like, for people.
    """

    read: Callable[[Path], list[Clip]]
    fits: Callable[[Path], bool] | None
    shape: str


LAYOUTS: dict[str, Layout] = {
    "esc": Layout(folders.esc_clips, folders.has_esc_folders, "001 - Dog bark/1-12345-A.ogg"),
    "esc50": Layout(listed.esc50_clips, listed.has_esc50_table, "audio/ and meta/esc50.csv"),
    "esc10": Layout(listed.esc10_clips, None, "the ten esc10 classes of the layout esc50"),
    "tut2017": Layout(
        listed.tut2017_clips,
        listed.has_tut2017_tables,
        "meta.txt and evaluation_setup/fold1_train.txt to fold4_train.txt",
    ),
    "urbansound8k": Layout(
        listed.urbansound8k_clips,
        listed.has_urbansound8k_table,
        "audio/fold1/ to fold10/ and metadata/UrbanSound8K.csv",
    ),
    "gtzan": Layout(folders.gtzan_clips, folders.has_gtzan_folder, "genres/blues/blues.00000.au"),
    "partitions": Layout(
        folders.partition_clips, folders.has_partition_folders, "train/dog/a.wav, devel/, test/"
    ),
    "folds": Layout(folders.fold_clips, folders.has_fold_folders, "fold_1/dog/a.wav, fold_2/"),
    "manifest": Layout(
        listed.manifest_clips,
        listed.has_manifest,
        "manifest.csv: filename,label[,fold][,partition]",
    ),
    "compare2018": Layout(
        compare.compare2018_clips, compare.has_2018_table, "wav/ and lab/ComParE2018_<Task>.tsv"
    ),
    "compare2019": Layout(
        compare.compare2019_clips, compare.has_2019_table, "wav/ and lab/labels.csv, also of 2020"
    ),
    "compare2020-arousal": Layout(
        compare.compare2020_arousal_clips, None, "the same, by the column A_cat"
    ),
    "compare2021": Layout(
        compare.compare2021_clips, compare.has_2021_tables, "wav/ and lab/train.csv, devel, test"
    ),
    "classes": Layout(folders.class_clips, None, "dog/a.wav: one folder per class, by default"),
    "unlabelled": Layout(folders.unlabelled_clips, None, "sound files at any depth, no labels"),
}

_PARTS = ("partitions", "folds")
_TABLE_SIGNS = ("meta.txt", "meta", "metadata", "evaluation_setup", "lab")


def find_clips(folder: Path, layout: str | None = None) -> list[Clip]:
    """The clips of a data set.

    Args:
        folder: where it lies; or a table of the layout ``manifest``.
        layout: a name of :data:`LAYOUTS`, one that an installed package offers, or ``file.py:function``;
            None finds out which the folder has.

    Raises:
        SourceError: no such folder, no sound files in it, or files are missing that a table names.
        ConfigurationError: the folder fits no layout or several, or is not as its layout should be.
    """
    name = layout or detect_layout(folder)
    if not folder.exists():
        raise SourceError(f"there is no folder {folder}")
    if name in LAYOUTS:
        if folder.is_file() and name != "manifest":
            raise SourceError(f"{folder} is a file; the layout {name!r} needs a folder")
        clips = LAYOUTS[name].read(folder)
    elif ":" in name or name in readers.offered():
        clips = readers.own_clips(folder, name)
    else:
        known = ", ".join([*LAYOUTS, *readers.offered()])
        raise ConfigurationError(
            f"there is no layout {name!r}; choose one of {known}, or give file.py:function"
        )
    if not clips:
        raise SourceError(
            f"{folder} holds no sound files in the layout {name!r} (looked for {suffixes()})"
        )
    twice = [name for name, count in Counter(clip.filename for clip in clips).items() if count > 1]
    if twice:
        raise ConfigurationError(
            f"{folder} gives {len(twice)} filenames twice, the first {twice[0]}; each clip needs its own"
        )
    return clips


def detect_layout(folder: Path) -> str:
    """The name of the layout that a folder has.

    Raises:
        SourceError: no such folder, or no sound files in it.
        ConfigurationError: it fits several layouts or none.
    """
    if folder.is_file() and folder.suffix.lower() == ".csv":
        return "manifest"
    if not folder.is_dir():
        raise SourceError(f"there is no folder {folder}")
    fitting = [name for name, found in LAYOUTS.items() if found.fits and found.fits(folder)]
    if len(fitting) > 1:
        shapes = " and ".join(f"{name!r} ({LAYOUTS[name].shape})" for name in fitting)
        raise ConfigurationError(
            f"{folder} fits the layouts {shapes}; choose one with --layout {fitting[0]}"
        )
    if fitting:
        if fitting[0] in _PARTS and folders.are_parts_without_classes(folder):
            first = folders_with_sound(folder)[0].name
            raise ConfigurationError(
                f"{folder} has files right in {first!r}, which may be a part without labels or a class; "
                f"choose --layout {fitting[0]} or --layout classes"
            )
        return fitting[0]
    sign = next((name for name in _TABLE_SIGNS if (folder / name).exists()), None)
    if sign is not None:
        raise ConfigurationError(
            f"{folder} has {sign!r} as data sets with tables do, but fits none of them; "
            "choose with --layout, or write a manifest.csv"
        )
    if folders_with_sound(folder):
        return "classes"
    if not sounds(folder):
        raise SourceError(f"{folder} holds no sound files (looked for {suffixes()})")
    return "unlabelled"
