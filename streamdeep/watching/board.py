"""All streams of a wire: messages in, rows out. Pure: clocks are arguments.

What a subscriber counts anyhow, ages and losses on the wire, is taken from its books. Not here: sockets, and how
rows look.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from streamdeep.records import Flag
from streamdeep.watching.recent import Recent
from streamdeep.watching.row import HeardLabel, Row, State, by_trouble
from streamdeep.wire.kinds import (
    EmbeddingMessage,
    EventMessage,
    LabelMessage,
    Message,
    ModelMessage,
    StatusMessage,
)
from streamdeep.wire.tally import TopicStatistics

STREAMS_MOST: Final = 4096
STALE_S: Final = 3.5
"""A status comes once a second; so long without anything, and the stream is stale."""
LABEL_STALE_S: Final = 35.0
"""The same for a stream of which only labels come; the last one is repeated every 30 s."""
LATE_GRACE_S: Final = 1.0
_HOP_S: Final = 5.0  # until the model is known


@dataclass(slots=True)
class _Stream:
    session: bytes = b""
    heard_ns: int = 0
    ended: bool = False
    repeats_only: bool = True
    model: str = ""
    hop_s: float = _HOP_S
    segment_s: float = _HOP_S
    status: StatusMessage | None = None
    status_ns: int = 0
    newest: EmbeddingMessage | None = None
    arrivals: Recent = field(default_factory=Recent)
    latencies: Recent = field(default_factory=Recent)
    losses: Recent = field(default_factory=Recent)
    labels: dict[str, tuple[LabelMessage, int]] = field(default_factory=dict)


class Board:
    """What is known of every stream."""

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}

    def push(self, message: Message, *, now_ns: int) -> None:
        """Take a message that came at ``now_ns``, monotonic."""
        stream = self._streams.get(message.stream)
        if stream is None:
            if len(self._streams) >= STREAMS_MOST:
                return
            stream = self._streams[message.stream] = _Stream()
        if isinstance(message, LabelMessage):  # of a classifier's session, not the engine's
            stream.labels[message.head] = message, now_ns
            return
        if message.session != stream.session:
            labels = stream.labels
            stream = self._streams[message.stream] = _Stream(message.session, labels=labels)
        stream.heard_ns = now_ns
        stream.repeats_only &= Flag.REPEAT in message.flags
        match message:
            case EmbeddingMessage():
                self._embedding(stream, message, now_ns)
            case StatusMessage():
                stream.status, stream.status_ns = message, now_ns
            case EventMessage():
                stream.ended = message.event == "stop" or (
                    stream.ended and message.event != "start"
                )
            case ModelMessage():
                stream.model = message.name
                per_s = message.hop_samples / message.sample_rate_hz
                stream.hop_s = message.segment_hop_frames * per_s
                stream.segment_s = message.segment_frames * per_s

    def rows(self, topics: Mapping[str, TopicStatistics], *, now_ns: int) -> list[Row]:
        """Every stream, worst first.

        Args:
            topics: the subscriber's books, of the same moment.
            now_ns: monotonic time.
        """
        lost: dict[str, int] = {}
        for topic, book in topics.items():
            name = topic.split("/")[1]
            lost[name] = lost.get(name, 0) + book.lost
        return by_trouble(
            self._row(name, stream, topics.get(f"embedding/{name}/"), lost.get(name, 0), now_ns)
            for name, stream in self._streams.items()
        )

    def _embedding(self, stream: _Stream, message: EmbeddingMessage, now_ns: int) -> None:
        stream.newest = message
        stream.arrivals.add(now_ns, 0.0)
        if message.latency_ns and Flag.OFFLINE not in message.flags:
            stream.latencies.add(now_ns, message.latency_ns / 1e6)

    def _row(
        self,
        name: str,
        stream: _Stream,
        book: TopicStatistics | None,
        wire_lost: int,
        now_ns: int,
    ) -> Row:
        gap_s, dropped_s = _lost_sound(stream.status)
        # Only a status says what was lost before; what is lost since the first one is recent.
        if stream.status is not None:
            stream.losses.add(now_ns, gap_s + sum(dropped_s.values()) + wire_lost)
        age_s = book.age_s if book is not None and stream.newest is not None else None
        status, newest = stream.status, stream.newest
        uptime_s = None
        if status is not None:
            uptime_s = status.uptime_s + (now_ns - stream.status_ns) / 1e9
        return Row(
            stream=name,
            state=_state(stream, age_s, uptime_s, now_ns),
            model=stream.model,
            embeddings_per_s=stream.arrivals.per_second(now_ns),
            age_s=age_s,
            latency_p50_ms=stream.latencies.quantile(now_ns, 0.5),
            latency_p99_ms=stream.latencies.quantile(now_ns, 0.99),
            level_dbfs=None if newest is None else newest.level_dbfs,
            clipped=newest is not None and Flag.CLIPPED in newest.flags,
            gap_s=gap_s,
            dropped_s=dropped_s,
            wire_lost=wire_lost,
            labels=tuple(
                _heard(message, (now_ns - came_ns) / 1e9)
                for _, (message, came_ns) in sorted(stream.labels.items())
            ),
            uptime_s=status.uptime_s if stream.ended and status is not None else uptime_s,
        )


def _state(stream: _Stream, age_s: float | None, uptime_s: float | None, now_ns: int) -> State:
    if stream.ended:
        return "ended"
    if not stream.session:  # labels are all there is
        newest_ns = max(came_ns for _, came_ns in stream.labels.values())
        return "stale" if now_ns - newest_ns > LABEL_STALE_S * 1e9 else "live"
    if now_ns - stream.heard_ns > STALE_S * 1e9:
        # An engine that repeats a stream's last status and sends no new one has done with the stream.
        return "ended" if stream.repeats_only else "stale"
    if stream.status is not None and stream.status.live:
        due_s = 2 * stream.hop_s + LATE_GRACE_S
        if age_s is None:
            age_s, due_s = uptime_s or 0.0, due_s + stream.segment_s
        if age_s > due_s:
            return "late"
    return "lossy" if stream.losses.growth(now_ns) > 0 else "live"


def _lost_sound(status: StatusMessage | None) -> tuple[float, dict[str, float]]:
    """Seconds never captured, and seconds dropped by reason."""
    if status is None:
        return 0.0, {}
    rate_hz = max(1, status.clock.rate_hz)
    gap, dropped = status.counters.get("gap_samples", 0), status.counters.get("dropped", {})
    return (
        gap / rate_hz if isinstance(gap, int) else 0.0,
        {reason: count / rate_hz for reason, count in sorted(dropped.items()) if count}
        if isinstance(dropped, Mapping)
        else {},
    )


def _heard(message: LabelMessage, age_s: float) -> HeardLabel:
    confidence: float | None
    if message.sounds is None:
        confidence = message.probabilities.get(message.label)
    else:
        mine = [
            sound.confidence
            for sound in message.sounds
            if sound.label == message.label and sound.state != "end"
        ]
        confidence = mine[0] if mine else None
    return HeardLabel(
        message.head,
        message.label,
        confidence,
        age_s,
        novel=message.novel,
        drifting=message.drifting,
    )
