"""Sound in files that libsndfile does not read (m4a, mp4, webm ...), by FFmpeg; the same face as an ``AudioFile``.

The file is opened by its path and nothing else: no playlist, no other protocol. Not here: FFmpeg itself
(``decoding``).
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.continuity import Continuity
from streamdeep.audio.decoded import Sound
from streamdeep.audio.decoding import FILE_FORMATS, Decoder, Order
from streamdeep.audio.selection import EVERY_CHANNEL, Selection
from streamdeep.errors import SourceError
from streamdeep.records import Block

LONGEST_HOLE_S = 86_400.0


class ContainerFile:
    """An open file.

    Attributes:
        path: where it lies.
        sample_rate_hz: its rate.
        n_channels: its channels.
        n_samples: the length its header states, 0 if it does not; the blocks are what counts.
    """

    def __init__(self, path: Path, selection: Selection = EVERY_CHANNEL) -> None:
        """Open a file and decode the beginning of its first sound track.

        Args:
            path: the file.
            selection: of its channels; the others are not heard.

        Raises:
            MissingDependencyError: no PyAV.
            SourceError: FFmpeg cannot read it, or it holds no sound.
        """
        self.path = path
        self._selection = selection
        # With its protocol, so that no name is taken for one.
        order = Order(f"file:{path.absolute()}", "file", FILE_FORMATS)
        self._decoder = Decoder(order)
        try:
            self._sounds = self._decoder.sounds()
            first = next(self._sounds, None)
            if first is None:
                raise SourceError("it holds no samples")
            self.n_channels = selection.count(first.n_channels, str(path))
        except SourceError:
            self._decoder.close()
            raise
        self._first: Sound | None = first
        self.sample_rate_hz, self._decoded_channels = first.sample_rate_hz, first.n_channels
        self.n_samples = self._decoder.n_samples or 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._decoder.close()

    def blocks(self, block_samples: int = 65536) -> Iterator[Block]:
        """The file's samples, ``(samples, channels)`` float32, in blocks of at most ``block_samples``; once.

        Where its time stamps say that sound is missing, the next block starts later.

        Raises:
            SourceError: it breaks off, or changes its rate or channels.
        """
        at, gap, waiting = 0, 0, np.empty((0, self.n_channels), dtype=np.float32)
        for samples, lost in self._pieces():
            if lost and len(waiting):
                yield Block(waiting, at, gap_samples=gap)
                at, waiting, gap = at + len(waiting), waiting[:0], 0
            at, gap = at + lost, gap + lost
            waiting = np.concatenate((waiting, samples))
            while len(waiting) >= block_samples:
                yield Block(waiting[:block_samples], at, gap_samples=gap)
                at, waiting, gap = at + block_samples, waiting[block_samples:], 0
        if len(waiting):
            yield Block(waiting, at, gap_samples=gap)

    def _pieces(self) -> Iterator[tuple[NDArray[np.float32], int]]:
        """Samples, and how many are missing before them."""
        continuity = Continuity(self.sample_rate_hz, longest_hole_s=LONGEST_HOLE_S)
        n_decoded = 0
        try:
            first, self._first = self._first, None
            sound = first or next(self._sounds, None)
            while sound is not None:
                if (sound.sample_rate_hz, sound.n_channels) != (
                    self.sample_rate_hz,
                    self._decoded_channels,
                ):
                    raise SourceError(
                        f"it goes on with {sound.sample_rate_hz} Hz and {sound.n_channels} channels"
                    )
                lost, _ = continuity.place(sound.n_samples, sound.time_samples, sound.tick_samples)
                yield self._selection.take(sound.samples()), 1 if lost is None else lost
                n_decoded += sound.n_samples
                sound = next(self._sounds, None)
        except SourceError as error:
            raise SourceError(
                f"{self.path} cannot be decoded after sample {n_decoded}: {error}"
            ) from error
