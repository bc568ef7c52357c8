"""Raw samples on standard input: ``arecord -t raw ... | streamdeep run - --format s16le --rate 16000``.

The pipe is its own flow control, so a full ring makes the producer wait instead of losing samples.
"""

import os
import select
import threading
import time
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.ring import Ring
from streamdeep.audio.selection import EVERY_CHANNEL, Selection
from streamdeep.errors import SourceError

SampleFormat = Literal["s16le", "f32le"]
_BYTES: dict[SampleFormat, int] = {"s16le": 2, "f32le": 4}


def bytes_per_sample(sample_format: SampleFormat) -> int:
    """Of one channel."""
    return _BYTES[sample_format]


def decode(raw: bytes, sample_format: SampleFormat, n_channels: int) -> NDArray[np.float32]:
    """Interleaved bytes to ``(samples, channels)`` float32; ``s16le`` is divided by 32768."""
    if sample_format == "s16le":
        integers = np.frombuffer(raw, dtype="<i2").astype(np.float32)
        return (integers * np.float32(1 / 32768)).reshape(-1, n_channels)
    return np.frombuffer(raw, dtype="<f4").astype(np.float32).reshape(-1, n_channels)


def encode(samples: NDArray[np.float32], sample_format: SampleFormat) -> bytes:
    """``(samples, channels)`` float32 to interleaved bytes; ``s16le`` rounds, and cuts off beyond full scale.

    What :func:`decode` made of ``s16le`` becomes the same bytes again.
    """
    if sample_format == "s16le":
        scaled = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767)
        integers: NDArray[np.int16] = np.nan_to_num(scaled, nan=0.0).astype("<i2")
        return integers.tobytes()
    return bytes(samples.astype("<f4", copy=False).tobytes())


class PcmSource:
    """Raw PCM from a file descriptor.

    Attributes:
        name: ``stdin``, with the selected channels if not all are.
        sample_rate_hz: as told; raw PCM does not say.
        n_channels: as told, those selected.
        live: True.
    """

    live = True

    def __init__(
        self,
        *,
        sample_format: SampleFormat,
        sample_rate_hz: int,
        n_channels: int,
        block_samples: int | None = None,
        selection: Selection = EVERY_CHANNEL,
        descriptor: int = 0,
    ) -> None:
        """Describe the samples; nothing is read yet.

        Args:
            sample_format: of every number.
            sample_rate_hz: their rate.
            n_channels: channels that come.
            block_samples: samples per block; None is 10 ms.
            selection: of these channels.
            descriptor: where to read.

        Raises:
            SourceError: a channel is selected that does not come.
        """
        self.name = selection.label("stdin")
        self.sample_rate_hz = sample_rate_hz
        self.n_channels = selection.count(n_channels, "standard input, as described,")
        self._n_coming = n_channels
        self._selection = selection
        self._format = sample_format
        self._bytes_per_sample = _BYTES[sample_format] * n_channels
        self._block_samples = block_samples or max(1, sample_rate_hz // 100)
        self._descriptor = descriptor
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, ring: Ring) -> None:
        """Begin to read, on a thread of its own; the ring is closed at the end of the input."""
        self._thread = threading.Thread(target=self._read, args=(ring,), name="pcm", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop reading; returns when the thread has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _read(self, ring: Ring) -> None:
        pending = b""
        n_bytes = 0
        try:
            while not self._stop.is_set():
                if not select.select([self._descriptor], [], [], 0.1)[0]:
                    continue
                raw = os.read(self._descriptor, self._block_samples * self._bytes_per_sample)
                captured_ns = time.monotonic_ns()
                if not raw:
                    break
                n_bytes += len(raw)
                pending += raw
                whole = len(pending) - len(pending) % self._bytes_per_sample
                samples = decode(pending[:whole], self._format, self._n_coming)
                pending = pending[whole:]
                if len(samples) and not ring.write_all(
                    self._selection.take(samples), captured_ns, self._stop
                ):
                    return
            if n_bytes == 0 and not self._stop.is_set():
                ring.close(SourceError("standard input is empty: no samples came"))
            else:
                ring.close()
        except OSError as error:
            ring.close(SourceError(f"cannot read standard input: {error.strerror}"))
