"""What a browser is sent: one JSON object as text, or a spectrogram's columns as bytes. Pure.

JSON numbers are doubles: moments are milliseconds of Unix time with a fraction, which a double holds to a
microsecond; samples of a stream count to 2^53. Not here: who gets them, and how.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from streamdeep.wire.framekinds import FramesMessage

COLUMNS: Final = struct.Struct("<4B2HIdd3f")
"""Kind 1, length of the name, two zero bytes; frames, bands, epoch modulo 2^32; the number of the first frame,
milliseconds of Unix time at the last frame's end, milliseconds from frame to frame, what 0 and what 255 stand for
in dBFS. Then the name, and the levels frame by frame. Little-endian, 40 bytes."""


@dataclass(frozen=True, slots=True)
class Packet:
    """Something to send.

    Attributes:
        topic: packets of one topic make one history.
        keep: how many of them a browser that joins is given.
        content: text or bytes.
    """

    topic: str
    keep: int
    content: str | bytes


def text(topic: str, keep: int, value: Mapping[str, Any]) -> Packet:
    """A JSON object.

    Raises:
        ValueError: a number in it is not finite.
    """
    return Packet(topic, keep, json.dumps(value, separators=(",", ":"), allow_nan=False))


def columns(message: FramesMessage, keep: int) -> Packet:
    """A spectrogram's next columns."""
    name = message.stream.encode("ascii")
    hop_ms = 1000.0 * message.n_samples / message.sample_rate_hz / message.n_frames
    head = COLUMNS.pack(
        1, len(name), 0, 0, message.n_frames, message.n_bands, message.epoch % 2**32,
        float(message.start_frame), message.captured_utc_ns / 1e6, hop_ms, message.low, message.high,
    )  # fmt: skip
    return Packet(f"frames/{message.stream}", keep, head + name + message.levels.tobytes())
