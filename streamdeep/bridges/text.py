"""A message as a JSON value, for readers that have no msgpack and no 64-bit integers.

Pure. Keys are those of the wire (``docs/protocol.md``), header and payload in one flat object. Not here: who
gets it, and how.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, Literal

import numpy as np

from streamdeep.records import Flag, NoveltyScale, Sound
from streamdeep.wire.kinds import ClockPoint, EmbeddingMessage, LabelMessage, Message, topic_of

VectorForm = Literal["base64", "list", "none"]
VECTOR_FORMS: Final = ("base64", "list", "none")
INTEGER_MOST: Final = 2**53 - 1
"""The largest integer that JavaScript's numbers count up to without a gap."""

# Moments in nanoseconds are beyond it sooner or later: always text, so that no key changes its type.
_MOMENTS: Final = frozenset(
    ("published_utc_ns", "published_monotonic_ns", "captured_utc_ns", "utc_ns", "monotonic_ns")
)


def as_json(message: Message, *, vector: VectorForm = "base64") -> dict[str, Any]:
    """A message as an object of JSON's own types.

    Moments in nanoseconds are texts of digits, always; any other integer is a number, and a text only if
    it is beyond ±(2^53 - 1). Bytes are hexadecimal. ``flags`` is a list of names; unknown bits are left out.

    Args:
        message: any kind.
        vector: an embedding's numbers as base64 of little-endian float32, as a list, or not at all.
    """
    values: dict[str, Any] = {"kind": topic_of(message).partition("/")[0]}
    for field in fields(message):
        if field.name != "vector":
            values[field.name] = _plain(field.name, getattr(message, field.name))
    if isinstance(message, EmbeddingMessage):
        values["dim"] = len(message.vector)
        if vector == "base64":
            values["vector_base64"] = base64.b64encode(vector_bytes(message)).decode("ascii")
        elif vector == "list":
            # Nine digits bring every float32 back.
            values["vector"] = [float(f"{number:.9g}") for number in message.vector.tolist()]
    if isinstance(message, LabelMessage):
        values["confidence"] = message.probabilities.get(message.label)
    return values


def as_line(message: Message, *, vector: VectorForm = "base64") -> str:
    """The same as one line of JSON, ASCII, without the line's end."""
    return compact(as_json(message, vector=vector))


def compact(value: Mapping[str, Any]) -> str:
    """A JSON object in one line.

    Raises:
        ValueError: a number in it is not finite.
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def vector_bytes(message: EmbeddingMessage) -> bytes:
    """An embedding's numbers as little-endian float32."""
    return np.ascontiguousarray(message.vector, "<f4").tobytes()


def _plain(name: str, value: Any) -> Any:
    match value:
        case Flag():
            return [str(flag.name).lower() for flag in Flag if flag in value]
        case bytes():
            return value.hex()
        case int() if name in _MOMENTS:
            return str(value)
        case bool():
            return value
        case int():
            return value if abs(value) <= INTEGER_MOST else str(value)
        case ClockPoint() | Sound() | NoveltyScale():
            return {
                field.name: _plain(field.name, getattr(value, field.name))
                for field in fields(value)
            }
        case Mapping():
            return {key: _plain(key, item) for key, item in value.items()}
        case tuple():
            return [_plain(name, item) for item in value]
        case _:
            return value
