"""Which keys each kind of message has: typed records to header and payload maps and back.

Every value is checked on the way in. Pure, and without bytes: frames, sizes and msgpack are
:mod:`streamdeep.wire.messages`, how a single value is checked is :mod:`streamdeep.wire.schema`. What the
keys mean is said in :mod:`streamdeep.wire.kinds` and, for other languages, in ``docs/protocol.md``.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

from streamdeep.errors import MessageError
from streamdeep.records import Flag
from streamdeep.wire.audiokinds import AudioMessage, CreditMessage
from streamdeep.wire.audiolayout import read_audio, read_credit, write_audio, write_credit
from streamdeep.wire.embeddinglayout import read_embedding, write_embedding
from streamdeep.wire.framekinds import FramesMessage
from streamdeep.wire.framelayout import read_frames, write_frames
from streamdeep.wire.kinds import (
    SESSION_BYTES,
    ClockPoint,
    EmbeddingMessage,
    EventMessage,
    LabelMessage,
    Message,
    ModelMessage,
    StatusMessage,
)
from streamdeep.wire.labellayout import read_label, write_label
from streamdeep.wire.modellayout import read_model, write_model
from streamdeep.wire.schema import INT64_MIN, Fields
from streamdeep.wire.topics import Topic

VERSION: Final = 1

_COMMON_KEYS = ("stream", "session", "sequence", "published_utc_ns", "published_monotonic_ns")
_common_of = attrgetter(*_COMMON_KEYS)
_EARLY = int(Flag.EARLY)
_flags = lru_cache(maxsize=256)(Flag)  # making one costs more than reading a header's integers
_EVENT_KEYS = ("event", "epoch", "at_sample", "n_samples", "reason", "estimated")


def to_maps(message: Message) -> tuple[dict[str, object], bytes | dict[str, object]]:
    """Header and payload of a message, unchecked; the payload is raw for embeddings, sound and frames, else a map.

    Raises:
        ValueError: an embedding's vector is not float32.
        TypeError: no kind of message.
    """
    header: dict[str, object] = {"v": VERSION}
    header.update(zip(_COMMON_KEYS, _common_of(message), strict=True))
    header["flags"] = int(message.flags)
    if isinstance(message, EmbeddingMessage):
        return header, write_embedding(message, header)
    if isinstance(message, AudioMessage):
        return header, write_audio(message, header)
    if isinstance(message, FramesMessage):
        return header, write_frames(message, header)
    return header, _write_map(message, header)


def from_maps(
    topic: Topic, header: Mapping[str, object], payload: bytes | dict[str, object]
) -> Message:
    """The message of a header and a payload.

    Args:
        topic: what they came under; header and topic must agree.
        header: unchecked.
        payload: raw for the kinds ``embedding``, ``early``, ``audio`` and ``frames``, else an unchecked map.

    Raises:
        MessageError: a value is missing, of the wrong type or out of range, or the version is another.
    """
    check_version(header)
    fields = Fields(header, "header")
    # The topic's is a name already.
    if header.get("stream") != topic.stream:
        raise fields.error("stream", f"{topic.stream!r} as in the topic")
    flags = fields.integer("flags", high=2**32 - 1)
    common: dict[str, Any] = {
        "stream": topic.stream,
        "session": fields.binary("session", n_bytes=SESSION_BYTES),
        **fields.counts("sequence", "published_utc_ns", "published_monotonic_ns"),
        "flags": _flags(flags),
    }
    if isinstance(payload, bytes):
        if topic.kind == "audio":
            return read_audio(common, fields, payload)
        if topic.kind == "frames":
            return read_frames(common, fields, payload)
        if bool(flags & _EARLY) != (topic.kind == "early"):
            raise fields.error("flags", "early exactly under the topic early/")
        return read_embedding(common, fields, payload)
    return _READERS[topic.kind](common, topic, fields, Fields(payload, "payload"))


def check_version(header: Mapping[str, object]) -> None:
    """Refuse other versions.

    Raises:
        MessageError: it is not version 1.
    """
    if type(header.get("v")) is not int or header["v"] != VERSION:
        found = repr(header.get("v"))[:20]
        raise MessageError(
            f"version: {found} of the protocol; this program reads version {VERSION}"
        )


def _write_map(message: Message, header: dict[str, object]) -> dict[str, object]:
    match message:
        case EventMessage():
            return {key: getattr(message, key) for key in _EVENT_KEYS}
        case ModelMessage():
            return write_model(message)
        case LabelMessage():
            return write_label(message, header)
        case StatusMessage(clock=clock):
            return {
                "sequences": dict(message.sequences),
                "counters": {
                    name: dict(count) if isinstance(count, Mapping) else count
                    for name, count in message.counters.items()
                },
                "clock": {
                    "sample": clock.sample,
                    "monotonic_ns": clock.monotonic_ns,
                    "utc_ns": clock.utc_ns,
                    "rate_hz": clock.rate_hz,
                },
                "host": message.host,
                "uptime_s": message.uptime_s,
                "live": message.live,
            }
        case CreditMessage():
            return write_credit(message)
    raise TypeError(f"{type(message).__name__} is no kind of message")


def _read_event(
    common: Mapping[str, Any], _topic: Topic, _header: Fields, payload: Fields
) -> EventMessage:
    return EventMessage(
        **common,
        event=payload.word("event"),
        epoch=payload.integer("epoch"),
        at_sample=payload.integer("at_sample"),
        n_samples=payload.integer("n_samples"),
        reason=payload.text("reason", longest=1024),
        estimated=payload.boolean("estimated"),
    )


def _read_status(
    common: Mapping[str, Any], _topic: Topic, _header: Fields, payload: Fields
) -> StatusMessage:
    sequences = payload.section("sequences", most=64)
    counters = payload.section("counters", most=64)
    clock = payload.section("clock", most=32)
    return StatusMessage(
        **common,
        sequences={topic: sequences.integer(topic, low=-1) for topic in sequences.names()},
        counters={name: _count(counters, name) for name in counters.names()},
        clock=ClockPoint(
            sample=clock.integer("sample"),
            monotonic_ns=clock.integer("monotonic_ns"),
            utc_ns=clock.integer("utc_ns"),
            rate_hz=clock.integer("rate_hz"),
        ),
        host=payload.text("host"),
        uptime_s=payload.number("uptime_s", low=0.0),
        live=payload.boolean("live"),
    )


def _count(counters: Fields, name: str) -> int | Mapping[str, int]:
    # Negative counts are legal: a difference that ought to be 0 must be able to say that it is not.
    if not counters.is_map(name):
        return counters.integer(name, low=INT64_MIN)
    by_reason = counters.section(name, most=64)
    return {reason: by_reason.integer(reason, low=INT64_MIN) for reason in by_reason.names()}


_READERS: dict[str, Callable[[Mapping[str, Any], Topic, Fields, Fields], Message]] = {
    "event": _read_event,
    "status": _read_status,
    "model": read_model,
    "label": read_label,
    "credit": read_credit,
}
