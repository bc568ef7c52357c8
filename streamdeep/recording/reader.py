"""A recording's events, in order: what the ring was told, and where the recording itself has a hole.

What is read may come from a stranger, or from a program that was killed in the middle of a write: an index that breaks
off ends there, a sound file that breaks off ends with the last sample that can be read, and what follows says how
much is missing between. Anything else that is wrong is an error.
"""

import contextlib
import zipfile
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from streamdeep.audio.file import BLOCK_SAMPLES
from streamdeep.audio.ring import single_ring
from streamdeep.errors import SourceError
from streamdeep.recording.events import End, Event, Loss, Sound, tell_loss
from streamdeep.recording.files import ArchiveFiles, Files, FolderFiles, segment_numbers
from streamdeep.recording.lines import (
    DESCRIPTION,
    MOST_LINE_BYTES,
    Blocks,
    Closed,
    Ended,
    Line,
    Lost,
    Opened,
    read_description,
    read_line,
)
from streamdeep.recording.segment import segment_name
from streamdeep.recording.sound import SegmentSound
from streamdeep.records import Block

_MOST_INDEX_BYTES = 1 << 28


class Recording:
    """A recording, in a folder or an archive.

    Attributes:
        path: where it lies.
        about: its description.
        files: its files.
        numbers: of its segments, in order.
    """

    def __init__(self, path: Path) -> None:
        """Open a recording.

        Raises:
            SourceError: it cannot be read, or is none; one line.
        """
        self.path = path
        try:
            self.files: Files = FolderFiles(path) if path.is_dir() else ArchiveFiles(path)
            self.numbers = segment_numbers(self.files.names())
            with self.files.open(DESCRIPTION) as file:
                text = file.read(MOST_LINE_BYTES)
            self.about = read_description(text, f"{path}/{DESCRIPTION}")
        except (OSError, zipfile.BadZipFile) as error:
            self.close()
            reason = error.strerror if isinstance(error, OSError) else error
            raise SourceError(f"{path} is no recording: {reason or error}") from error
        except SourceError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def sample_rate_hz(self) -> int:
        """The source's rate."""
        return self.about.sample_rate_hz

    @property
    def n_channels(self) -> int:
        """The source's channels."""
        return self.about.n_channels

    def close(self) -> None:
        """Nothing more will be read."""
        if hasattr(self, "files"):
            self.files.close()

    def events(self, most_samples: int = BLOCK_SAMPLES) -> Iterator[Event]:
        """What happened, in order.

        Args:
            most_samples: longer blocks come in parts.

        Yields:
            Sound (its times are Unix times), losses, and the end, if the source came to one.

        Raises:
            SourceError: the recording is damaged, or holds no sample at all.
        """
        position, n_samples = self.about.first_sample, 0
        for number in self.numbers:
            with contextlib.closing(self.lines(number)) as lines:
                opened = next(lines)
                assert isinstance(opened, Opened), "lines() sees to that"
                missing = opened.start_sample - position
                if missing < 0:
                    raise SourceError(
                        f"{self.path}: segment {number} begins at sample {opened.start_sample}, before {position}"
                    )
                if missing:
                    yield Loss(missing, "unrecorded")
                    position += missing
                for event in self._segment(opened, lines, most_samples):
                    yield event
                    position += len(event)
                    n_samples += len(event) if isinstance(event, Sound) else 0
        if n_samples == 0:
            raise SourceError(f"{self.path} is empty: it holds no samples")

    def blocks(self, block_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """What the engine read from its ring: sound in blocks of at most so many samples, losses as jumps.

        Raises:
            SourceError: as in ``events``.
        """
        ring = single_ring(
            block_samples,
            self.n_channels,
            self.sample_rate_hz,
            first_sample=self.about.first_sample,
        )

        def all_blocks() -> Iterator[Block]:
            while (block := ring.read(block_samples)) is not None:
                yield block

        for event in self.events(block_samples):
            if isinstance(event, Loss):
                tell_loss(event, ring)
            elif isinstance(event, Sound):
                if ring.available + len(event) > block_samples:
                    yield from all_blocks()
                ring.write(event.samples, event.captured_ns)
        yield from all_blocks()

    def segment_before_end(self, n_samples: int) -> int:
        """The number of the last segment from whose beginning to the end there are at least so many samples.

        Raises:
            SourceError: an index is damaged.
        """
        stop: int | None = None
        for number in reversed(self.numbers):
            with contextlib.closing(self.lines(number)) as lines:
                opened = next(lines)
                assert isinstance(opened, Opened), "lines() sees to that"
                if stop is None:
                    stop = opened.start_sample + sum(_length(line) for line in lines)
            if stop - opened.start_sample >= n_samples:
                return number
        return 1

    # --- a segment ---------------------------------------------------------------------------------------

    def _segment(self, opened: Opened, lines: Iterator[Line], most_samples: int) -> Iterator[Event]:
        utc_ns = opened.utc_ns - opened.monotonic_ns
        closed = self._closed(opened.number)
        with SegmentSound(self.files, self.about, opened, closed, str(self.path)) as sound:
            for line in lines:
                if isinstance(line, Lost):
                    yield Loss(line.samples, line.why, line.estimated)
                elif isinstance(line, Ended):
                    yield End(line.error)
                elif isinstance(line, Blocks):
                    captured_ns = utc_ns
                    for length, step_ns in zip(line.samples, line.captured_ns, strict=True):
                        captured_ns += step_ns
                        left = length
                        while left:
                            samples = sound.read(min(left, most_samples))
                            left -= len(samples)
                            late_ns = left * 1_000_000_000 // self.about.sample_rate_hz
                            if len(samples):
                                yield Sound(samples, captured_ns - late_ns)
                            if sound.ended:
                                return  # the next segment says how much is missing

    def lines(self, number: int) -> Generator[Line]:
        """The lines of a segment's index that are known; the first is an :class:`Opened`.

        Raises:
            SourceError: it cannot be read, or is damaged.
        """
        place = f"{self.path}/{segment_name(number, 'jsonl')}"
        n_lines = 0
        for n_lines, text in enumerate(self._texts(number, place), 1):
            line = read_line(text, f"{place}: line {n_lines}")
            first = isinstance(line, Opened) and line.number == number
            if first != (n_lines == 1):
                raise SourceError(f"{place}: line {n_lines} is out of place")
            if line is not None:
                yield line
        if n_lines == 0:
            raise SourceError(f"{place} is empty")

    def _closed(self, number: int) -> Closed | None:
        place, last = f"{self.path}/{segment_name(number, 'jsonl')}", b""
        for text in self._texts(number, place):
            last = text
        line = read_line(last, f"{place}: its last line")
        return line if isinstance(line, Closed) else None

    def _texts(self, number: int, place: str) -> Iterator[bytes]:
        n_bytes = 0
        try:
            with self.files.open(segment_name(number, "jsonl")) as file:
                while text := file.readline(MOST_LINE_BYTES + 1):
                    n_bytes += len(text)
                    if len(text) > MOST_LINE_BYTES or n_bytes > _MOST_INDEX_BYTES:
                        raise SourceError(f"{place} is too long, or has a line that is")
                    if not text.endswith(b"\n"):
                        return  # the writer was killed in the middle of it
                    yield text
        except OSError as error:
            raise SourceError(f"cannot read {place}: {error.strerror or error}") from error


def _length(line: Line) -> int:
    """How far the source's index moves."""
    if isinstance(line, Blocks):
        return sum(line.samples)
    return line.samples if isinstance(line, Lost) else 0
