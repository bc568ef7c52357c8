"""A piece of decoded sound as FFmpeg hands it out, and its way into float32 and through a pipe.

Pure: no FFmpeg here. Samples are converted as libsndfile converts them (integers divided by a power of
two), so that a file has the same samples whoever decodes it. numpy is imported where it is used: the process
that decodes does without.
"""

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamdeep.errors import SourceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_SAMPLES: Final = 1 << 20
MOST_CHANNELS: Final = 64
RATES_HZ: Final = (1_000, 768_000)
MOST_BYTES: Final = 1 << 26
_FORMATS: Final = {
    "u8": ("u1", 1, 128.0),
    "s16": ("i2", 2, 32768.0),
    "s32": ("i4", 4, 2147483648.0),
    "flt": ("f4", 4, 1.0),
    "dbl": ("f8", 8, 1.0),
}
"""numpy's name, bytes, and what stands for full scale."""
_NO_TIME: Final = -(1 << 63)
_HEAD = struct.Struct("<IIII8sq")


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """What one frame of a codec held.

    Attributes:
        data: the samples, channel after channel (formats ending in ``p``) or interleaved, native byte order.
        sample_format: FFmpeg's name: ``s16``, ``fltp`` ...
        n_samples: per channel.
        n_channels: how many.
        sample_rate_hz: their rate.
        time_samples: its time stamp, in samples; None if the container gave none.
        tick_samples: how finely the container can tell times, in samples, at least 1.
    """

    data: bytes
    sample_format: str
    n_samples: int
    n_channels: int
    sample_rate_hz: int
    time_samples: int | None
    tick_samples: int

    def samples(self) -> "NDArray[np.float32]":
        """``(samples, channels)`` float32; full scale ±1."""
        import numpy as np

        kind, _, scale = _FORMATS[self.sample_format.removesuffix("p")]
        values = np.frombuffer(self.data, dtype=kind)
        if self.sample_format.endswith("p"):
            values = values.reshape(self.n_channels, self.n_samples).T
        else:
            values = values.reshape(self.n_samples, self.n_channels)
        if kind == "u1":
            values = values.astype(np.int16) - 128
        return np.ascontiguousarray(values.astype(np.float32) * np.float32(1 / scale))

    def pack(self) -> bytes:
        """To bytes."""
        return (
            _HEAD.pack(
                self.n_samples,
                self.n_channels,
                self.sample_rate_hz,
                self.tick_samples,
                self.sample_format.encode(),
                _NO_TIME if self.time_samples is None else self.time_samples,
            )
            + self.data
        )


def unpack(body: bytes) -> Sound:
    """From bytes that :meth:`Sound.pack` made, or that somebody else did.

    Raises:
        SourceError: it is no sound within the limits.
    """
    if len(body) < _HEAD.size:
        raise SourceError("the decoder sent what is no sound")
    n_samples, n_channels, rate_hz, tick, name, time = _HEAD.unpack_from(body)
    sample_format = name.rstrip(b"\0").decode("ascii", "replace")
    sound = Sound(
        body[_HEAD.size :],
        sample_format,
        n_samples,
        n_channels,
        rate_hz,
        None if time == _NO_TIME else time,
        max(1, tick),
    )
    check(sound)
    return sound


def check(sound: Sound) -> None:
    """Refuse what is beyond the limits.

    Raises:
        SourceError: the format is not known, or a number is out of range.
    """
    if not RATES_HZ[0] <= sound.sample_rate_hz <= RATES_HZ[1]:
        raise SourceError(
            f"{sound.sample_rate_hz} Hz is out of range; {RATES_HZ[0]} to {RATES_HZ[1]} will do"
        )
    if not 1 <= sound.n_channels <= MOST_CHANNELS:
        raise SourceError(
            f"{sound.n_channels} channels are out of range; 1 to {MOST_CHANNELS} will do"
        )
    if sound.sample_format.removesuffix("p") not in _FORMATS:
        raise SourceError(f"samples come as {sound.sample_format!r}, which is not known here")
    _, width, _ = _FORMATS[sound.sample_format.removesuffix("p")]
    n_bytes = sound.n_samples * sound.n_channels * width
    if sound.n_samples > MOST_SAMPLES or len(sound.data) != n_bytes or n_bytes > MOST_BYTES:
        raise SourceError("the decoder sent what is no sound")
