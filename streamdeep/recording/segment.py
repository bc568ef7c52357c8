"""One sound file and its index, being written: ``000001.flac`` or ``.wav``, and ``000001.jsonl``.

Sound is written before the line that tells of it, so that the index never promises what was not at least handed to
the sound file. Not here: when one segment ends and the next begins (``folder``).
"""

import contextlib
import hashlib
import itertools
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from streamdeep.audio.file import AudioFile
from streamdeep.audio.writer import AudioWriter, Bits, flac_blocks
from streamdeep.errors import SourceError
from streamdeep.recording.events import End, Event, Loss, Sound
from streamdeep.recording.lines import (
    MOST_BLOCKS,
    Blocks,
    Closed,
    Description,
    Ended,
    Line,
    Lost,
    Opened,
    write_line,
)


def segment_name(number: int, suffix: str) -> str:
    """A file's name in a recording."""
    return f"{number:06d}.{suffix}"


class Segment:
    """A segment in the making.

    Attributes:
        bits: of its samples.
        n_samples: in its sound file.
    """

    def __init__(
        self, folder: Path, number: int, about: Description, *, start_sample: int, bits: Bits
    ) -> None:
        """Begin a segment.

        Raises:
            OSError: it cannot be written; nothing is left of it.
        """
        self.bits = bits
        self.n_samples = 0
        audio = "wav" if bits == 32 else "flac"
        self._audio_path = folder / segment_name(number, audio)
        self._index_path = folder / segment_name(number, "jsonl")
        self._index_bytes = 0
        self._index = os.open(
            self._index_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600
        )
        try:
            self._audio = AudioWriter(
                self._audio_path, about.sample_rate_hz, about.n_channels, bits
            )
            self._put(
                Opened(
                    number=number,
                    start_sample=start_sample,
                    audio="wav" if bits == 32 else "flac",
                    bits=bits,
                    monotonic_ns=time.monotonic_ns(),
                    utc_ns=time.time_ns(),
                )
            )
        except OSError:
            if hasattr(self, "_audio"):
                self._audio.abandon()
            os.close(self._index)
            for path in self.paths:
                with contextlib.suppress(OSError):
                    path.unlink()
            raise

    @property
    def paths(self) -> tuple[Path, Path]:
        """Sound file and index."""
        return self._audio_path, self._index_path

    @property
    def n_bytes(self) -> int:
        """What both take on the disk."""
        return self._audio.n_bytes + self._index_bytes

    def write(self, events: Sequence[Event]) -> None:
        """Append what happened; sound that needs no more bits than the segment has.

        Raises:
            OSError: the disk is full, or whatever else; only ``abandon`` is left to be called.
        """
        sounds = [event for event in events if isinstance(event, Sound)]
        if sounds:
            self._audio.write(np.concatenate([sound.samples for sound in sounds]))
        self._put(*_lines(events))
        self.n_samples += sum(map(len, sounds))

    def close(self) -> None:
        """Finish both files, and have the disk keep them.

        Raises:
            OSError: they could not be finished; ``abandon`` is left to be called.
        """
        self._audio.close()
        self._put(Closed(samples=self.n_samples, sha256=_sha256(self._audio_path)))
        os.fsync(self._index)
        os.close(self._index)

    def abandon(self) -> int:
        """Close what could not be finished; both files can be read as far as they came.

        Returns:
            How many of the samples are not in the sound file.
        """
        self._audio.abandon()
        readable = min(self.n_samples, _count_readable(self._audio_path))
        with contextlib.suppress(OSError):
            self._put(Closed(samples=readable, sha256=_sha256(self._audio_path)))
        os.close(self._index)
        return self.n_samples - readable

    def _put(self, *lines: Line) -> None:
        text = b"".join(map(write_line, lines))
        done = 0
        try:
            while done < len(text):
                done += os.write(self._index, text[done:])
        except OSError:
            with contextlib.suppress(OSError):  # no half lines
                os.ftruncate(self._index, self._index_bytes)
            raise
        self._index_bytes += done


def _lines(events: Iterable[Event]) -> Iterable[Line]:
    for kind, run in itertools.groupby(events, type):
        if kind is Sound:
            sounds = [event for event in run if isinstance(event, Sound)]
            for at in range(0, len(sounds), MOST_BLOCKS):
                part = sounds[at : at + MOST_BLOCKS]
                times = [sound.captured_ns for sound in part]
                yield Blocks(
                    samples=[len(sound) for sound in part],
                    captured_ns=[times[0], *(b - a for a, b in itertools.pairwise(times))],
                )
            continue
        for event in run:
            if isinstance(event, Loss):
                yield Lost(samples=event.n_samples, why=event.why, estimated=event.estimated)
            elif isinstance(event, End):
                yield Ended(error=event.error and event.error[:4096])


def _count_readable(path: Path) -> int:
    """How many samples of a sound file that broke off can be read."""
    if path.suffix == ".flac":
        return sum(map(len, flac_blocks(path)))
    count = 0
    with contextlib.suppress(SourceError), AudioFile(path) as file:
        for block in file.blocks():
            count = block.stop_sample
    return count


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
