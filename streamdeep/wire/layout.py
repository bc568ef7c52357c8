"""Which keys each kind of message has: typed records to header and payload maps and back.

Every value is checked on the way in. Pure, and without bytes: frames, sizes and msgpack are
:mod:`streamdeep.wire.messages`, how a single value is checked is :mod:`streamdeep.wire.schema`. What the
keys mean is said in :mod:`streamdeep.wire.kinds` and, for other languages, in ``docs/protocol.md``.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import pairwise
from operator import attrgetter
from typing import Any, Final

import numpy as np

from streamdeep.errors import MessageError
from streamdeep.records import Flag, NoveltyScale, Sound
from streamdeep.wire.audiokinds import AudioMessage, CreditMessage
from streamdeep.wire.audiolayout import read_audio, read_credit, write_audio, write_credit
from streamdeep.wire.framekinds import FramesMessage
from streamdeep.wire.framelayout import read_frames, write_frames
from streamdeep.wire.kinds import (
    DIGEST_BYTES,
    MODEL_BYTES,
    SESSION_BYTES,
    STAGES,
    ClockPoint,
    EmbeddingMessage,
    EventMessage,
    LabelMessage,
    Message,
    ModelMessage,
    StatusMessage,
)
from streamdeep.wire.schema import INT64_MIN, Fields
from streamdeep.wire.topics import Topic

VERSION: Final = 1
DTYPE: Final = "<f4"
DIM_MOST: Final = 262_144  # a payload of 1 MiB
TEXT_MOST: Final = 32_768
SOUNDS_MOST: Final = 64
QUANTILES_MOST: Final = 64

_WORD = re.compile(r"[a-z][a-z_]{0,31}")
_COMMON_KEYS = ("stream", "session", "sequence", "published_utc_ns", "published_monotonic_ns")
_PLACE_KEYS = ("epoch", "start_sample", "n_samples", "sample_rate_hz", "captured_utc_ns", "model")
_EMBEDDING_KEYS = (*_PLACE_KEYS, "latency_ns", "gap_samples")
_common_of = attrgetter(*_COMMON_KEYS)
_embedding_of = attrgetter(*_EMBEDDING_KEYS)
_EARLY = int(Flag.EARLY)
_flags = lru_cache(maxsize=256)(Flag)  # making one costs more than reading a header's integers
_SOUND_KEYS = ("state", "label", "start_sample", "n_samples", "confidence", "reason")
_EVENT_KEYS = ("event", "epoch", "at_sample", "n_samples", "reason", "estimated")
_MODEL_COUNTS = (
    "dim",
    "sample_rate_hz",
    "hop_samples",
    "window_samples",
    "segment_frames",
    "segment_hop_frames",
    "source_rate_hz",
    "source_channels",
)
_NOVELTY_KEYS = ("novelty", "novelty_rate", "novel", "drifting")
_MODEL_KEYS = ("digest", "name", *_MODEL_COUNTS, "incremental", "frontend_json", "version")


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
        return header, _write_embedding(message, header)
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
        return _read_embedding(common, fields, payload)
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


def _write_embedding(message: EmbeddingMessage, header: dict[str, object]) -> bytes:
    header.update(zip(_EMBEDDING_KEYS, _embedding_of(message), strict=True))
    header["stages_ns"] = {stage: message.stages_ns.get(stage) for stage in STAGES}
    header["dtype"] = DTYPE
    header["shape"] = list(message.vector.shape)
    header["level_dbfs"] = message.level_dbfs
    header["peak_dbfs"] = message.peak_dbfs
    if message.novelty is not None:
        header["novelty"] = message.novelty
    if message.gain_db:
        header["gain_db"] = message.gain_db
    if message.vector.dtype != np.float32:
        raise ValueError(
            f"this message cannot be sent: vector is {message.vector.dtype}, not float32"
        )
    return np.ascontiguousarray(message.vector, DTYPE).tobytes()


def _read_embedding(common: Mapping[str, Any], header: Fields, payload: bytes) -> EmbeddingMessage:
    if header.text("dtype") != DTYPE:
        raise header.error("dtype", f"{DTYPE!r}")
    shape = header.integers("shape")
    if len(shape) != 1 or not 1 <= shape[0] <= DIM_MOST:
        raise header.error("shape", f"[dim], dim in [1, {DIM_MOST}]")
    if len(payload) != 4 * shape[0]:
        raise MessageError(
            f"payload: {len(payload)} bytes where shape {shape} needs {4 * shape[0]}"
        )
    # A copy in the machine's own byte order; frombuffer over bytes is read-only, astype would not be.
    vector = np.frombuffer(payload, DTYPE).astype(np.float32, copy=False)
    if not np.isfinite(vector).all():
        raise MessageError("payload: the vector holds values that are not finite")
    vector.flags.writeable = False
    stages = header.section("stages_ns", most=32)
    return EmbeddingMessage(
        **common,
        **_place(header),
        latency_ns=header.integer("latency_ns"),
        stages_ns=stages.counts(*STAGES),
        gap_samples=header.integer("gap_samples"),
        level_dbfs=header.number("level_dbfs"),
        peak_dbfs=header.number("peak_dbfs"),
        vector=vector,
        novelty=header.number("novelty") if header.has("novelty") else None,
        gain_db=header.number("gain_db") if header.has("gain_db") else 0.0,
    )


def _place(header: Fields) -> dict[str, Any]:
    """What embeddings and labels say alike: which samples, captured when, which model."""
    return {
        **header.counts("epoch", "start_sample", "n_samples", "captured_utc_ns"),
        "sample_rate_hz": header.integer("sample_rate_hz", low=1),
        "model": header.binary("model", n_bytes=MODEL_BYTES),
    }


def _write_map(message: Message, header: dict[str, object]) -> dict[str, object]:
    match message:
        case EventMessage():
            return {key: getattr(message, key) for key in _EVENT_KEYS}
        case ModelMessage(novelty=scale):
            about = {key: getattr(message, key) for key in _MODEL_KEYS}
            if scale is not None:
                about["novelty"] = {
                    "probabilities": list(scale.probabilities),
                    "quantiles": list(scale.quantiles),
                }
            return about
        case LabelMessage():
            header |= {key: getattr(message, key) for key in ("head", *_PLACE_KEYS)}
            content: dict[str, object] = {
                "label": message.label,
                "probabilities": dict(message.probabilities),
            }
            if message.sounds is not None:
                content["sounds"] = [
                    {key: getattr(sound, key) for key in _SOUND_KEYS} for sound in message.sounds
                ]
            told = {key: getattr(message, key) for key in _NOVELTY_KEYS}
            return content | {key: value for key, value in told.items() if value is not None}
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
    event = payload.text("event", longest=32)
    if not _WORD.fullmatch(event):
        raise payload.error("event", "a word [a-z][a-z_]*")
    return EventMessage(
        **common,
        event=event,
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


def _read_model(
    common: Mapping[str, Any], _topic: Topic, _header: Fields, payload: Fields
) -> ModelMessage:
    counts: dict[str, Any] = {key: payload.integer(key, low=1) for key in _MODEL_COUNTS}
    return ModelMessage(
        **common,
        **counts,
        digest=payload.binary("digest", n_bytes=DIGEST_BYTES),
        name=payload.text("name"),
        incremental=payload.boolean("incremental"),
        frontend_json=payload.text("frontend_json", longest=TEXT_MOST),
        version=payload.text("version"),
        novelty=_read_scale(payload) if payload.has("novelty") else None,
    )


def _read_scale(payload: Fields) -> NoveltyScale:
    scale = payload.section("novelty", most=64)
    probabilities = scale.numbers("probabilities", most=QUANTILES_MOST)
    quantiles = scale.numbers("quantiles", most=QUANTILES_MOST)
    inner = [0.0, *probabilities, 1.0]
    if not probabilities or any(low >= high for low, high in pairwise(inner)):
        raise scale.error("probabilities", "at least one number, rising, between 0 and 1")
    if len(quantiles) != len(probabilities) or any(low > high for low, high in pairwise(quantiles)):
        raise scale.error("quantiles", f"{len(probabilities)} numbers that never fall")
    return NoveltyScale(tuple(probabilities), tuple(quantiles))


def _read_label(
    common: Mapping[str, Any], topic: Topic, header: Fields, payload: Fields
) -> LabelMessage:
    if header.name("head") != topic.head:
        raise header.error("head", f"{topic.head!r} as in the topic")
    chances = payload.section("probabilities", most=1024)
    return LabelMessage(
        **common,
        **_place(header),
        head=topic.head,
        label=payload.text("label", longest=160),
        probabilities={
            label: chances.number(label, low=0.0, high=1.0) for label in chances.names()
        },
        sounds=tuple(map(_read_sound, payload.sections("sounds", most=SOUNDS_MOST)))
        if payload.has("sounds")
        else None,
        novelty=payload.number("novelty") if payload.has("novelty") else None,
        novelty_rate=payload.number("novelty_rate", low=0.0, high=1.0)
        if payload.has("novelty_rate")
        else None,
        novel=payload.boolean("novel") if payload.has("novel") else None,
        drifting=payload.boolean("drifting") if payload.has("drifting") else None,
    )


def _read_sound(sound: Fields) -> Sound:
    state = sound.text("state", longest=32)
    if not _WORD.fullmatch(state):
        raise sound.error("state", "a word [a-z][a-z_]*")
    return Sound(
        state=state,
        label=sound.text("label", longest=160),
        start_sample=sound.integer("start_sample"),
        n_samples=sound.integer("n_samples"),
        confidence=sound.number("confidence", low=0.0, high=1.0),
        reason=sound.text("reason"),
    )


_READERS: dict[str, Callable[[Mapping[str, Any], Topic, Fields, Fields], Message]] = {
    "event": _read_event,
    "status": _read_status,
    "model": _read_model,
    "label": _read_label,
    "credit": read_credit,
}
