"""What Prometheus is told, as numbers: per stream and for the wire.

Pure: the clock is an argument. The engine's counters are reported as they are: an engine that restarts begins at
0, which is how Prometheus recognises a restart. What only we can count (losses on the wire, latencies) is counted
here. Not here: names and types of metrics (:mod:`streamdeep.bridges.prometheus`).
"""

import bisect
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from streamdeep.bridges.streams import Stream, Streams
from streamdeep.records import Flag
from streamdeep.wire.kinds import STAGES, EmbeddingMessage, Message
from streamdeep.wire.tally import SubscriberStatistics

SERIES_MOST: Final = 10_000
SERIES_PER_STREAM: Final = 26
"""At most; eight of them are reasons for which samples were dropped."""
REASONS_MOST: Final = 8
OTHER: Final = "other"
BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TOTAL: Final = "total"


class Histogram:
    """Counts of values in seconds, by upper bound."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, value_s: float) -> None:
        """One more value."""
        self._counts[bisect.bisect_left(BOUNDS_S, value_s)] += 1
        self.sum_s += value_s

    def cumulative(self) -> list[int]:
        """How many values were at most each bound; the last: all of them."""
        total = 0
        return [total := total + count for count in self._counts]


@dataclass(frozen=True, slots=True)
class WireCounts:
    """One stream's account on the wire, as counters that never fall.

    Attributes:
        received: messages.
        lost: messages.
    """

    received: int = 0
    lost: int = 0


class Gauges:
    """Everything that is told, as of the last message.

    Args:
        forget_after_s: streams that are offline for so long are left out.
        series_most: time series in all; streams beyond are ignored and counted.
    """

    def __init__(self, *, forget_after_s: float = 3600.0, series_most: int = SERIES_MOST) -> None:
        self._forget_after_ns = round(forget_after_s * 1e9)
        self.streams = Streams(max(1, series_most // SERIES_PER_STREAM))
        self.latencies: dict[str, Histogram] = {stage: Histogram() for stage in (*STAGES, TOTAL)}
        self.bad: dict[str, int] = {}
        self.renewals = 0
        self._wire: dict[str, WireCounts] = {}
        self._ages_s: dict[str, float] = {}
        self._ages_ns = 0

    def take(self, message: Message, now_ns: int) -> None:
        """A message came at ``now_ns``."""
        stream = self.streams.take(message, now_ns)
        if stream is None or not isinstance(message, EmbeddingMessage):
            return
        if message.flags & (Flag.EARLY | Flag.OFFLINE) or not message.latency_ns:
            return
        self.latencies[TOTAL].add(message.latency_ns / 1e9)
        for stage in STAGES:
            if stage in message.stages_ns:
                self.latencies[stage].add(message.stages_ns[stage] / 1e9)

    def tick(self, now_ns: int, statistics: SubscriberStatistics) -> None:
        """To be called about once a second, with the subscriber's books."""
        self.streams.silent(now_ns)
        self.streams.forget(now_ns, self._forget_after_ns)
        self.bad, self.renewals = dict(statistics.bad), statistics.renewals
        self._ages_s, self._ages_ns = {}, now_ns
        sums: dict[str, WireCounts] = {}
        for topic, account in statistics.topics.items():
            kind, name, *_ = topic.split("/")
            sofar = sums.get(name, WireCounts())
            sums[name] = WireCounts(sofar.received + account.received, sofar.lost + account.lost)
            if kind == "embedding" and account.age_s is not None:
                self._ages_s[name] = account.age_s
        # A message that was given up and came after all is taken back in the books; a counter cannot fall.
        self._wire = {
            name: WireCounts(
                max(self.wire(name).received, counts.received),
                max(self.wire(name).lost, counts.lost),
            )
            for name, counts in sums.items()
        }

    def age_s(self, stream: Stream, now_ns: int) -> float | None:
        """How long ago the last sample of the stream's newest embedding was captured."""
        age_s = self._ages_s.get(stream.name)
        return None if age_s is None else age_s + (now_ns - self._ages_ns) / 1e9

    def wire(self, name: str) -> WireCounts:
        """What came of a stream, and what did not."""
        return self._wire.get(name, WireCounts())


def counter(stream: Stream, name: str) -> int | None:
    """One of the engine's plain counters; None if it does not have it."""
    value = None if stream.status is None else stream.status.counters.get(name)
    return value if isinstance(value, int) else None


def dropped(stream: Stream) -> dict[str, int]:
    """Samples dropped by reason, the rest in one if there are more than eight."""
    found = {} if stream.status is None else stream.status.counters.get("dropped", {})
    if not isinstance(found, Mapping):
        return {OTHER: found}
    if len(found) <= REASONS_MOST:
        return dict(found)
    counts = Counter({reason: found[reason] for reason in sorted(found)[: REASONS_MOST - 1]})
    counts[OTHER] += sum(found.values()) - sum(counts.values())
    return dict(counts)
