"""Write a sound file that reads back bit for bit: FLAC where the samples are integers, else WAV of floats.

A file that breaks off, because the disk is full or the program was killed, stays readable as far as it came.
Not here: reading (``file``), and when one file ends and the next begins (``recording``).
"""

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

Bits = Literal[16, 24, 32]
_FLAC_CHANNELS, _FLAC_RATE_HZ = 8, 655_350
_FLAC_FRAME = 4096
_SUBTYPES: dict[Bits, str] = {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}


def bits_needed(samples: NDArray[np.float32]) -> Bits:
    """How many bits keep every sample: 16 or 24 if all are such integers, 32 for floats as they are.

    -0.0, NaN, infinities and values beyond full scale are floats.
    """
    if (np.signbit(samples) & (samples == 0)).any():
        return 32
    choices: tuple[Bits, Bits] = (16, 24)
    for bits in choices:
        limit = np.float32(2 ** (bits - 1))
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = samples * limit
            whole = (scaled == np.trunc(scaled)) & (scaled >= -limit) & (scaled < limit)
        if whole.all():
            return bits
    return 32


def fits_flac(sample_rate_hz: int, n_channels: int) -> bool:
    """Whether there is FLAC of this rate and so many channels."""
    return sample_rate_hz <= _FLAC_RATE_HZ and n_channels <= _FLAC_CHANNELS


def flac_blocks(path: Path) -> Iterator[NDArray[np.float32]]:
    """The sound of a FLAC file, ``(samples, channels)`` float32, to its last whole frame, be it closed or not.

    At the end of one that was never closed soundfile raises after it has read, and does not say how much.
    """
    try:
        with soundfile.SoundFile(str(path)) as file:
            while True:
                samples = np.full((_FLAC_FRAME, file.channels), np.nan, dtype=np.float32)
                try:
                    n_samples = len(file.read(out=samples))
                except soundfile.LibsndfileError:
                    n_samples = 0
                    yield samples[: np.count_nonzero(~np.isnan(samples[:, 0]))]
                if n_samples == 0:
                    return
                yield samples[:n_samples]
    except soundfile.LibsndfileError:
        return  # not even its head was written


class AudioWriter:
    """A sound file in the making.

    Attributes:
        bits: 16 or 24 for FLAC, 32 for WAV of floats.
    """

    def __init__(self, path: Path, sample_rate_hz: int, n_channels: int, bits: Bits) -> None:
        """Make a new file that only its owner may read.

        Raises:
            OSError: it is there already, or cannot be written.
        """
        self.bits = bits
        self._sink = _Sink(path)
        try:
            self._file: Any = soundfile.SoundFile(
                self._sink,
                "w",
                sample_rate_hz,
                n_channels,
                subtype=_SUBTYPES[bits],
                format="WAV" if bits == 32 else "FLAC",
            )
        except soundfile.LibsndfileError as error:
            self._sink.close()
            raise self._sink.error or OSError(0, str(error)) from error
        if self._sink.error is not None:
            self.abandon()
            raise self._sink.error

    @property
    def n_bytes(self) -> int:
        """Length of the file; FLAC holds back up to 4,096 samples."""
        return self._sink.n_bytes

    def write(self, samples: NDArray[np.float32]) -> None:
        """Append ``(samples, channels)`` float32 that need no more bits than the file has.

        Raises:
            OSError: the disk is full, or whatever else; only ``abandon`` is left to be called.
        """
        stored: NDArray[Any] = np.ascontiguousarray(samples)
        if self.bits == 16:
            stored = (samples * np.float32(2**15)).astype(np.int16)
        elif self.bits == 24:  # soundfile takes the upper 24 of 32 bits
            stored = (samples * np.float32(2**23)).astype(np.int32) << 8
        self._do(lambda: self._file.write(stored))

    def close(self) -> None:
        """Finish the file, and have the disk keep it.

        Raises:
            OSError: it could not be finished; ``abandon`` is left to be called.
        """
        if self._sink.closed:
            return
        self._do(self._file.close)
        self._sink.sync()
        self._sink.close()

    def abandon(self) -> None:
        """Close a file that could not be finished; what it holds can be read. Nothing after ``close``."""
        if self._sink.closed:
            return
        self._sink.give_up()
        with contextlib.suppress(soundfile.LibsndfileError):
            self._file.close()
        if self.bits == 32:
            self._sink.mend_wav()
        self._sink.close()

    def _do(self, action: Callable[[], None]) -> None:
        try:
            action()
        except soundfile.LibsndfileError as error:
            raise self._sink.error or OSError(0, str(error)) from error
        if self._sink.error is not None:
            raise self._sink.error


class _Sink:
    """Where libsndfile's bytes go: a failure is kept for later, and whatever it left half written is cut off.

    libsndfile calls from C, where nothing can be raised; every call of it is one frame of FLAC.

    Attributes:
        error: the first failure; after it nothing more is written.
        n_bytes: length of the file.
    """

    def __init__(self, path: Path) -> None:
        self._file = io.FileIO(path, "x+b", opener=_only_for_the_owner)
        self.error: OSError | None = None
        self.n_bytes = 0
        self._at = 0
        self._given_up = False

    def write(self, chunk: bytes) -> int:
        if self.error is None and not self._given_up:
            try:
                self._file.seek(self._at)
                done = 0
                while done < len(chunk):
                    done += self._file.write(chunk[done:])
                self.n_bytes = max(self.n_bytes, self._at + done)
            except OSError as error:
                self.error = error
                with contextlib.suppress(OSError):
                    self._file.truncate(self.n_bytes)
        self._at += len(chunk)
        return len(chunk)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self.n_bytes)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def give_up(self) -> None:
        self._given_up = True

    def mend_wav(self) -> None:
        """Write the lengths into a WAV file's head; that takes no room."""
        with contextlib.suppress(OSError):
            self._file.seek(0)
            data_at = self._file.read(256).find(b"data")
            if data_at >= 0:
                for at, length in (
                    (4, self.n_bytes - 8),
                    (data_at + 4, self.n_bytes - data_at - 8),
                ):
                    self._file.seek(at)
                    self._file.write(length.to_bytes(4, "little"))

    @property
    def closed(self) -> bool:
        return self._file.closed

    def close(self) -> None:
        self._file.close()


def _only_for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
