"""Which keys an embedding has, and the place in the sound that embeddings and labels share.

Part of :mod:`streamdeep.wire.layout`, which reads and writes the keys that all kinds share.
"""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final

import numpy as np

from streamdeep.errors import MessageError
from streamdeep.wire.kinds import MODEL_BYTES, STAGES, EmbeddingMessage
from streamdeep.wire.schema import Fields

DTYPE: Final = "<f4"
DIM_MOST: Final = 262_144  # a payload of 1 MiB
PLACE_KEYS: Final = (
    "epoch",
    "start_sample",
    "n_samples",
    "sample_rate_hz",
    "captured_utc_ns",
    "model",
)
_KEYS = (*PLACE_KEYS, "latency_ns", "gap_samples")
_values_of = attrgetter(*_KEYS)


def write_embedding(message: EmbeddingMessage, header: dict[str, object]) -> bytes:
    """Put an embedding's keys into the header; its payload.

    Raises:
        ValueError: the vector is not float32.
    """
    header.update(zip(_KEYS, _values_of(message), strict=True))
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


def read_embedding(common: Mapping[str, Any], header: Fields, payload: bytes) -> EmbeddingMessage:
    """The message of a checked header and its payload.

    Raises:
        MessageError: a value is missing, of the wrong type or out of range.
    """
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
        **place(header),
        latency_ns=header.integer("latency_ns"),
        stages_ns=stages.counts(*STAGES),
        gap_samples=header.integer("gap_samples"),
        level_dbfs=header.number("level_dbfs"),
        peak_dbfs=header.number("peak_dbfs"),
        vector=vector,
        novelty=header.number("novelty") if header.has("novelty") else None,
        gain_db=header.number("gain_db") if header.has("gain_db") else 0.0,
    )


def place(header: Fields) -> dict[str, Any]:
    """What embeddings and labels say alike: which samples, captured when, which model."""
    return {
        **header.counts("epoch", "start_sample", "n_samples", "captured_utc_ns"),
        "sample_rate_hz": header.integer("sample_rate_hz", low=1),
        "model": header.binary("model", n_bytes=MODEL_BYTES),
    }
