"""What a browser asked for, in the query of its address: ``?stream=room&kinds=label,status&vector=list``.

Pure. Not here: whether it may ask (:mod:`streamdeep.bridges.access`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from streamdeep.bridges.text import VECTOR_FORMS, VectorForm
from streamdeep.wire.topics import KINDS, is_name

DEFAULT_KINDS: Final = ("label", "event", "status", "model")
STREAMS_MOST: Final = 64
_KEYS: Final = ("stream", "kinds", "vector", "token")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client wants.

    Attributes:
        streams: names; all if empty.
        kinds: of message.
        vector: the form of an embedding's numbers.
    """

    streams: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset(DEFAULT_KINDS)
    vector: VectorForm = "base64"

    def takes(self, kind: str, stream: str) -> bool:
        """Whether a message of this kind and stream is wanted."""
        return kind in self.kinds and (not self.streams or stream in self.streams)


def wanted_from(query: Iterable[tuple[str, str]]) -> Wanted:
    """Read a query's keys and values; each may be repeated, and hold several names between commas.

    Raises:
        ValueError: an unknown key or name; the text is for whoever asked.
    """
    values: dict[str, list[str]] = {}
    for key, text in query:
        if key not in _KEYS:
            raise ValueError(f"unknown key in the query; there are {', '.join(_KEYS)}")
        values.setdefault(key, []).extend(part for part in text.split(",") if part)
    streams = frozenset(values.get("stream", ()))
    if len(streams) > STREAMS_MOST or not all(map(is_name, streams)):
        raise ValueError(f"stream: at most {STREAMS_MOST} names of small letters, digits and _ . -")
    kinds = frozenset(values.get("kinds", DEFAULT_KINDS))
    if not kinds <= set(KINDS):
        raise ValueError(f"kinds: there are {', '.join(KINDS)}")
    return Wanted(streams, kinds, _vector(values.get("vector", ["base64"])))


def _vector(texts: list[str]) -> VectorForm:
    match texts:
        case ["base64" | "list" | "none" as form]:
            return form
    raise ValueError(f"vector: one of {', '.join(VECTOR_FORMS)}")
