"""What a folder of sound holds, and everything about it that is likely to be a mistake.

Every file is read once, so lengths are those of the samples and not of what a header claims. Nothing is
changed, nothing is refused that can be said instead.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TypeVar

from streamdeep.audio.file import open_audio
from streamdeep.errors import StreamdeepError
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.files import empty_folders, is_sound, visible_below
from streamdeep_trainer.datasets.layouts import detect_layout, find_clips
from streamdeep_trainer.progress import track

_Key = TypeVar("_Key", int, str)
_UNKNOWN_SIZE = 0x7FFF0000


@dataclass(frozen=True, slots=True)
class Survey:
    """A data set in figures.

    Attributes:
        layout: which one it was read in.
        n_clips: how many its layout names, readable or not.
        labels: clips of each; those without are under an empty name.
        folds: clips held out in each; overlapping ones count in each.
        partitions: clips of each.
        sample_rates_hz: readable clips of each rate.
        channels: readable clips of each number of channels.
        shortest_s: length of the shortest readable clip; 0 if there is none.
        longest_s: of the longest.
        total_s: of all of them.
        unreadable: filename and reason of clips that cannot be read to their end.
        cut_short: clips whose file is shorter than its header says, as after a copy that broke off.
        damaged: clips with samples that are no finite numbers.
        silent: clips without any sample but 0.
        duplicates: filenames that hold the same bytes, group by group.
        unused: sound files in the folder that its layout does not name.
        other_files: files that are no sound, by their names.
        empty_folders: folders without any file.
    """

    layout: str
    n_clips: int
    labels: dict[str, int]
    folds: dict[int, int]
    partitions: dict[str, int]
    sample_rates_hz: dict[int, int]
    channels: dict[int, int]
    shortest_s: float
    longest_s: float
    total_s: float
    unreadable: tuple[tuple[str, str], ...]
    cut_short: tuple[str, ...]
    damaged: tuple[str, ...]
    silent: tuple[str, ...]
    duplicates: tuple[tuple[str, ...], ...]
    unused: tuple[str, ...]
    other_files: tuple[str, ...]
    empty_folders: tuple[str, ...]


def survey(folder: Path, layout: str | None = None) -> Survey:
    """Look at every file of a data set; about as long as decoding it takes.

    Raises:
        SourceError: no such folder, or no clips in it.
        ConfigurationError: the folder's layout is not clear, see :func:`find_clips`.
    """
    name = layout or detect_layout(folder)
    clips = find_clips(folder, name)
    rates_hz: Counter[int] = Counter()
    channels: Counter[int] = Counter()
    lengths_s, unreadable, cut_short, damaged, silent = [], [], [], [], []
    for clip in track(clips, len(clips), "inspect"):
        try:
            with open_audio(clip.path) as audio:
                n_samples, peak, finite = 0, 0.0, True
                for block in audio.blocks():
                    n_samples += len(block.samples)
                    highest = float(abs(block.samples).max())  # NaN if one sample is
                    finite &= isfinite(highest)
                    peak = max(highest, peak)  # in this order a NaN is kept
                rates_hz[audio.sample_rate_hz] += 1
                channels[audio.n_channels] += 1
                lengths_s.append(n_samples / audio.sample_rate_hz)
        except (StreamdeepError, OSError) as error:
            unreadable.append((clip.filename, str(error)))
            continue
        if _is_cut_short(clip.path):
            cut_short.append(clip.filename)
        if not finite:
            damaged.append(clip.filename)
        if peak == 0.0 and finite:
            silent.append(clip.filename)
    root = folder if folder.is_dir() else folder.parent
    used = {clip.path.resolve() for clip in clips}
    below = visible_below(root)
    return Survey(
        layout=name,
        n_clips=len(clips),
        labels=_counts([clip.label or "" for clip in clips]),
        folds=_counts([fold for clip in clips for fold in _folds(clip)]),
        partitions=_counts([clip.partition for clip in clips if clip.partition is not None]),
        sample_rates_hz=_counts(list(rates_hz.elements())),
        channels=_counts(list(channels.elements())),
        shortest_s=min(lengths_s, default=0.0),
        longest_s=max(lengths_s, default=0.0),
        total_s=sum(lengths_s),
        unreadable=tuple(unreadable),
        cut_short=tuple(cut_short),
        damaged=tuple(damaged),
        silent=tuple(silent),
        duplicates=_duplicates(clips),
        unused=_names(root, [p for p in below if is_sound(p) and p.resolve() not in used]),
        other_files=_names(root, [path for path in below if not is_sound(path)]),
        empty_folders=_names(root, empty_folders(root)),
    )


def _folds(clip: Clip) -> tuple[int, ...]:
    if clip.held_out is not None:
        return clip.held_out
    return (clip.fold,) if clip.fold is not None else ()


def _counts(found: Sequence[_Key]) -> dict[_Key, int]:
    return dict(sorted(Counter(found).items()))


def _names(root: Path, paths: Sequence[Path]) -> tuple[str, ...]:
    return tuple(path.relative_to(root).as_posix() for path in paths)


def _is_cut_short(path: Path) -> bool:
    """A WAV file states its size; programs that write to a pipe state one beyond all others."""
    with path.open("rb") as file:
        header = file.read(12)
    size = int.from_bytes(header[4:8], "little") + 8
    is_wav = header[:4] == b"RIFF" and header[8:] == b"WAVE"
    return is_wav and path.stat().st_size + 1 < size < _UNKNOWN_SIZE  # some count a padding byte


def _duplicates(clips: Sequence[Clip]) -> tuple[tuple[str, ...], ...]:
    """Only files of one size are read: most data sets have few of them, or all, and then it is worth it."""
    by_size: dict[int, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_size[clip.path.stat().st_size if clip.path.is_file() else -1].append(clip)
    by_digest: dict[str, list[str]] = defaultdict(list)
    for size, group in by_size.items():
        if size > 0 and len(group) > 1:
            for clip in group:
                try:
                    with clip.path.open("rb") as file:
                        digest = hashlib.file_digest(file, "sha256").hexdigest()
                except OSError:
                    continue  # it is among the unreadable ones
                by_digest[digest].append(clip.filename)
    return tuple(tuple(names) for names in by_digest.values() if len(names) > 1)
