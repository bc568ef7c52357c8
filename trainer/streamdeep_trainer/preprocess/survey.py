"""What the headers of a data set's files say, before hours are spent on them: their rate and lengths.

Headers may lie; the sound itself is what counts in the end (``compute``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from streamdeep.audio.file import open_audio
from streamdeep.config import FrontendConfig
from streamdeep.errors import ConfigurationError
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.preprocess.options import PreprocessOptions
from streamdeep_trainer.progress import track
from streamdeep_trainer.skipped import UNUSABLE, reason_of

LARGEST_BYTES = 8 << 30
"""A padded array beyond this that is mostly padding is a mistake."""


@dataclass(frozen=True, slots=True)
class Header:
    """What one file says about itself.

    Attributes:
        filename: of the clip.
        sample_rate_hz: its rate.
        duration_s: its length.
    """

    filename: str
    sample_rate_hz: int
    duration_s: float


def survey(clips: Sequence[Clip]) -> list[Header | str]:
    """Per clip its header, or why it cannot be opened; 0.1 ms each."""
    found: list[Header | str] = []
    for clip in track(clips, len(clips), "headers"):
        try:
            with open_audio(clip.path) as audio:
                rate_hz = audio.sample_rate_hz
                found.append(Header(clip.filename, rate_hz, audio.n_samples / rate_hz))
        except UNUSABLE as error:
            found.append(reason_of(clip.path, error))
    return found


def common_rate_hz(headers: Sequence[Header]) -> int:
    """The rate of all files, at least one.

    Raises:
        ConfigurationError: they have several; names those that are not like most.
    """
    by_rate: dict[int, list[str]] = {}
    for header in headers:
        by_rate.setdefault(header.sample_rate_hz, []).append(header.filename)
    usual = max(by_rate, key=lambda rate: (len(by_rate[rate]), rate))
    if len(by_rate) == 1:
        return usual
    others = "; ".join(
        f"{rate} Hz: {', '.join(names[:5])}{f' and {len(names) - 5} more' if len(names) > 5 else ''}"
        for rate, names in sorted(by_rate.items())
        if rate != usual
    )
    raise ConfigurationError(
        f"{len(by_rate[usual])} files have {usual} Hz and others do not ({others}); "
        f"resample all with --rate {usual}, or leave those out"
    )


def refuse_endless_padding(
    headers: Sequence[Header], options: PreprocessOptions, *, frontend: FrontendConfig
) -> None:
    """Refuse clips so unlike in length that padding them all to the longest would take up the memory.

    Raises:
        ConfigurationError: names the longest file.
    """
    if options.fixed_length_s is not None or options.chunk_length_s is not None or not headers:
        return
    longest = max(headers, key=lambda header: header.duration_s)
    rate_hz, n_bytes = frontend.sample_rate_hz, 4 * frontend.n_features
    padded = n_bytes * frontend.n_frames(int(longest.duration_s * rate_hz)) * len(headers)
    needed = n_bytes * sum(
        frontend.n_frames(int(header.duration_s * rate_hz)) for header in headers
    )
    if padded > LARGEST_BYTES and padded > 4 * needed:
        raise ConfigurationError(
            f"{longest.filename} is {longest.duration_s:.0f} s long, and all padded to that take "
            f"{padded / (1 << 30):.0f} GiB; use --fixed-length or --chunk-length"
        )
