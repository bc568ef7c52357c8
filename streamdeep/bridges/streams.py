"""Which streams there are, and which of them are there now.

Pure: the clock is an argument. A stream is *online* from its first fresh message until its ``stop``, or until
nothing came for a while. Repeats for joiners are no sign of life: they may be of a stream that ended. Not here:
whether a stream is well (:mod:`streamdeep.bridges.health`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from streamdeep.records import Flag
from streamdeep.wire.kinds import (
    EmbeddingMessage,
    EventMessage,
    LabelMessage,
    Message,
    ModelMessage,
    StatusMessage,
)

SILENCE_NS: Final = 10_000_000_000
"""A stream says how it is once a second; after so long without a word it is not there."""
LABELS_SILENCE_NS: Final = 60_000_000_000
"""The same where only a classifier is listened to, which speaks once a segment."""
HEADS_MOST: Final = 16


@dataclass(slots=True)
class Stream:
    """What is known of one stream.

    Attributes:
        name: on the wire.
        online: it is there.
        heard_ns: monotonic time of the last sign of life.
        status: the newest.
        model: the newest.
        embedding: the newest complete one.
        labels: the newest by head.
        stopped: the session that said it ended.
    """

    name: str
    online: bool = False
    heard_ns: int = 0
    status: StatusMessage | None = None
    model: ModelMessage | None = None
    embedding: EmbeddingMessage | None = None
    labels: dict[str, LabelMessage] = field(default_factory=dict)
    stopped: bytes | None = None

    @property
    def silence_ns(self) -> int:
        """How long nothing may come before the stream counts as gone."""
        return LABELS_SILENCE_NS if self.status is None else SILENCE_NS


class Streams:
    """The streams of some publishers.

    Args:
        most: streams known at a time. The one that is longest offline makes room; if none is, newcomers
            are ignored and counted.
    """

    def __init__(self, most: int = 1_000) -> None:
        self._most = most
        self._streams: dict[str, Stream] = {}
        self.ignored = 0
        """Messages of streams and heads for which there was no room."""

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._streams.values())

    def __len__(self) -> int:
        return len(self._streams)

    def get(self, name: str) -> Stream | None:
        """The stream of this name, if it is known."""
        return self._streams.get(name)

    def take(self, message: Message, now_ns: int) -> Stream | None:
        """Enter a message that came at ``now_ns``; its stream, or None if there is no room for it."""
        stream = self._streams.get(message.stream)
        if stream is None:
            if len(self._streams) >= self._most and not self._make_room():
                self.ignored += 1
                return None
            stream = self._streams[message.stream] = Stream(message.stream)
        match message:
            case StatusMessage():
                # A repeat is older than anything fresh.
                if stream.status is None or Flag.REPEAT not in message.flags:
                    stream.status = message
            case ModelMessage():
                stream.model = message
            case EmbeddingMessage() if Flag.EARLY not in message.flags:
                stream.embedding = message
            case LabelMessage():
                if message.head not in stream.labels and len(stream.labels) >= HEADS_MOST:
                    self.ignored += 1
                    return None
                stream.labels[message.head] = message
            case EventMessage(event="stop"):
                stream.stopped = message.session
                stream.online = False
                return stream
            case EventMessage(event="start"):
                stream.stopped = None
        if Flag.REPEAT not in message.flags and self._is_life(stream, message):
            stream.online = True
            stream.heard_ns = now_ns
        return stream

    def silent(self, now_ns: int) -> list[Stream]:
        """Streams that went offline because nothing came from them."""
        gone = [
            stream
            for stream in self._streams.values()
            if stream.online and now_ns - stream.heard_ns > stream.silence_ns
        ]
        for stream in gone:
            stream.online = False
        return gone

    def forget(self, now_ns: int, after_ns: int) -> list[Stream]:
        """Forget the streams that are offline for longer than ``after_ns``; those."""
        old = [
            stream
            for stream in self._streams.values()
            if not stream.online and now_ns - stream.heard_ns > after_ns
        ]
        for stream in old:
            del self._streams[stream.name]
        return old

    @staticmethod
    def _is_life(stream: Stream, message: Message) -> bool:
        if isinstance(message, LabelMessage):
            # A classifier may be behind its engine: its word counts only if the engine's is not heard.
            return stream.status is None
        # After its stop a stream says once more how it ended.
        return message.session != stream.stopped

    def _make_room(self) -> bool:
        offline = [stream for stream in self._streams.values() if not stream.online]
        if not offline:
            return False
        del self._streams[min(offline, key=lambda stream: stream.heard_ns).name]
        return True
