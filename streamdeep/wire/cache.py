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
class _Entry:
    envelope: Envelope
    source: int
    kept: deque[tuple[int, list[bytes]]] = field(default_factory=deque)  # with a number of its own


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
        self._entries: dict[Key, _Entry] = {}
        self._sessions: dict[str, dict[bytes, None]] = {}  # by topic
        self._heard_ns: dict[tuple[str, bytes], int] = {}  # by stream and session
        self._ages: dict[int, Key] = {}  # of embeddings, the oldest first
        self._n_kept = 0
        self.n_bytes = 0

    @property
    def n_streams(self) -> int:
        """Streams of which something is kept."""
        return len({entry.envelope.stream for entry in self._entries.values()})

    def keep(self, envelope: Envelope, frames: list[bytes], *, source: int, now_ns: int) -> None:
        """A message that is new to the hub came from one of its sources."""
        self._heard_ns[envelope.stream, envelope.session] = now_ns
        most = self._n_history if envelope.kind == "embedding" else 1
        if envelope.kind not in _ORDER or most == 0:
            return
        key = (envelope.topic, envelope.session)
        entry = self._entries.get(key)
        if entry is None:
            if len(self._entries) >= self._topics_most:
                return
            self._replace(envelope.topic, source)
            entry = self._entries[key] = _Entry(envelope, source)
            self._sessions.setdefault(envelope.topic, {})[envelope.session] = None
        entry.source = source
        self._n_kept += 1
        entry.kept.append((self._n_kept, frames))
        self.n_bytes += _size(frames)
        if envelope.kind == "embedding":
            self._ages[self._n_kept] = key
        if len(entry.kept) > most:
            self._drop_oldest(entry)
        while self.n_bytes > self._bytes_most and self._ages:
            self._drop_oldest(self._entries[next(iter(self._ages.values()))])

    def matching(self, prefixes: Iterable[bytes]) -> list[Key]:
        """What those who subscribed to the prefixes should get, in the order in which they should."""
        wanted = tuple({prefix.decode("ascii", "replace") for prefix in prefixes})
        found = [key for key in self._entries if key[0].startswith(wanted)]
        return sorted(found, key=lambda key: _ORDER[self._entries[key].envelope.kind])

    def messages(self, key: Key) -> list[list[bytes]]:
        """What is kept under a topic and session, the oldest first; nothing if it is forgotten."""
        entry = self._entries.get(key)
        return [] if entry is None else [frames for _, frames in entry.kept]

    def sweep(self, *, now_ns: int) -> None:
        """Forget what has not been heard for long; to be called now and then."""
        for key, entry in list(self._entries.items()):
            silent_ns = now_ns - self._heard_ns[entry.envelope.stream, entry.envelope.session]
            replaced = len(self._sessions[key[0]]) > 1 and silent_ns > _REPLACED_AFTER_NS
            if replaced or silent_ns > self._forget_after_ns:
                self._forget(key)
        for stream_session, heard_ns in list(self._heard_ns.items()):
            if now_ns - heard_ns > self._forget_after_ns:
                del self._heard_ns[stream_session]

    def _replace(self, topic: str, source: int) -> None:
        """A new session on a topic ends the former one from the same source: its sender was restarted."""
        for session in list(self._sessions.get(topic, ())):
            if self._entries[topic, session].source == source:
                self._forget((topic, session))

    def _forget(self, key: Key) -> None:
        entry = self._entries.pop(key)
        while entry.kept:
            self._drop_oldest(entry)
        del self._sessions[key[0]][key[1]]
        if not self._sessions[key[0]]:
            del self._sessions[key[0]]

    def _drop_oldest(self, entry: _Entry) -> None:
        number, frames = entry.kept.popleft()
        self._ages.pop(number, None)
        self.n_bytes -= _size(frames)


def _size(frames: list[bytes]) -> int:
    return sum(map(len, frames))
