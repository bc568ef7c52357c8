"""Sound through a lossy codec and back, in memory, with FFmpeg's encoders. The trainer's only module that knows av.

A codec's delay and padding are written in the container (LAME's tag, Opus's pre-skip) and taken off by the decoder,
so that sample n that comes back was sample n (of two channels in Opus at 24 to 48 kbit/s sample n + 4, measured). Not
here: decoding what comes from outside (``streamdeep.audio.decoding``).
"""

import io
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError, MissingDependencyError, SourceError
from streamdeep_trainer.conditions.changes import at_rate
from streamdeep_trainer.conditions.sound import Sound

_ANY_RATE_HZ: Final = 48_000
_LAYER_3: Final = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)


@dataclass(frozen=True, slots=True)
class Codec:
    """How one is used.

    Attributes:
        encoder: FFmpeg's name.
        container: that keeps delay and length, FFmpeg's name.
        sample_format: what the encoder is given.
        rates_hz: that it takes; sound of another is resampled to 48 kHz first, and stays so.
        bit_rates: in kbit/s, those that there are; empty: any.
    """

    encoder: str
    container: str
    sample_format: str
    rates_hz: tuple[int, ...]
    bit_rates: tuple[int, ...] = ()


CODECS: Final = {
    "mp3": Codec("libmp3lame", "mp3", "fltp", (32_000, 44_100, 48_000), _LAYER_3),
    "opus": Codec("libopus", "ogg", "flt", (48_000,)),
}


def through_codec(sound: Sound, name: str, kbit_per_s: float) -> Sound:
    """Encode and decode.

    Args:
        sound: one channel or two.
        name: one of :data:`CODECS`.
        kbit_per_s: bit rate for all channels together. MP3 keeps it; Opus spends less where less will do.

    Returns:
        As many samples, where the codec takes the sound's rate; else at 48 kHz.

    Raises:
        MissingDependencyError: no PyAV.
        SourceError: three channels or more.
        ConfigurationError: FFmpeg refuses, as for a bit rate that the codec does not have.
    """
    av, codec = _av(), CODECS[name]
    n_channels = sound.samples.shape[1]
    if n_channels > 2:
        raise SourceError(f"it has {n_channels} channels, and {name} takes one or two here")
    if sound.sample_rate_hz not in codec.rates_hz:
        sound = at_rate(sound, _ANY_RATE_HZ)
    try:
        file = _encoded(av, sound, codec, round(1000 * kbit_per_s))
        samples = _decoded(av, file)
    except (av.error.FFmpegError, ValueError) as error:
        raise ConfigurationError(f"{name} at {kbit_per_s:g} kbit/s: {error}") from error
    assert len(samples) == len(sound.samples)  # the container says where the sound ends
    return Sound(samples, sound.sample_rate_hz)


def check_codec(name: str, kbit_per_s: float) -> None:
    """Say before the work what could not be done.

    Raises:
        MissingDependencyError: no PyAV.
        ConfigurationError: the codec does not have this bit rate.
    """
    _av()
    known = CODECS[name].bit_rates
    if known and kbit_per_s not in known:
        raise ConfigurationError(
            f"{name} has no {kbit_per_s:g} kbit/s; use {', '.join(map(str, known))}"
        )


def _av() -> ModuleType:
    try:
        import av
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "MP3 and Opus need PyAV: pip install 'streamdeep[train]'; or leave them out of --conditions"
        ) from error
    return av


def _encoded(av: Any, sound: Sound, codec: Codec, bit_rate: int) -> io.BytesIO:
    file = io.BytesIO()
    layout = "mono" if sound.samples.shape[1] == 1 else "stereo"
    planar = codec.sample_format.endswith("p")
    rows = sound.samples.T if planar else sound.samples.reshape(1, -1)
    with av.open(file, "w", format=codec.container) as container:
        stream = container.add_stream(codec.encoder, rate=sound.sample_rate_hz)
        stream.bit_rate, stream.layout, stream.format = bit_rate, layout, codec.sample_format
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(rows), format=codec.sample_format, layout=layout
        )
        frame.sample_rate, frame.pts = sound.sample_rate_hz, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    return file


def _decoded(av: Any, file: io.BytesIO) -> NDArray[np.float32]:
    with av.open(file) as container:
        parts = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.ascontiguousarray(np.concatenate(parts, axis=1).T, dtype=np.float32)
