"""Messages -> what is published over MQTT: topics, payloads, and what the broker retains.

Pure: the clock is an argument. Topics are ``<prefix>/<stream>/availability | status | event | label/<head> |
embedding`` and ``<prefix>/bridge/state | status``. Names on the wire hold no character that MQTT treats specially.
Not here: sending (:mod:`streamdeep.bridges.mqtt`), what Home Assistant is told (:mod:`streamdeep.bridges.homeassistant`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from streamdeep.bridges.health import Health, lost_samples
from streamdeep.bridges.homeassistant import EXPIRE_S, Discovery
from streamdeep.bridges.pending import Publication
from streamdeep.bridges.streams import Stream, Streams
from streamdeep.bridges.text import as_json, as_line, compact, vector_bytes
from streamdeep.records import Flag
from streamdeep.wire.kinds import (
    EmbeddingMessage,
    EventMessage,
    LabelMessage,
    Message,
    StatusMessage,
)
from streamdeep.wire.tally import SubscriberStatistics
from streamdeep.wire.topics import is_name

EmbeddingForm = Literal["off", "raw", "json"]
EMBEDDING_FORMS: Final = ("off", "raw", "json")


@dataclass(frozen=True, slots=True)
class Layout:
    """How messages are published.

    Attributes:
        prefix: of all topics.
        discovery_prefix: Home Assistant's; empty: it is not told.
        every_s: a status, and a label whose text, novelty and drift stay the same, at most so often; 0: all.
        embeddings: not, as raw little-endian float32, or as JSON.
    """

    prefix: str = "streamdeep"
    discovery_prefix: str = "homeassistant"
    every_s: float = 10.0
    embeddings: EmbeddingForm = "off"


class _Said:
    """What was last said of a stream, and when."""

    def __init__(self) -> None:
        self.health = Health()
        self.document: tuple[object, ...] | None = None
        self.status_ns = -math.inf
        self.problems: list[str] = []
        self.labels: dict[str, tuple[tuple[str, bool | None, bool | None], int]] = {}
        self.lost_messages = 0


class Publications:
    """Turns messages into publications.

    Args:
        layout: how.
        streams_most: streams at a time; those of more are ignored and counted.
    """

    def __init__(self, layout: Layout, *, streams_most: int = 1_000) -> None:
        self._layout = layout
        self._every_ns = layout.every_s * 1e9
        self.streams = Streams(streams_most)
        self._said: dict[str, _Said] = {}
        self._discovery = Discovery(
            layout.prefix,
            layout.discovery_prefix,
            expire_s=max(EXPIRE_S, math.ceil(3 * layout.every_s)),
        )

    def bridge(self, status: Mapping[str, Any]) -> list[Publication]:
        """How the bridge itself is; first what must be known of it."""
        publications = [
            self._state("bridge/state", b"online"),
            self._state("bridge/status", compact(status).encode()),
        ]
        if self._layout.discovery_prefix:
            document = compact(self._discovery.bridge()).encode()
            publications.insert(0, Publication(self._discovery.topic(), document, state=True))
        return publications

    def take(self, message: Message, now_ns: int) -> list[Publication]:
        """What a message that came at ``now_ns`` gives."""
        known = self.streams.get(message.stream)
        was_online = known is not None and known.online
        stream = self.streams.take(message, now_ns)
        if stream is None:
            return []
        said = self._said.setdefault(stream.name, _Said())
        publications = self._content(message, stream, said, now_ns)
        if stream.online != was_online:
            publications.insert(0, self._availability(stream))
        if stream.online:
            publications[:0] = self._document(stream, said)
        return publications

    def tick(self, now_ns: int, statistics: SubscriberStatistics) -> list[Publication]:
        """To be called about once a second: streams that went silent, messages that were lost."""
        lost: dict[str, int] = {}
        for topic, account in statistics.topics.items():
            name = topic.split("/")[1]
            lost[name] = lost.get(name, 0) + account.lost
        for name in [name for name in self._said if self.streams.get(name) is None]:
            del self._said[name]
        for name, said in self._said.items():
            said.lost_messages = lost.get(name, 0)
            said.health.take_lost_messages(said.lost_messages, now_ns)
        return [self._availability(stream) for stream in self.streams.silent(now_ns)]

    def found(self, topic: str, payload: bytes) -> list[Publication]:
        """The broker retained this from an earlier run: a stream that is not there is not online."""
        prefix, _, rest = topic.removeprefix(f"{self._layout.prefix}/").partition("/")
        if rest != "availability" or payload != b"online" or not is_name(prefix):
            return []
        stream = self.streams.get(prefix)
        if stream is not None and stream.online:
            return []
        return [self._state(f"{prefix}/availability", b"offline")]

    def _content(
        self, message: Message, stream: Stream, said: _Said, now_ns: int
    ) -> list[Publication]:
        repeat = Flag.REPEAT in message.flags
        match message:
            case StatusMessage() if not repeat:
                said.health.take(message, now_ns)
                return self._status(stream, said, now_ns)
            case LabelMessage() if not repeat:
                return self._label(message, said, now_ns)
            case EventMessage():
                return [self._once(f"{message.stream}/event", as_line(message).encode())]
            case EmbeddingMessage() if Flag.EARLY not in message.flags:
                return self._embedding(message)
        return []

    def _status(self, stream: Stream, said: _Said, now_ns: int) -> list[Publication]:
        assert stream.status is not None
        problems = said.health.problems(now_ns)
        due = now_ns - said.status_ns >= self._every_ns
        if not due and problems == said.problems:
            return []
        said.status_ns, said.problems = now_ns, problems
        newest = stream.embedding
        values = as_json(stream.status)
        for name in ("kind", "sequences", "flags", "sequence"):
            del values[name]
        values |= {
            "level_dbfs": None if newest is None else round(newest.level_dbfs, 2),
            "peak_dbfs": None if newest is None else round(newest.peak_dbfs, 2),
            "latency_ms": _latency_ms(newest),
            "lost_samples": lost_samples(stream.status),
            "lost_messages": said.lost_messages,
            "problems": problems,
        }
        return [self._state(f"{stream.name}/status", compact(values).encode())]

    def _label(self, message: LabelMessage, said: _Said, now_ns: int) -> list[Publication]:
        found = message.label, message.novel, message.drifting
        before, before_ns = said.labels.get(message.head, (None, -math.inf))
        if found == before and now_ns - before_ns < self._every_ns:
            return []
        said.labels[message.head] = (found, now_ns)
        topic = f"{message.stream}/label/{message.head}"
        return [self._state(topic, as_line(message).encode())]

    def _embedding(self, message: EmbeddingMessage) -> list[Publication]:
        if self._layout.embeddings == "off":
            return []
        raw = self._layout.embeddings == "raw"
        payload = vector_bytes(message) if raw else as_line(message).encode()
        return [self._once(f"{message.stream}/embedding", payload)]

    def _document(self, stream: Stream, said: _Said) -> list[Publication]:
        model = None if stream.model is None else (stream.model.name, stream.model.version)
        described = (model, *stream.labels)
        if described == said.document or not self._layout.discovery_prefix:
            return []
        said.document = described
        document = self._discovery.stream(stream.name, model=stream.model, heads=stream.labels)
        topic = self._discovery.topic(stream.name)
        return [Publication(topic, compact(document).encode(), state=True)]

    def _availability(self, stream: Stream) -> Publication:
        return self._state(
            f"{stream.name}/availability", b"online" if stream.online else b"offline"
        )

    def _state(self, topic: str, payload: bytes) -> Publication:
        return Publication(f"{self._layout.prefix}/{topic}", payload, state=True)

    def _once(self, topic: str, payload: bytes) -> Publication:
        return Publication(f"{self._layout.prefix}/{topic}", payload, state=False)


def _latency_ms(newest: EmbeddingMessage | None) -> float | None:
    """Of a live stream whose capture times are known."""
    if newest is None or not newest.latency_ns or Flag.OFFLINE in newest.flags:
        return None
    return round(newest.latency_ns / 1e6, 3)
