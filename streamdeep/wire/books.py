"""Accounts of topics, bounded: to make room for new ones, streams that have ended or fallen silent are forgotten.

Pure: the clock is an argument. A stream's accounts are forgotten together: its events may be hours apart while it
speaks every second. What they held is kept as a sum for each kind. A stream that comes back after that is like one
that was just joined. Not here: how losses are told from sequence numbers (:mod:`streamdeep.wire.loss`).
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from operator import add
from typing import Final

from streamdeep.wire.loss import LossCounter, LossStatistics

SILENT_NS: Final = 60_000_000_000
"""Who spoke since is not forgotten, so that a sender that invents streams pushes out nobody;"""
ENDED_NS: Final = 5_000_000_000
"""who said that it ended, after so long: one that lives all the same speaks every second."""
_PARTS: Final = 8  # so much of the room is made at once, so that streams are seldom sorted


@dataclass(slots=True)
class _Stream:
    heard_ns: int
    topics: list[str] = field(default_factory=list)
    ended: bool = False


class Books:
    """The counters of at most so many topics.

    Args:
        most: topics.
        forget: told of every topic that is forgotten.

    Attributes:
        counters: by topic.
        forgotten: by kind, the sum over topics that were forgotten.
    """

    def __init__(self, most: int, forget: Callable[[str], object] = lambda _: None) -> None:
        self.counters: Final[dict[str, LossCounter]] = {}
        self.forgotten: Final[dict[str, LossStatistics]] = {}
        self._most = most
        self._streams: dict[str, _Stream] = {}
        self._tell = forget

    @property
    def lost(self) -> int:
        """Messages lost, over all topics that ever were."""
        return sum(one.lost for one in self.forgotten.values()) + sum(
            counter.statistics().lost for counter in self.counters.values()
        )

    def counter(
        self, topic: str, stream: str, *, now_ns: int, repeat: bool = False
    ) -> LossCounter | None:
        """A topic's counter; None if there is no room for another one.

        Args:
            topic: of a message that came, or was announced.
            stream: the topic's.
            now_ns: by any clock, always the same.
            repeat: it was sent before, so it does not say that the stream lives, and makes no room for it.
        """
        found = self.counters.get(topic)
        if found is not None:
            if not repeat:
                self._streams[stream].heard_ns = now_ns
            return found
        known = self._streams.get(stream)
        if len(self.counters) >= self._most and (known is not None or not repeat):
            self._make_room(now_ns, spare=stream)
        if len(self.counters) >= self._most:
            return None
        if known is None:
            known = self._streams[stream] = _Stream(now_ns)
        elif not repeat:
            known.heard_ns = now_ns
        known.topics.append(topic)
        found = self.counters[topic] = LossCounter()
        return found

    def end(self, stream: str, *, ended: bool = True) -> None:
        """A stream said that it ended, or that it goes on."""
        known = self._streams.get(stream)
        if known is not None:
            known.ended = ended

    def _make_room(self, now_ns: int, *, spare: str) -> None:
        old = [
            (not one.ended, one.heard_ns, name)
            for name, one in self._streams.items()
            # Also if the clock was put back: who lives is soon heard by the new time.
            if name != spare
            and abs(now_ns - one.heard_ns) >= (ENDED_NS if one.ended else SILENT_NS)
        ]
        for _, _, name in sorted(old):
            self._forget(name)
            if len(self.counters) <= self._most - max(1, self._most // _PARTS):
                return

    def _forget(self, stream: str) -> None:
        for topic in self._streams.pop(stream).topics:
            kind, account = topic.partition("/")[0], self.counters.pop(topic).statistics()
            self.forgotten[kind] = _sum(self.forgotten.get(kind, LossStatistics()), account)
            self._tell(topic)


def _sum(one: LossStatistics, other: LossStatistics) -> LossStatistics:
    return LossStatistics(*map(add, astuple(one), astuple(other)))
