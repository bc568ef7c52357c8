"""Pack and unpack: typed messages to the three frames of protocol version 1 and back.

Pure: no socket, no clock. A message is *topic*, a msgpack *header*, and a *payload*: raw little-endian
numbers for embeddings, sound and frames, a msgpack map for all else. :func:`unpack` is total: whatever the bytes, it returns
a checked message or raises ``MessageError``, whose text begins with one of :data:`REASONS` and a colon.
:func:`pack` passes what it sends through the same checks. Not here: which keys there are
(:mod:`streamdeep.wire.layout`). This is the one module that knows msgpack.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from streamdeep.errors import MessageError
from streamdeep.records import Flag
from streamdeep.wire.kinds import (
    SESSION_BYTES,
    ClockPoint,
    Counters,
    EmbeddingMessage,
    EventMessage,
    LabelMessage,
    Message,
    ModelMessage,
    StatusMessage,
    topic_of,
)
from streamdeep.wire.layout import VERSION, check_version, from_maps, to_maps
from streamdeep.wire.schema import TEXT_MOST, Fields
from streamdeep.wire.topics import RAW_KINDS, parse_topic, stream_name, take_apart

__all__ = [
    "HEADER_BYTES",
    "MAP_BYTES",
    "PAYLOAD_BYTES",
    "REASONS",
    "VERSION",
    "ClockPoint",
    "Counters",
    "EmbeddingMessage",
    "Envelope",
    "EventMessage",
    "LabelMessage",
    "Message",
    "ModelMessage",
    "StatusMessage",
    "as_repeat",
    "assemble",
    "envelope_of",
    "pack",
    "stream_name",
    "topic_of",
    "unpack",
]

HEADER_BYTES: Final = 16 * 1024
PAYLOAD_BYTES: Final = 1024 * 1024
# A payload that is a map is parsed before it can be checked, and a megabyte of empty maps takes 73 MB.
MAP_BYTES: Final = 64 * 1024
REASONS: Final = ("frames", "topic", "version", "header", "payload")

_HEADER_LIMITS = {"max_str_len": 1024, "max_bin_len": 1024, "max_array_len": 64, "max_map_len": 64}
_PAYLOAD_LIMITS = {
    "max_str_len": TEXT_MOST,
    "max_bin_len": 1024,
    "max_array_len": 64,
    "max_map_len": 1024,
}


def pack(message: Message) -> list[bytes]:
    """The three frames of a message.

    Args:
        message: any kind.

    Returns:
        Topic, header, payload.

    Raises:
        ValueError: a value that :func:`unpack` would refuse, so nobody could read it.
        TypeError: no kind of message.
    """
    topic = topic_of(message)
    header, payload = to_maps(message)
    try:
        from_maps(parse_topic(topic.encode()), header, payload)
    except MessageError as error:
        raise ValueError(f"this message cannot be sent: {error}") from error
    frames = assemble(topic, header, payload)
    body = frames[2]
    if len(frames[1]) > HEADER_BYTES or len(body) > (
        PAYLOAD_BYTES if body is payload else MAP_BYTES
    ):
        raise ValueError(
            f"this message cannot be sent: header {len(frames[1])}, payload {len(body)} bytes"
        )
    return frames


def assemble(topic: str, header: object, payload: object) -> list[bytes]:
    """Three frames of anything, unchecked: how tests of receivers come by messages that are wrong.

    Args:
        topic: frame 0.
        header: frame 1; bytes are taken as they are.
        payload: frame 2; bytes are taken as they are.
    """
    parts = (part if isinstance(part, bytes) else msgpack.packb(part) for part in (header, payload))
    return [topic.encode(), *parts]


def unpack(frames: Sequence[bytes]) -> Message:
    """The message that three frames are.

    Args:
        frames: as received.

    Returns:
        A message of one of the kinds, every value checked.

    Raises:
        MessageError: they are no message of this protocol's version 1; nothing else is ever raised.
    """
    if len(frames) != 3:
        raise MessageError(f"frames: {len(frames)}, a message has 3")
    topic = parse_topic(frames[0])
    header = _read_map(frames[1], "header", HEADER_BYTES, _HEADER_LIMITS)
    if topic.kind in RAW_KINDS:
        return from_maps(topic, header, frames[2])
    return from_maps(topic, header, _read_map(frames[2], "payload", MAP_BYTES, _PAYLOAD_LIMITS))


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every message says of itself, of later kinds too.

    Attributes:
        topic: its topic.
        kind: the topic's first word.
        stream: as in the topic.
        session: its sender's.
        sequence: its number.
        repeat: it was sent before.
    """

    topic: str
    kind: str
    stream: str
    session: bytes
    sequence: int
    repeat: bool


def envelope_of(frames: Sequence[bytes]) -> Envelope:
    """What those who pass messages on need to know of one; kinds and keys of later releases are no fault.

    Raises:
        MessageError: no message of this protocol's version 1; nothing else is ever raised.
    """
    if len(frames) != 3:
        raise MessageError(f"frames: {len(frames)}, a message has 3")
    kind, stream = take_apart(frames[0])
    header = _read_map(frames[1], "header", HEADER_BYTES, _HEADER_LIMITS)
    check_version(header)
    fields = Fields(header, "header")
    if fields.name("stream") != stream:
        raise fields.error("stream", f"{stream!r} as in the topic")
    flags = Flag(fields.integer("flags", high=2**32 - 1))
    return Envelope(
        topic=frames[0].decode("ascii"),
        kind=kind,
        stream=stream,
        session=fields.binary("session", n_bytes=SESSION_BYTES),
        sequence=fields.integer("sequence"),
        repeat=Flag.REPEAT in flags,
    )


def as_repeat(frames: Sequence[bytes]) -> list[bytes]:
    """The same message with the flag repeat; all else in its header, unknown keys too, stays as it is.

    Args:
        frames: such that :func:`envelope_of` reads them.
    """
    header = _read_map(frames[1], "header", HEADER_BYTES, _HEADER_LIMITS)
    flags = Fields(header, "header").integer("flags", high=2**32 - 1)
    header["flags"] = flags | int(Flag.REPEAT)
    return [frames[0], msgpack.packb(header), frames[2]]


def _read_map(
    frame: bytes, place: str, most_bytes: int, limits: Mapping[str, int]
) -> dict[str, object]:
    if len(frame) > most_bytes:
        raise MessageError(f"{place}: {len(frame)} bytes, at most {most_bytes} are allowed")
    try:
        value: Any = msgpack.unpackb(frame, raw=False, strict_map_key=True, max_ext_len=0, **limits)
    # The compiled msgpack raises ValueErrors only; its pure-Python stand-in may also recurse too deep.
    except (ValueError, RecursionError) as error:
        raise MessageError(f"{place}: not msgpack within the limits ({str(error)[:80]})") from error
    if type(value) is not dict:
        raise MessageError(f"{place}: not a map")
    return value
