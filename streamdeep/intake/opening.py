"""From what a user types to a source of sound.

    mic, mic:NAME, mic:3      the sound card
    -                         raw PCM on standard input
    tcp-listen://HOST:PORT?.. raw PCM from whoever connects
    http://... rtsp://...     whatever FFmpeg reads there; see streamdeep.audio.address for the schemes
    a folder, NAME.sdrec      a recording, see `recording`
    anything else, file:...   a sound file

A source owns its thread and writes into a ring; nothing else is asked of it.
"""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from streamdeep.audio.address import parse_address, scheme_of
from streamdeep.audio.container import ContainerFile
from streamdeep.audio.file import AudioFile, FileSource, Pace, open_audio
from streamdeep.audio.listen import SCHEME, ListenSource
from streamdeep.audio.microphone import MicrophoneSource
from streamdeep.audio.network import NetworkSource
from streamdeep.audio.pcm import PcmSource, SampleFormat
from streamdeep.audio.selection import EVERY_CHANNEL, Selection
from streamdeep.audio.source import Source
from streamdeep.errors import ConfigurationError
from streamdeep.recording.files import is_recording
from streamdeep.recording.reader import Recording
from streamdeep.recording.replay import RecordingSource


def open_sound(
    path: Path, selection: Selection = EVERY_CHANNEL
) -> AudioFile | ContainerFile | Recording:
    """Open a sound file or a recording, to be read block by block.

    Args:
        path: what to open.
        selection: of a file's channels; a recording has those that were heard.

    Raises:
        SourceError: it cannot be had.
        ConfigurationError: a selection of a recording's channels.
    """
    if not is_recording(path):
        return open_audio(path, selection)
    _refuse_selection(selection)
    return Recording(path)


def open_source(
    place: str,
    *,
    model_rate_hz: int,
    pace: Pace = "realtime",
    block_samples: int | None = None,
    sample_format: SampleFormat | None = None,
    sample_rate_hz: int | None = None,
    n_channels: int | None = None,
    select: tuple[int, ...] = (),
    insecure: bool = False,
    note: Callable[[str, str], None] = lambda event, message: None,
) -> Source:
    """Open what a user named.

    Args:
        place: see the module.
        model_rate_hz: what a sound card is asked for first.
        pace: of a file or a recording.
        block_samples: samples per block; None chooses.
        sample_format: of raw PCM.
        sample_rate_hz: of raw PCM; what sound from the network must have.
        n_channels: of raw PCM or a sound card; what sound from the network must have.
        select: channels to hear, counted from 1, see :mod:`streamdeep.audio.selection`; empty for all.
        insecure: allow listening for sound where other machines can send.
        note: told what happens to a source, from another thread: a word and a sentence.

    Raises:
        SourceError: it cannot be had.
        ConfigurationError: raw PCM without its format, a number that cannot be, or a selection of who knows how many.
        MissingDependencyError: no PortAudio library, or no PyAV.
    """
    if block_samples is not None and not 1 <= block_samples <= 1 << 24:
        raise ConfigurationError(
            f"a block size of {block_samples} samples is out of range; 1 to {1 << 24} will do"
        )
    if sample_rate_hz is not None and not 1000 <= sample_rate_hz <= 768_000:
        raise ConfigurationError(
            f"a sample rate of {sample_rate_hz} Hz is out of range; 1000 to 768000 will do"
        )
    if n_channels is not None and not 1 <= n_channels <= 64:
        raise ConfigurationError(f"{n_channels} channels are out of range; 1 to 64 will do")
    selection, microphone = Selection(select), place == "mic" or place.startswith("mic:")
    if select and n_channels is None and (place == "-" or microphone):
        raise ConfigurationError(
            f"select needs channels beside it: how many {'come' if place == '-' else 'the sound card has'}"
        )
    if microphone:
        return MicrophoneSource(
            place.removeprefix("mic").removeprefix(":"),
            preferred_rate_hz=sample_rate_hz or model_rate_hz,
            n_channels=n_channels or 1,
            selection=selection,
            block_samples=block_samples,
            note=note,
        )
    if place == "-":
        if sample_rate_hz is None:
            raise ConfigurationError(
                "raw samples on standard input need --rate (and --format, --channels)"
            )
        return PcmSource(
            sample_format=sample_format or "s16le",
            sample_rate_hz=sample_rate_hz,
            n_channels=n_channels or 1,
            block_samples=block_samples,
            selection=selection,
        )
    scheme = scheme_of(place)
    if scheme == SCHEME:
        return ListenSource(
            place,
            sample_format=sample_format,
            sample_rate_hz=sample_rate_hz,
            n_channels=n_channels,
            selection=selection,
            insecure=insecure,
            note=note,
        )
    if scheme is not None and scheme != "file":
        return NetworkSource(
            parse_address(place, insecure=insecure),
            pace=pace,
            sample_rate_hz=sample_rate_hz,
            n_channels=n_channels,
            selection=selection,
            note=note,
        )
    path = _path(place)
    if is_recording(path):
        _refuse_selection(selection)
        return RecordingSource(path, pace=pace)
    return FileSource(path, pace=pace, block_samples=block_samples, selection=selection)


def _refuse_selection(selection: Selection) -> None:
    if selection.numbers:
        raise ConfigurationError(
            "a recording has the channels that were heard; leave out which to select"
        )


def _path(place: str) -> Path:
    if not place.lower().startswith("file:"):
        return Path(place)
    parts = urlsplit(place)
    if parts.netloc not in ("", "localhost"):
        raise ConfigurationError(
            f"file://{parts.netloc}/... names another machine; a file of this one is file:///PATH"
        )
    return Path(unquote(parts.path))
