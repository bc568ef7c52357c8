"""Which old segments are deleted, so that a recorder may run for months.

Over all recordings in a place, oldest first, whole segments. What is gone shows: the segments that are left say at which
sample they begin.
"""

import contextlib
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from streamdeep.recording.files import segment_numbers
from streamdeep.recording.lines import DESCRIPTION
from streamdeep.recording.segment import segment_name


@dataclass(frozen=True, slots=True)
class Keep:
    """What is kept; None is everything.

    Attributes:
        hours: segments whose last sound is younger.
        gigabytes: so much of all segments that are closed.
    """

    hours: float | None = None
    gigabytes: float | None = None

    def __bool__(self) -> bool:
        return self.hours is not None or self.gigabytes is not None


@dataclass(frozen=True, slots=True, order=True)
class _Stored:
    ended_s: float
    paths: tuple[Path, ...]
    n_bytes: int


class Keeper:
    """Knows the closed segments of a place and deletes those that are too old or too many.

    Args:
        place: the folder that holds recordings; looked through once.
        keep: what is kept.
    """

    def __init__(self, place: Path, keep: Keep) -> None:
        self._place = place
        self._keep = keep
        self._stored: deque[_Stored] = deque(sorted(_find(place)) if keep else ())
        self._n_bytes = sum(stored.n_bytes for stored in self._stored)

    def add(self, paths: Iterable[Path]) -> None:
        """A segment was closed."""
        stored = _stored(tuple(paths))
        if self._keep and stored is not None:
            self._stored.append(stored)
            self._n_bytes += stored.n_bytes

    def tidy(self, now_s: float | None = None) -> int:
        """Delete what is not kept; returns how many segments. ``now_s`` is Unix time."""
        now_s = time.time() if now_s is None else now_s
        deleted = 0
        while self._stored and self._too_much(self._stored[0], now_s):
            oldest = self._stored.popleft()
            self._n_bytes -= oldest.n_bytes
            for path in oldest.paths:
                with contextlib.suppress(OSError):
                    path.unlink()
            _remove_empty(oldest.paths[0].parent)
            deleted += 1
        return deleted

    def _too_much(self, oldest: _Stored, now_s: float) -> bool:
        hours, gigabytes = self._keep.hours, self._keep.gigabytes
        return (hours is not None and oldest.ended_s < now_s - 3600 * hours) or (
            gigabytes is not None and self._n_bytes > gigabytes * 1e9
        )


def _find(place: Path) -> Iterable[_Stored]:
    for folder in place.iterdir() if place.is_dir() else ():
        if (folder / DESCRIPTION).is_file():
            for number in segment_numbers(path.name for path in folder.iterdir()):
                names = (segment_name(number, suffix) for suffix in ("jsonl", "flac", "wav"))
                stored = _stored(tuple(folder / name for name in names))
                if stored is not None:
                    yield stored


def _stored(paths: tuple[Path, ...]) -> _Stored | None:
    found, ended_s, n_bytes = [], 0.0, 0
    for path in paths:
        with contextlib.suppress(OSError):
            stat = path.stat()
            found.append(path)
            ended_s = max(ended_s, stat.st_mtime)
            n_bytes += stat.st_size
    return _Stored(ended_s, tuple(found), n_bytes) if found else None


def _remove_empty(folder: Path) -> None:
    """A recording of which nothing is left; not one that has just begun a segment."""
    with contextlib.suppress(OSError):
        if {path.name for path in folder.iterdir()} == {DESCRIPTION}:
            (folder / DESCRIPTION).unlink()
            folder.rmdir()
