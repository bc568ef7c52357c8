"""A stream of samples at one rate to a stream at another, equal for any cut.

soxr's ``ResampleStream``: the same object for files and live sound. At HQ it holds back 2 to 19 ms from
48 to 44.1 kHz (up to 134 ms from 8 kHz) and costs under 1 ms per second of sound. The only module that
knows soxr.
"""

from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from streamdeep.errors import StageClosedError

PART_SAMPLES: Final = 1_024
"""soxr is given no more at once, and so keeps no room for more: given a second at once it kept 604 kB, in parts 171 (measured)."""
_HELD_MOST_SAMPLES: Final = 2_048
"""What any quality holds back, in samples of the lower rate: 1,748 at the most were found, over all pairs of twelve
rates from 8 to 192 kHz."""


def held_most_s(source_rate_hz: int, model_rate_hz: int) -> float:
    """More than a resampler between these rates ever holds back, which it may hand out at once; in seconds."""
    return _HELD_MOST_SAMPLES / min(source_rate_hz, model_rate_hz)


class Resampler:
    """Convert ``(samples, channels)`` float32 from one rate to another; equal rates pass through."""

    def __init__(
        self, source_rate_hz: int, model_rate_hz: int, n_channels: int, *, quality: str = "HQ"
    ) -> None:
        self.source_rate_hz = source_rate_hz
        self.model_rate_hz = model_rate_hz
        self._n_channels = n_channels
        self._stream = None
        if source_rate_hz != model_rate_hz:
            self._stream = soxr.ResampleStream(
                source_rate_hz, model_rate_hz, n_channels, dtype="float32", quality=quality
            )
        self.reset()

    def reset(self) -> None:
        """As good as new."""
        if self._stream is not None:
            self._stream.clear()
        self._closed = False

    def push(self, samples: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Take samples at the source's rate; return what is ready at the model's: no array or one."""
        if self._closed:
            raise StageClosedError(
                "the resampler was flushed; call reset() before pushing more samples"
            )
        if self._stream is None:
            return [samples.copy()] if len(samples) else []
        if not len(samples):
            return []
        parts = [
            self._stream.resample_chunk(np.ascontiguousarray(samples[start : start + PART_SAMPLES]))
            for start in range(0, len(samples), PART_SAMPLES)
        ]
        return self._nonempty(np.concatenate(parts) if len(parts) > 1 else parts[0])

    def flush(self) -> list[NDArray[np.float32]]:
        """Return what was held back; in all ``round(n * model_rate / source_rate)`` samples come out."""
        self._closed = True
        if self._stream is None:
            return []
        nothing = np.empty((0, self._n_channels), dtype=np.float32)
        return self._nonempty(self._stream.resample_chunk(nothing, last=True))

    def _nonempty(self, samples: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        # soxr drops the channel axis of a single channel in some cuts; the shape is ours to keep.
        return [samples.reshape(-1, self._n_channels)] if len(samples) else []
