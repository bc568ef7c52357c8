"""Sound files, in blocks: whole for ``embed`` and the trainer, paced as a source for ``run``.

All that libsndfile reads; what it does not read falls to FFmpeg where PyAV is installed (``container``). Never the
whole file at once: a header may claim 2^36 samples. The only module that knows soundfile.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import soundfile

from streamdeep.audio.container import ContainerFile
from streamdeep.audio.ring import Ring
from streamdeep.audio.selection import EVERY_CHANNEL, Selection
from streamdeep.errors import MissingDependencyError, SourceError
from streamdeep.records import Block

BLOCK_SAMPLES = 65536
Pace = Literal["realtime", "max"]


class UnknownFormatError(SourceError):
    """No sound that libsndfile reads."""


class AudioFile:
    """An open sound file, as libsndfile reads it.

    Attributes:
        path: where it lies.
        sample_rate_hz: its rate.
        n_channels: its channels, those selected.
        n_samples: the length its header states; the blocks are what counts.
    """

    def __init__(self, path: Path, selection: Selection = EVERY_CHANNEL) -> None:
        """Open a file.

        Args:
            path: the file.
            selection: of its channels; the others are not heard.

        Raises:
            SourceError: missing, unreadable, not audio (then an :class:`UnknownFormatError`), or without a selected
                channel; one line.
        """
        self.path = path
        self._selection = selection
        if not path.exists():
            raise SourceError(f"there is no file {path}")
        if path.is_dir():
            raise SourceError(
                f"{path} is a folder, not a sound file; `streamdeep embed` takes folders"
            )
        if not path.is_file():  # opening a pipe waits for a writer, perhaps for ever
            raise SourceError(
                f"{path} is no regular file; raw samples are read from a pipe with `-` as the source"
            )
        try:
            self._file = soundfile.SoundFile(str(path))
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
        except soundfile.LibsndfileError as error:
            if path.stat().st_size == 0:
                raise SourceError(f"{path} is empty: 0 bytes") from error
            try:
                path.open("rb").close()
            except OSError as denied:
                raise SourceError(f"cannot read {path}: {denied.strerror}") from denied
            raise UnknownFormatError(
                f"{path} is not a sound file that libsndfile reads ({str(error.error_string).rstrip('. ')})"
            ) from error
        self.sample_rate_hz: int = self._file.samplerate
        self.n_channels = selection.count(self._file.channels, str(path))
        self.n_samples: int = self._file.frames

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def blocks(self, block_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """The file's samples, ``(samples, channels)`` float32, in blocks of at most ``block_samples``.

        Raises:
            SourceError: the file breaks off in the middle, or holds no sample at all.
        """
        at = 0
        while True:
            try:
                samples = self._file.read(block_samples, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise SourceError(
                    f"{self.path} cannot be decoded after sample {at}: {error.error_string}"
                ) from error
            if not len(samples):
                break
            yield Block(self._selection.take(samples), at)
            at += len(samples)
        if at == 0:
            raise SourceError(f"{self.path} is empty: it holds no samples")


def open_audio(path: Path, selection: Selection = EVERY_CHANNEL) -> AudioFile | ContainerFile:
    """Open a sound file; with FFmpeg, where that is installed, what libsndfile does not read.

    Args:
        path: the file.
        selection: of its channels; the others are not heard.

    Raises:
        SourceError: missing, unreadable, not audio, or without a selected channel; one line.
    """
    try:
        return AudioFile(path, selection)
    except UnknownFormatError as unknown:
        try:
            return ContainerFile(path, selection)
        except MissingDependencyError:
            raise SourceError(
                f"{unknown}; m4a, mp4, webm and others need PyAV: pip install 'streamdeep[network]'"
            ) from unknown
        except SourceError as error:
            raise SourceError(f"{unknown}, and to FFmpeg {error}") from unknown


class FileSource:
    """Play a sound file into a ring, at its own pace or as fast as the ring takes it.

    Attributes:
        name: the file's stem, with the selected channels if not all are.
        sample_rate_hz: the file's rate.
        n_channels: the file's channels, those selected.
        live: False; at ``realtime`` pace its samples still have a capture time: when they were due.
    """

    live = False

    def __init__(
        self,
        path: Path,
        *,
        pace: Pace = "realtime",
        block_samples: int | None = None,
        selection: Selection = EVERY_CHANNEL,
    ) -> None:
        """Open a file as a source.

        Args:
            path: the file.
            pace: ``realtime``, or ``max``: as fast as it is taken.
            block_samples: samples per block; None is 10 ms in real time and 65,536 at most pace.
            selection: of its channels.
        """
        self._file = open_audio(path, selection)
        self.name = selection.label(path.stem)
        self.sample_rate_hz = self._file.sample_rate_hz
        self.n_channels = self._file.n_channels
        self._pace = pace
        default = BLOCK_SAMPLES if pace == "max" else max(1, self.sample_rate_hz // 100)
        self._block_samples = block_samples or default
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, ring: Ring) -> None:
        """Begin to play, on a thread of its own; the ring is closed at the end."""
        self._thread = threading.Thread(
            target=self._play, args=(ring,), name=f"file {self.name}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop playing; returns when the thread has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _play(self, ring: Ring) -> None:
        began_ns, next_sample = time.monotonic_ns(), 0
        try:
            with self._file as file:
                for block in file.blocks(self._block_samples):
                    captured_ns = time.monotonic_ns()
                    if gap_samples := block.start_sample - next_sample:
                        ring.write(block.samples[:0], captured_ns, gap_samples=gap_samples)
                    next_sample = block.stop_sample
                    if self._pace == "realtime":
                        captured_ns = (
                            began_ns + block.stop_sample * 1_000_000_000 // self.sample_rate_hz
                        )
                        if self._stop.wait((captured_ns - time.monotonic_ns()) / 1e9):
                            break
                        ring.write(block.samples, captured_ns)
                    elif not ring.write_all(block.samples, captured_ns, self._stop):
                        break
            ring.close()
        except SourceError as error:
            ring.close(error)
