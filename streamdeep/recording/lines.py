"""The format: ``recording.json``, and one file of JSON lines for each sound file; ``docs/recording.md`` has it in words.

Everything that is read may come from a stranger: sizes, ranges and types are checked here. Keys and kinds of
lines that are not known are passed over, so that things can be added.
"""

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from streamdeep.config import describe
from streamdeep.errors import SourceError
from streamdeep.frontend.gain import MOST_DB

DESCRIPTION = "recording.json"
MOST_LINE_BYTES = 65_536
MOST_BLOCKS = 1_000
"""In one line."""
MOST_SAMPLES = 2**60
"""No index of a sample may be larger, so that sums stay far within 64 bits."""

_Count = Annotated[int, Field(ge=0, le=MOST_SAMPLES)]
_Time = Annotated[int, Field(ge=-(2**62), le=2**62)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Description(_Part):
    """``recording.json``.

    Attributes:
        format: version of the format.
        stream: the stream's name on the wire.
        source: what was recorded.
        sample_rate_hz: the source's.
        n_channels: the source's.
        live: its samples came when they happened.
        began_utc_ns: Unix time when the recording began.
        first_sample: the source's index of what was heard first: where the name ended that was there before.
        gain_db: with which it was heard; the sound itself is as it came.
        version: of the program that wrote it.
    """

    format: Literal[1] = 1
    stream: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")
    source: str = Field(max_length=1024)
    sample_rate_hz: int = Field(ge=1000, le=768_000)
    n_channels: int = Field(ge=1, le=64)
    live: bool
    began_utc_ns: _Time
    first_sample: _Count = 0
    gain_db: Annotated[float, Field(ge=-MOST_DB, le=MOST_DB)] | Literal["auto"] = 0.0
    version: str = Field(max_length=64)


class Opened(_Part):
    """First line of an index.

    Attributes:
        number: of the segment, from 1.
        start_sample: the source's index of what comes first.
        audio: kind of the sound file beside it.
        bits: of a sample; 32 are floats.
        monotonic_ns: the recorder's monotonic clock when it began the segment,
        utc_ns: and Unix time at the same moment.
    """

    kind: Literal["segment"] = "segment"
    number: int = Field(ge=1, le=999_999_999)
    start_sample: _Count
    audio: Literal["flac", "wav"]
    bits: Literal[16, 24, 32]
    monotonic_ns: _Time
    utc_ns: _Time


class Blocks(_Part):
    """Blocks one after another, whose samples come next in the sound file.

    Attributes:
        samples: length of each.
        captured_ns: monotonic time of the last sample: of the first block, then from block to block.
    """

    kind: Literal["blocks"] = "blocks"
    samples: Annotated[list[_Count], Field(min_length=1, max_length=MOST_BLOCKS)]
    captured_ns: Annotated[list[_Time], Field(min_length=1, max_length=MOST_BLOCKS)]


class Lost(_Part):
    """Samples lost; see :class:`streamdeep.recording.events.Loss`."""

    kind: Literal["lost"] = "lost"
    samples: _Count
    why: Literal["gap", "overflow", "unrecorded"]
    estimated: bool = False


class Ended(_Part):
    """The source ended; ``error`` says why if it is not simply the end."""

    kind: Literal["end"] = "end"
    error: str | None = Field(default=None, max_length=4096)


class Closed(_Part):
    """Last line of an index.

    Attributes:
        samples: in the sound file.
        sha256: of the sound file, 64 hex digits.
    """

    kind: Literal["closed"] = "closed"
    samples: _Count
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


Line = Opened | Blocks | Lost | Ended | Closed
_lines: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])


def write_line(line: Line) -> bytes:
    """A record as one line of JSON, its end included."""
    return line.model_dump_json().encode() + b"\n"


def read_line(text: bytes, place: str) -> Line | None:
    """The record in a line; None if its kind is not known.

    Raises:
        SourceError: no line of this format; ``place`` says which.
    """
    try:
        line = _lines.validate_json(text)
    except ValidationError as error:
        if any(item["type"] == "union_tag_invalid" for item in error.errors()):
            return None
        raise SourceError(f"{place} is no line of a recording: {_shortly(error)}") from error
    if isinstance(line, Blocks) and len(line.samples) != len(line.captured_ns):
        raise SourceError(f"{place}: {len(line.samples)} blocks, {len(line.captured_ns)} times")
    return line


def read_description(text: bytes, place: str) -> Description:
    """The description in ``recording.json``.

    Raises:
        SourceError: it is none, or is of a version that is not known.
    """
    try:
        return Description.model_validate_json(text)
    except ValidationError as error:
        try:
            version = json.loads(text)["format"]
        except (ValueError, KeyError, TypeError, RecursionError):
            version = 1
        if isinstance(version, int) and version > 1:
            raise SourceError(
                f"{place} is of format {version}, newer than this program; upgrade streamdeep"
            ) from error
        raise SourceError(f"{place} describes no recording: {_shortly(error)}") from error


def _shortly(error: ValidationError) -> str:
    return describe(error)[:200]
