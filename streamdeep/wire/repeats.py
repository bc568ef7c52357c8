"""What is said again to those who join late: per topic the newest message, when it is due.

Pure: the clock is an argument. ZeroMQ keeps nothing for joiners, so whoever subscribes to ``model/`` or
``status/`` would wait for the next one. Not here: how joins are noticed and how a message is sent
(:mod:`streamdeep.wire.publisher`).
"""

from dataclasses import dataclass
from typing import Final

from streamdeep.wire.kinds import Message

INTERVAL_NS: Final = 30_000_000_000  # also without a join: a subscriber may have lost the first one
SPACING_NS: Final = 1_000_000_000  # many joins in a row must not become many repeats


@dataclass(slots=True)
class _Kept:
    message: Message
    sent_ns: int
    repeated_ns: int | None = None
    joined: bool = False

    def due_ns(self) -> int:
        """When to repeat next; with a join at once, unless it was repeated less than a second ago."""
        if not self.joined:
            return self.sent_ns + INTERVAL_NS
        return self.sent_ns if self.repeated_ns is None else self.repeated_ns + SPACING_NS


class Repeats:
    """The newest message of each topic that joiners need."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def keep(self, topic: str, message: Message, *, now_ns: int) -> None:
        """Remember a message just sent, in place of the topic's former one.

        A join that has not been served stays unserved: this message may have gone out before the joiner's
        subscription was known.
        """
        former = self._kept.get(topic)
        kept = _Kept(message, now_ns)
        if former is not None:
            kept.repeated_ns, kept.joined = former.repeated_ns, former.joined
        self._kept[topic] = kept

    def joined(self, prefix: bytes) -> None:
        """Somebody subscribed to all topics that begin with ``prefix``."""
        for topic, kept in self._kept.items():
            if topic.encode().startswith(prefix):
                kept.joined = True

    def due(self, *, now_ns: int) -> list[tuple[str, Message]]:
        """Topics and messages to repeat now; :meth:`repeated` is to be called for each that was sent."""
        return [
            (topic, kept.message) for topic, kept in self._kept.items() if kept.due_ns() <= now_ns
        ]

    def repeated(self, topic: str, *, now_ns: int) -> None:
        """The topic's message was repeated."""
        kept = self._kept[topic]
        kept.sent_ns = kept.repeated_ns = now_ns
        kept.joined = False

    def next_due_ns(self) -> int | None:
        """When something is due next; None if nothing is kept."""
        return min((kept.due_ns() for kept in self._kept.values()), default=None)
