"""FFmpeg, through PyAV: a place is opened within budgets and gives decoded sound. The only module that knows av.

PyAV is optional and imported where it is used. No sample is converted or resampled here. Not here: which
addresses may be opened (``address``), and what happens when a connection ends (``network``).
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from errno import EIO
from importlib.util import find_spec
from math import ceil
from types import ModuleType
from typing import Any, Final

from streamdeep.audio.decoded import MOST_BYTES, MOST_SAMPLES, Sound, check
from streamdeep.errors import MissingDependencyError, SourceError

PROBE_BYTES: Final = 2_000_000
PROBE_S: Final = 2.0
MOST_STREAMS: Final = 64
MOST_BAD_PACKETS: Final = 100
"""So many in a row that cannot be decoded are no accident."""
FILE_FORMATS: Final = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,mxf,nut,"
    "ogg,rm,tak,truehd,tta,voc,w64,wav,wv"
)
NETWORK_FORMATS: Final = "aac,ac3,aiff,asf,au,caf,eac3,flac,flv,hls,live_flv,matroska,mov,mp3,mpegts,nut,ogg,rtp,rtsp,w64,wav"
"""Containers that FFmpeg may take bytes for. Playlists of files (concat and its like) are not among them."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to open, and with which limits.

    Attributes:
        url: for FFmpeg, protocol included.
        protocols: FFmpeg's allow-list.
        formats: FFmpeg's allow-list.
        options: more of FFmpeg's options.
    """

    url: str = field(repr=False)
    protocols: str
    formats: str
    options: dict[str, str] = field(default_factory=dict)


def require_av() -> None:
    """Raise if PyAV is not installed, without importing it.

    Raises:
        MissingDependencyError: it is not.
    """
    if find_spec("av") is None:
        raise MissingDependencyError(
            "sound from the network needs PyAV: pip install 'streamdeep[network]'"
        )


def _av() -> ModuleType:
    require_av()
    import av

    return av


class Decoder:
    """An open place.

    Attributes:
        finite: it has an end that was known when it was opened.
        n_samples: how many samples its header promises; None if it does not say.
    """

    def __init__(self, order: Order) -> None:
        """Open a place, which may take as long as the other side likes.

        Raises:
            MissingDependencyError: no PyAV.
            SourceError: it cannot be opened, or holds no sound; the message says nothing of the URL.
        """
        self._av: Any = _av()
        options = {
            "protocol_whitelist": order.protocols,
            "format_whitelist": order.formats,
            "probesize": str(PROBE_BYTES),
            "analyzeduration": str(round(PROBE_S * 1_000_000)),
            "max_streams": str(MOST_STREAMS),
            "max_samples": str(MOST_SAMPLES),
            "threads": "1",
            **order.options,
        }
        try:
            self._container = self._av.open(order.url, options=options, metadata_errors="replace")
        except (self._av.error.FFmpegError, ValueError) as error:
            raise SourceError(self._reason(error)) from error
        stream = next(iter(self._container.streams.audio), None)
        if stream is None or stream.codec_context is None:
            self._container.close()
            raise SourceError(
                "it holds no sound" if stream is None else "its codec is not known to FFmpeg"
            )
        for other in self._container.streams:
            if other is not stream:
                with contextlib.suppress(AttributeError, TypeError, ValueError):
                    other.discard = "all"
        self._stream = stream
        self.n_samples = self._promised()
        self.finite = self.n_samples is not None and self._knows_its_end(order.url)

    def close(self) -> None:
        """Let go of it."""
        self._container.close()

    def sounds(self) -> Iterator[Sound]:
        """What it holds, frame by frame, to the end.

        Raises:
            SourceError: it broke off, or cannot be decoded.
        """
        n_bad, packets = 0, self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except (self._av.error.FFmpegError, ValueError) as error:
                # That is how FFmpeg ends every answer of a web server that did not state its length.
                if self._hung_up(error) and self._container.size <= 0:
                    return
                raise SourceError(self._reason(error)) from error
            if packet is None:
                return
            try:
                frames = packet.decode()
            except self._av.error.EOFError:
                return
            except (self._av.error.FFmpegError, ValueError) as error:
                n_bad += 1
                if n_bad > MOST_BAD_PACKETS:
                    raise SourceError(self._reason(error)) from error
                continue  # time stamps will tell what is missing
            if frames:
                n_bad = 0
            for frame in frames:
                if frame.samples:
                    yield self._sound(frame)

    def _sound(self, frame: Any) -> Sound:
        sample_format, n_channels = frame.format.name, frame.layout.nb_channels
        rate_hz = frame.sample_rate
        n_bytes = frame.samples * frame.format.bytes  # planes are longer than what they hold
        if not frame.format.is_planar:
            n_bytes *= n_channels
        if frame.samples > MOST_SAMPLES or n_bytes * len(frame.planes) > MOST_BYTES:
            raise SourceError(f"it has {frame.samples} samples in one frame")
        time_samples, tick_samples = None, 1
        if frame.time_base:
            tick_samples = max(1, ceil(frame.time_base * rate_hz))
            if frame.pts is not None:
                time_samples = round(frame.pts * frame.time_base * rate_hz)
        sound = Sound(
            b"".join(bytes(memoryview(plane)[:n_bytes]) for plane in frame.planes),
            sample_format,
            frame.samples,
            n_channels,
            rate_hz,
            time_samples,
            tick_samples,
        )
        check(sound)
        return sound

    def _promised(self) -> int | None:
        stream, rate_hz = self._stream, self._stream.codec_context.sample_rate
        if stream.duration and stream.time_base:
            return max(0, round(stream.duration * stream.time_base * rate_hz)) or None
        if self._container.duration:
            return max(0, self._container.duration * rate_hz // 1_000_000) or None
        return None

    def _knows_its_end(self, url: str) -> bool:
        """Whether the length is not only what somebody wrote into the header of an endless stream."""
        if not url.startswith(("http://", "https://")) or self._container.format.name == "hls":
            return True
        radio = any(key.lower().startswith("icy") for key in self._container.metadata)
        return self._container.size > 0 and not radio

    def _hung_up(self, error: Exception) -> bool:
        return isinstance(error, OSError) and error.errno == EIO

    def _reason(self, error: Exception) -> str:
        """In one line, without the URL, which may hold a password."""
        if isinstance(error, self._av.error.InvalidDataError):
            return "it is no sound that FFmpeg can read"
        if isinstance(error, self._av.error.ArgumentError):
            return "its format, or a protocol it leads to, is not taken"
        if isinstance(error, self._av.error.EOFError):
            return "it ended before any sound came"
        if self._hung_up(error):
            return "the other side hung up"
        if isinstance(error, self._av.error.FFmpegError):
            return str(error.strerror)
        return "it cannot be decoded"
