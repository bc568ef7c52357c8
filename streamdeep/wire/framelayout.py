"""Which keys a message with frames has.

Part of :mod:`streamdeep.wire.layout`, which reads and writes the keys that all kinds share.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from streamdeep.errors import MessageError
from streamdeep.wire.framekinds import BANDS_MOST, FRAMES_MOST, UNIT, FramesMessage
from streamdeep.wire.kinds import MODEL_BYTES
from streamdeep.wire.schema import Fields

DTYPE: Final = "|u1"
_KEYS: Final = (
    "epoch", "start_sample", "n_samples", "sample_rate_hz", "captured_utc_ns", "model",
    "start_frame", "n_frames", "n_bands", "hop_samples", "low", "high", "unit",
)  # fmt: skip


def write_frames(message: FramesMessage, header: dict[str, object]) -> bytes:
    """Put a message's keys into the header; its payload.

    Raises:
        ValueError: the values are not bytes.
    """
    if message.levels.dtype != np.uint8:
        raise ValueError(
            f"this message cannot be sent: levels are {message.levels.dtype}, not uint8"
        )
    header |= {key: getattr(message, key) for key in _KEYS}
    header["dtype"] = DTYPE
    return message.levels.tobytes()


def read_frames(common: Mapping[str, Any], header: Fields, payload: bytes) -> FramesMessage:
    """The message of a checked header and its payload.

    Raises:
        MessageError: a value is missing, of the wrong type or out of range.
    """
    if header.text("dtype") != DTYPE:
        raise header.error("dtype", f"{DTYPE!r}")
    if header.text("unit", longest=16) != UNIT:
        raise header.error("unit", f"{UNIT!r}")
    n_frames = header.integer("n_frames", low=1, high=FRAMES_MOST)
    n_bands = header.integer("n_bands", low=1, high=BANDS_MOST)
    if len(payload) != n_frames * n_bands:
        raise MessageError(
            f"payload: {len(payload)} bytes where {n_frames} frames of {n_bands} bands need {n_frames * n_bands}"
        )
    low, high = header.number("low"), header.number("high")
    if low >= high:
        raise header.error("high", f"more than low, {low:g}")
    return FramesMessage(
        **common,
        epoch=header.integer("epoch"),
        start_sample=header.integer("start_sample"),
        n_samples=header.integer("n_samples"),
        sample_rate_hz=header.integer("sample_rate_hz", low=1),
        captured_utc_ns=header.integer("captured_utc_ns"),
        model=header.binary("model", n_bytes=MODEL_BYTES),
        start_frame=header.integer("start_frame"),
        hop_samples=header.integer("hop_samples", low=1),
        low=low,
        high=high,
        # Over bytes: read-only.
        levels=np.frombuffer(payload, np.uint8).reshape(n_frames, n_bands),
    )
