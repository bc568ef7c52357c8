"""A segment's sound file, read to where it ends; one that was never closed may end anywhere."""

import contextlib
import hashlib
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.file import AudioFile
from streamdeep.audio.writer import flac_blocks
from streamdeep.errors import SourceError
from streamdeep.recording.files import Files
from streamdeep.recording.lines import Closed, Description, Opened
from streamdeep.recording.segment import segment_name


class SegmentSound:
    """Samples of a segment, in order.

    Args:
        files: of the recording.
        about: its description.
        opened: the segment's first line.
        closed: its last, if the segment was closed.
        place: what the recording is called in errors.

    Attributes:
        ended: all was read that there is.
    """

    def __init__(
        self, files: Files, about: Description, opened: Opened, closed: Closed | None, place: str
    ) -> None:
        self.ended = False
        self._files = files
        self._about = about
        self._name = segment_name(opened.number, opened.audio)
        self._closed = closed
        self._place = f"{place}/{self._name}"
        self._left = np.empty((0, about.n_channels), dtype=np.float32)
        self._open = contextlib.ExitStack()
        self._blocks: Iterator[NDArray[np.float32]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def read(self, n_samples: int) -> NDArray[np.float32]:
        """So many samples, ``(samples, channels)`` float32; fewer only where the file ends.

        Raises:
            SourceError: a file that was closed is missing or damaged, or does not fit its description.
        """
        if self._blocks is None:
            self._blocks = self._begin()
        parts, found = [self._left], len(self._left)
        while found < n_samples and not self.ended:
            block = self._next(self._blocks)
            if block is None:
                self.ended = True
            else:
                parts.append(block)
                found += len(block)
        samples = np.concatenate(parts)
        self._left = samples[n_samples:]
        return samples[:n_samples]

    def _next(self, blocks: Iterator[NDArray[np.float32]]) -> NDArray[np.float32] | None:
        try:
            return next(blocks, None)
        except SourceError:
            if self._closed is not None:
                raise
            return None

    def _begin(self) -> Iterator[NDArray[np.float32]]:
        try:
            path = self._open.enter_context(self._files.local(self._name))
            if self._closed is not None:
                with path.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                if found != self._closed.sha256:
                    raise SourceError(
                        f"{self._place} is damaged: its SHA-256 is not that of its index"
                    )
            audio = self._open.enter_context(AudioFile(path))
        except OSError as error:
            raise SourceError(f"cannot read {self._place}: {error.strerror or error}") from error
        except SourceError:
            if self._closed is not None:
                raise
            return iter(())  # killed before the file had its head
        about = self._about
        if (audio.sample_rate_hz, audio.n_channels) != (about.sample_rate_hz, about.n_channels):
            raise SourceError(
                f"{self._place} has {audio.n_channels} channels at {audio.sample_rate_hz} Hz, "
                f"its recording {about.n_channels} at {about.sample_rate_hz}"
            )
        if path.suffix == ".flac":  # it may have no length in its head, closed or not
            return flac_blocks(path)
        return (block.samples for block in audio.blocks())
