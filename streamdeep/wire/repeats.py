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
MOST_AT_ONCE: Final = 32  # who subscribes to a thousand streams must not hold up their frames


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
        # Nothing is due before; it is found out again when that time has come, not at every question.
        self._not_before_ns: int | None = None

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
        if self._not_before_ns is not None:
            self._not_before_ns = min(self._not_before_ns, kept.due_ns())

    def joined(self, prefix: bytes) -> None:
        """Somebody subscribed to all topics that begin with ``prefix``."""
        for topic, kept in self._kept.items():
            if topic.encode().startswith(prefix):
                kept.joined = True
                self._not_before_ns = None

    def due(self, *, now_ns: int) -> list[tuple[str, Message]]:
        """Topics and messages to repeat now, a few at once; :meth:`repeated` is to be called for each that was sent."""
        next_ns = self.next_due_ns()
        if next_ns is None or next_ns > now_ns:
            return []
        found = [
            (topic, kept.message) for topic, kept in self._kept.items() if kept.due_ns() <= now_ns
        ]
        if not found:  # newer ones have taken their place
            self._not_before_ns = None
        return found[:MOST_AT_ONCE]

    def repeated(self, topic: str, *, now_ns: int) -> None:
        """The topic's message was repeated."""
        kept = self._kept[topic]
        kept.sent_ns = kept.repeated_ns = now_ns
        kept.joined = False
        self._not_before_ns = None

    def next_due_ns(self) -> int | None:
        """When something may be due next; None if nothing is kept."""
        if self._not_before_ns is None:
            self._not_before_ns = min((kept.due_ns() for kept in self._kept.values()), default=None)
        return self._not_before_ns
