"""Which keys a label has: its sounds, and what is said of novelty.

Part of :mod:`streamdeep.wire.layout`, which reads and writes the keys that all kinds share.
"""

from collections.abc import Mapping
from typing import Any, Final

from streamdeep.records import Sound
from streamdeep.wire.embeddinglayout import PLACE_KEYS, place
from streamdeep.wire.kinds import LabelMessage
from streamdeep.wire.schema import Fields
from streamdeep.wire.topics import Topic

SOUNDS_MOST: Final = 64
_SOUND_KEYS = ("state", "label", "start_sample", "n_samples", "confidence", "reason")
_NOVELTY_KEYS = ("novelty", "novelty_rate", "novel", "drifting")


def write_label(message: LabelMessage, header: dict[str, object]) -> dict[str, object]:
    """Put a label's keys into the header; its payload."""
    header |= {key: getattr(message, key) for key in ("head", *PLACE_KEYS)}
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


def read_label(
    common: Mapping[str, Any], topic: Topic, header: Fields, payload: Fields
) -> LabelMessage:
    """The message of a checked header and an unchecked payload.

    Raises:
        MessageError: a value is missing, of the wrong type or out of range.
    """
    if header.name("head") != topic.head:
        raise header.error("head", f"{topic.head!r} as in the topic")
    chances = payload.section("probabilities", most=1024)
    return LabelMessage(
        **common,
        **place(header),
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
    return Sound(
        state=sound.word("state"),
        label=sound.text("label", longest=160),
        start_sample=sound.integer("start_sample"),
        n_samples=sound.integer("n_samples"),
        confidence=sound.number("confidence", low=0.0, high=1.0),
        reason=sound.text("reason"),
    )
