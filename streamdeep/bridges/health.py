"""Is something wrong with a stream: sound lost, messages lost, or a source that stands still.

Pure: the clock is an argument. What happened once stays a problem for a minute, so that somebody who looks now
and then sees it. Not here: whether the stream is there at all (:mod:`streamdeep.bridges.streams`).
"""

from collections.abc import Mapping
from typing import Final

from streamdeep.wire.kinds import StatusMessage

REMEMBERED_NS: Final = 60_000_000_000
STILL_NS: Final = 5_000_000_000


def lost_samples(status: StatusMessage) -> int:
    """Samples that are in no embedding though they should be: gaps, and what was dropped for any reason."""
    gaps = status.counters.get("gap_samples", 0)
    return (gaps if isinstance(gaps, int) else 0) + dropped_samples(status)


def dropped_samples(status: StatusMessage) -> int:
    """Samples that were captured and dropped, for any reason."""
    dropped = status.counters.get("dropped", 0)
    return sum(dropped.values()) if isinstance(dropped, Mapping) else dropped


class Health:
    """Watches one stream."""

    def __init__(self) -> None:
        self._session: bytes | None = None
        self._lost_samples = 0
        self._lost_messages: int | None = None
        self._sample = -1
        self._moved_ns = 0
        self._still = False
        self._happened_ns: dict[str, int] = {}

    def take(self, status: StatusMessage, now_ns: int) -> None:
        """A fresh status came at ``now_ns``."""
        lost = lost_samples(status)
        if self._session is None:
            self._lost_samples = lost  # before we came
        elif status.session != self._session:
            self._lost_samples = 0
        if lost > self._lost_samples:
            self._happened_ns["samples lost"] = now_ns
        if status.session != self._session or status.clock.sample != self._sample:
            self._moved_ns = now_ns
        self._session, self._lost_samples = status.session, lost
        self._sample = status.clock.sample
        self._still = status.live and now_ns - self._moved_ns >= STILL_NS

    def take_lost_messages(self, lost: int, now_ns: int) -> None:
        """So many of the stream's messages were lost on the wire, in all."""
        if self._lost_messages is not None and lost > self._lost_messages:
            self._happened_ns["messages lost"] = now_ns
        self._lost_messages = lost

    def problems(self, now_ns: int) -> list[str]:
        """What is wrong, in words; empty if nothing is."""
        recent = [
            word
            for word, happened_ns in self._happened_ns.items()
            if now_ns - happened_ns < REMEMBERED_NS
        ]
        return sorted([*recent, "no new sound"] if self._still else recent)
