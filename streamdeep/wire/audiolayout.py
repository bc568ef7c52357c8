"""Which keys the messages that carry sound to an engine have, and the answers to them.

Part of :mod:`streamdeep.wire.layout`, which reads and writes the keys that all kinds share.
"""

from collections.abc import Mapping
from typing import Any

from streamdeep.errors import MessageError
from streamdeep.wire.audiokinds import (
    CHANNELS_MOST,
    FORMATS,
    SAMPLES_MOST,
    STATES,
    AudioMessage,
    CreditMessage,
)
from streamdeep.wire.kinds import SESSION_BYTES
from streamdeep.wire.schema import Fields
from streamdeep.wire.topics import Topic

_AUDIO_KEYS = (
    "epoch",
    "start_sample",
    "n_samples",
    "sample_rate_hz",
    "channels",
    "format",
    "captured_utc_ns",
    "captured_monotonic_ns",
    "host",
    "gap_samples",
)
_CREDIT_KEYS = ("to", "state", "taken_sample", "limit_sample", "reason")


def write_audio(message: AudioMessage, header: dict[str, object]) -> bytes:
    """Put a message's keys into the header; its payload."""
    header |= {key: getattr(message, key) for key in _AUDIO_KEYS}
    return message.pcm


def read_audio(common: Mapping[str, Any], header: Fields, payload: bytes) -> AudioMessage:
    """The message of a checked header and its payload.

    Raises:
        MessageError: a value is missing, of the wrong type or out of range.
    """
    sample_format = header.text("format", longest=16)
    if sample_format not in FORMATS:
        raise header.error("format", " or ".join(FORMATS))
    channels = header.integer("channels", low=1, high=CHANNELS_MOST)
    n_samples = header.integer("n_samples", high=SAMPLES_MOST)
    n_bytes = n_samples * channels * FORMATS[sample_format]
    if len(payload) != n_bytes:
        raise MessageError(
            f"payload: {len(payload)} bytes where {n_samples} samples of {channels} channels need {n_bytes}"
        )
    return AudioMessage(
        **common,
        epoch=header.integer("epoch"),
        start_sample=header.integer("start_sample", high=SAMPLES_MOST),
        n_samples=n_samples,
        sample_rate_hz=header.integer("sample_rate_hz", low=1),
        channels=channels,
        format=sample_format,
        captured_utc_ns=header.integer("captured_utc_ns"),
        captured_monotonic_ns=header.integer("captured_monotonic_ns"),
        host=header.text("host"),
        gap_samples=header.integer("gap_samples", high=SAMPLES_MOST),
        pcm=payload,
    )


def write_credit(message: CreditMessage) -> dict[str, object]:
    """The payload of an answer."""
    return {key: getattr(message, key) for key in _CREDIT_KEYS}


def read_credit(
    common: Mapping[str, Any], _topic: Topic, _header: Fields, payload: Fields
) -> CreditMessage:
    """The answer of a checked header and an unchecked payload.

    Raises:
        MessageError: a value is missing, of the wrong type or out of range.
    """
    state = payload.text("state", longest=16)
    if state not in STATES:
        raise payload.error("state", ", ".join(STATES))
    return CreditMessage(
        **common,
        to=payload.binary("to", n_bytes=SESSION_BYTES),
        state=state,
        taken_sample=payload.integer("taken_sample"),
        limit_sample=payload.integer("limit_sample"),
        reason=payload.text("reason", longest=1024),
    )
