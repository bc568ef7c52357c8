"""From what a user types to a source of sound.

    mic, mic:NAME, mic:3      the sound card
    -                         raw PCM on standard input
    anything else             a sound file

A source owns its thread and writes into a ring; nothing else is asked of it.
"""

from collections.abc import Callable
from pathlib import Path

from streamdeep.audio.file import FileSource, Pace
from streamdeep.audio.microphone import MicrophoneSource
from streamdeep.audio.pcm import PcmSource, SampleFormat
from streamdeep.audio.selection import Selection
from streamdeep.audio.source import Source
from streamdeep.errors import ConfigurationError


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
    note: Callable[[str, str], None] = lambda event, message: None,
) -> Source:
    """Open what a user named.

    Args:
        place: see the module.
        model_rate_hz: what a sound card is asked for first.
        pace: of a file.
        block_samples: samples per block; None chooses.
        sample_format: of raw PCM.
        sample_rate_hz: of raw PCM.
        n_channels: of raw PCM or a sound card.
        select: channels to hear, counted from 1, see :mod:`streamdeep.audio.selection`; empty for all.
        note: told what happens to a sound card, from another thread: a word and a sentence.

    Raises:
        SourceError: it cannot be had.
        ConfigurationError: raw PCM without its format, a number that cannot be, or a selection of who knows how many.
        MissingDependencyError: no PortAudio library.
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
    return FileSource(Path(place), pace=pace, block_samples=block_samples, selection=selection)
