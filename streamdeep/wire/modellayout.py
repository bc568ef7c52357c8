"""Which keys the description of a model has.

Part of :mod:`streamdeep.wire.layout`, which reads and writes the keys that all kinds share.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

from streamdeep.records import NoveltyScale
from streamdeep.wire.kinds import DIGEST_BYTES, ModelMessage
from streamdeep.wire.schema import TEXT_MOST, Fields
from streamdeep.wire.topics import Topic

QUANTILES_MOST: Final = 64
_COUNTS = (
    "dim",
    "sample_rate_hz",
    "hop_samples",
    "window_samples",
    "segment_frames",
    "segment_hop_frames",
    "source_rate_hz",
    "source_channels",
)
_KEYS = ("digest", "name", *_COUNTS, "incremental", "frontend_json", "version")


def write_model(message: ModelMessage) -> dict[str, object]:
    """The payload."""
    about: dict[str, object] = {key: getattr(message, key) for key in _KEYS}
    if message.novelty is not None:
        about["novelty"] = {
            "probabilities": list(message.novelty.probabilities),
            "quantiles": list(message.novelty.quantiles),
        }
    return about


def read_model(
    common: Mapping[str, Any], _topic: Topic, _header: Fields, payload: Fields
) -> ModelMessage:
    """The message of an unchecked payload.

    Raises:
        MessageError: a value is missing, of the wrong type or out of range.
    """
    counts: dict[str, Any] = {key: payload.integer(key, low=1) for key in _COUNTS}
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
