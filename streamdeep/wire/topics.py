"""Topic and stream names, pure text.

A topic is ``<kind>/<stream>/``, for labels ``label/<stream>/<head>/``. It ends in a slash because ZeroMQ
matches subscriptions by prefix: without it a subscriber of ``mic1`` would also get ``mic10``. Not here:
what travels under a topic (:mod:`streamdeep.wire.kinds`).
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from streamdeep.errors import MessageError

KINDS = ("embedding", "early", "event", "status", "model", "label")
"""What is published."""
ASKED_KINDS = ("frames",)
"""What an engine publishes only if it was asked to."""
INWARD_KINDS = ("audio", "credit")
"""Sound on its way to an engine, and the engine's answers."""
RAW_KINDS = ("embedding", "early", "audio", "frames")
"""Their payload is raw; all others' is a map."""
NAME_CHARACTERS = 64
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
# label/ + two names + two slashes, rounded up; longer ones are refused before they are decoded.
_TOPIC_BYTES = 160
_ANY_TOPIC = re.compile(
    rb"(?P<kind>[a-z][a-z0-9_]{0,31})/(?P<stream>[a-z0-9][a-z0-9_.-]{0,63})/([a-z0-9][a-z0-9_.-]{0,63}/)?"
)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic taken apart.

    Attributes:
        kind: one of :data:`KINDS`, :data:`ASKED_KINDS` or :data:`INWARD_KINDS`.
        stream: the stream's name.
        head: the head's name for ``label``, else empty.
    """

    kind: str
    stream: str
    head: str = ""

    def __str__(self) -> str:
        return (
            f"{self.kind}/{self.stream}/{self.head}/"
            if self.head
            else f"{self.kind}/{self.stream}/"
        )


def is_name(text: str) -> bool:
    """Whether a text may name a stream or a head: ``[a-z0-9][a-z0-9_.-]{0,63}``."""
    return _NAME.fullmatch(text) is not None


@lru_cache(maxsize=4096)  # a program meets the same topics again and again
def parse_topic(topic: bytes) -> Topic:
    """Take a topic apart.

    Raises:
        MessageError: it is no topic of this protocol.
    """
    if len(topic) > _TOPIC_BYTES:
        raise MessageError(f"topic: {len(topic)} bytes, at most {_TOPIC_BYTES} are allowed")
    kind, *names = topic.decode("ascii", "replace").split("/")
    if kind not in (*KINDS, *ASKED_KINDS, *INWARD_KINDS):
        raise MessageError(f"topic: {kind[:32]!r} is no kind of message that this version knows")
    n_names = 2 if kind == "label" else 1
    if len(names) != n_names + 1 or names[-1] != "" or not all(map(is_name, names[:-1])):
        raise MessageError(f"topic: {topic!r} is not <kind>/<stream>/ or label/<stream>/<head>/")
    return Topic(kind, *names[:-1])


def take_apart(topic: bytes) -> tuple[str, str]:
    """Kind and stream of a topic, also of kinds that this version does not know.

    Raises:
        MessageError: it is no topic.
    """
    found = _ANY_TOPIC.fullmatch(topic) if len(topic) <= _TOPIC_BYTES else None
    if found is None:
        raise MessageError(
            f"topic: {topic[:_TOPIC_BYTES]!r} is not <kind>/<stream>/ nor <kind>/<stream>/<name>/"
        )
    return found["kind"].decode(), found["stream"].decode()


def stream_name(text: str) -> str:
    """The nearest legal stream name, for names made of host and source.

    Legal names stay as they are. Others lose accents and case; every run of other characters becomes one
    hyphen; what is left is cut to 64 characters, and is ``stream`` if nothing is. Two texts may give
    the same name: keeping streams apart is the caller's business.
    """
    if is_name(text):
        return text
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    joined = re.sub(r"[^a-z0-9_.]+", "-", plain)
    return joined.lstrip("_.-")[:NAME_CHARACTERS].rstrip("-") or "stream"
