"""What a hub keeps for joiners: per topic and session the last model, the last status, the last embeddings.

Pure: bytes in, bytes out, the clock is an argument. What was heard of a sender that has been replaced is not
kept: a joiner that got it would take the sender's successor for a restart, and count as lost what it could
not have heard. Not here: who joins, and when what is sent (:mod:`streamdeep.wire.hub`).
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from streamdeep.wire.messages import Envelope

Key = tuple[str, bytes]
"""Topic and session."""

_ORDER: Final = {"model": 0, "embedding": 1, "status": 2}
"""Embeddings after what explains them, statuses after what they speak of."""
_REPLACED_AFTER_NS: Final = 10_000_000_000


@dataclass(slots=True)
class _Sender:
    """One session of a stream."""

    source: int
    heard_ns: int
    entries: "dict[Key, deque[tuple[int, list[bytes]]]]" = field(default_factory=dict)
    """Messages and, with each, a number of its own."""


class Cache:
    """The newest messages that joiners need, within bounds.

    Args:
        n_history: embeddings per stream.
        history_bytes: of all messages together; beyond, the oldest embeddings go, of whatever stream.
        forget_after_ns: a stream of which nothing was heard for so long is forgotten.
        topics_most: messages of more topics are not kept.
    """

    def __init__(
        self,
        *,
        n_history: int = 0,
        history_bytes: int = 64 * 1024 * 1024,
        forget_after_ns: int = 600_000_000_000,
        topics_most: int = 65_536,
    ) -> None:
        self._n_history = n_history
        self._bytes_most = history_bytes
        self._forget_after_ns = forget_after_ns
        self._topics_most = topics_most
        self._senders: dict[str, dict[bytes, _Sender]] = {}  # by stream and session
        self._entries: dict[Key, deque[tuple[int, list[bytes]]]] = {}
        self._ages: dict[int, Key] = {}  # of embeddings, the oldest first
        self._n_kept = 0
        self.n_bytes = 0

    @property
    def n_streams(self) -> int:
        """Streams of which something is kept."""
        return len(self._senders)

    def keep(self, envelope: Envelope, frames: list[bytes], *, source: int, now_ns: int) -> None:
        """A message that is new to the hub came from one of its sources."""
        sender = self._senders.get(envelope.stream, {}).get(envelope.session)
        if sender is not None:
            sender.source, sender.heard_ns = source, now_ns
        most = self._n_history if envelope.kind == "embedding" else 1
        if envelope.kind not in _ORDER or most == 0:
            return
        key = (envelope.topic, envelope.session)
        if key not in self._entries and len(self._entries) >= self._topics_most:
            return
        if sender is None:
            sender = self._enter(envelope, source, now_ns)
        entry = self._entries.setdefault(key, sender.entries.setdefault(key, deque()))
        self._n_kept += 1
        entry.append((self._n_kept, frames))
        self.n_bytes += _size(frames)
        if envelope.kind == "embedding":
            self._ages[self._n_kept] = key
        if len(entry) > most:
            self._drop_oldest(entry)
        while self.n_bytes > self._bytes_most and self._ages:
            self._drop_oldest(self._entries[next(iter(self._ages.values()))])

    def matching(self, prefixes: Iterable[bytes]) -> list[Key]:
        """What those who subscribed to the prefixes should get, in the order in which they should."""
        wanted = tuple({prefix.decode("ascii", "replace") for prefix in prefixes})
        found = [key for key in self._entries if key[0].startswith(wanted)]
        return sorted(found, key=lambda key: _ORDER[key[0].partition("/")[0]])

    def messages(self, key: Key) -> list[list[bytes]]:
        """What is kept under a topic and session, the oldest first; nothing if it is forgotten."""
        return [frames for _, frames in self._entries.get(key, ())]

    def sweep(self, *, now_ns: int) -> None:
        """Forget what has not been heard for long; to be called now and then."""
        for stream, senders in list(self._senders.items()):
            for session, sender in list(senders.items()):
                silent_ns = now_ns - sender.heard_ns
                replaced = len(senders) > 1 and silent_ns > _REPLACED_AFTER_NS
                if replaced or silent_ns > self._forget_after_ns:
                    self._forget(stream, session)

    def _enter(self, envelope: Envelope, source: int, now_ns: int) -> _Sender:
        """A session not heard before ends the stream's former one from the same source: it was restarted."""
        for session, former in list(self._senders.get(envelope.stream, {}).items()):
            if former.source == source:
                self._forget(envelope.stream, session)
        sender = _Sender(source, now_ns)
        self._senders.setdefault(envelope.stream, {})[envelope.session] = sender
        return sender

    def _forget(self, stream: str, session: bytes) -> None:
        for key, entry in self._senders[stream].pop(session).entries.items():
            del self._entries[key]
            while entry:
                self._drop_oldest(entry)
        if not self._senders[stream]:
            del self._senders[stream]

    def _drop_oldest(self, entry: deque[tuple[int, list[bytes]]]) -> None:
        number, frames = entry.popleft()
        self._ages.pop(number, None)
        self.n_bytes -= _size(frames)


def _size(frames: list[bytes]) -> int:
    return sum(map(len, frames))
