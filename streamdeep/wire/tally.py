"""The subscriber's books: per topic what came, was lost, was skipped, and how old the newest is.

Pure: the clocks are arguments. Not here: how losses are told from sequence numbers
(:mod:`streamdeep.wire.loss`), which topics are forgotten (:mod:`streamdeep.wire.books`), how ages are told across hosts (:mod:`streamdeep.wire.age`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from streamdeep.errors import MessageError
from streamdeep.records import Flag
from streamdeep.wire.age import Ages
from streamdeep.wire.books import Books
from streamdeep.wire.kinds import (
    EmbeddingMessage,
    EventMessage,
    LabelMessage,
    Message,
    StatusMessage,
    topic_of,
)
from streamdeep.wire.loss import LossCounter, LossStatistics
from streamdeep.wire.topics import parse_topic
from streamdeep.wire.trouble import ConnectionState

TOPICS_MOST: Final = 4096
"""A sender that invents streams must not fill the memory."""


@dataclass(frozen=True, slots=True)
class TopicStatistics:
    """One topic's account, in messages: ``sent = received + lost + before_join``.

    Attributes:
        received: arrived, each counted once.
        lost: sent but never arrived.
        before_join: sent before the first sign of the topic.
        repeated: arrived again; not in ``received``.
        skipped: received, and replaced by a newer one before it was handed out (mode ``latest``).
        epoch_changes: how often the epoch changed.
        session_changes: how often the sender changed or restarted.
        age_s: since the newest embedding's last sample was captured; None for other kinds.
        clock_offset_bound_s: what was taken off the age for differing clocks, see
            :mod:`streamdeep.wire.age`; 0 on one host, None for other kinds.
    """

    received: int
    lost: int
    before_join: int
    repeated: int
    skipped: int
    epoch_changes: int
    session_changes: int
    age_s: float | None
    clock_offset_bound_s: float | None


@dataclass(frozen=True, slots=True)
class SubscriberStatistics:
    """Everything a subscriber counts.

    Attributes:
        topics: by topic, 4,096 at most: for more, streams that ended or are silent for a minute are forgotten.
        bad: messages that were none of this protocol, by the place of the fault.
        held: embeddings that wait for their model's description now.
        unexplained: embeddings dropped because that description did not come, by stream; ``*`` is beyond 4,096 streams.
        connections: how each connection is, in the order of the addresses.
        forgotten: by kind, the sum over forgotten topics; a stream that comes back begins a new account.
    """

    topics: Mapping[str, TopicStatistics]
    bad: Mapping[str, int]
    held: int
    unexplained: Mapping[str, int]
    connections: Sequence[ConnectionState]
    forgotten: Mapping[str, LossStatistics] = field(default_factory=dict)

    @property
    def renewals(self) -> int:
        """Connections made anew because libzmq had given up on them."""
        return sum(connection.renewals for connection in self.connections)

    @property
    def lost(self) -> int:
        """Messages lost, over all topics."""
        return self._sum("lost", "")

    def received_of(self, kind: str) -> int:
        """Messages of a kind that arrived, over all its topics."""
        return self._sum("received", kind)

    def lost_of(self, kind: str) -> int:
        """Messages of a kind that were lost, over all its topics."""
        return self._sum("lost", kind)

    def _sum(self, count: str, kind: str) -> int:
        accounts = [
            account
            for found in (self.topics, self.forgotten)
            for name, account in found.items()
            if kind in ("", name.partition("/")[0])
        ]
        return sum(getattr(account, count) for account in accounts)


class Tally:
    """Books for the topics under some prefixes.

    Args:
        host: this machine, as in ``StatusMessage.host``.
        prefixes: what is subscribed to; a status also speaks of topics that are not.
    """

    def __init__(self, *, host: str, prefixes: Sequence[str]) -> None:
        self._prefixes = tuple(prefixes)
        self._ages = Ages(host)
        self._books = Books(TOPICS_MOST, self._forget)
        self._newest: dict[str, EmbeddingMessage] = {}
        self._skipped: Counter[str] = Counter()
        self.bad: Counter[str] = Counter()

    def take(self, message: Message, *, utc_ns: int) -> bool:
        """Enter a message that arrived at ``utc_ns``; whether it is new and should be handed out."""
        topic = topic_of(message)
        repeat = Flag.REPEAT in message.flags
        counter = self._counter(topic, message.stream, utc_ns=utc_ns, repeat=repeat)
        if counter is None:
            self.bad["too many topics"] += 1
            return False
        self._ages.observe(message, utc_ns=utc_ns)
        new = counter.take(
            session=message.session,
            sequence=message.sequence,
            epoch=message.epoch if isinstance(message, EmbeddingMessage | LabelMessage) else None,
        )
        if isinstance(message, StatusMessage):
            self._read_status(message, utc_ns=utc_ns)
        elif new and isinstance(message, EmbeddingMessage):
            self._newest[topic] = message
        elif new and isinstance(message, EventMessage):
            self._books.end(message.stream, ended=message.event == "stop")
        return new

    def skip(self, topic: str) -> None:
        """A received message of the topic was replaced before it was handed out."""
        self._skipped[topic] += 1

    def topics(self, *, monotonic_ns: int, utc_ns: int) -> dict[str, TopicStatistics]:
        """All accounts, with ages at the given moment."""
        return {
            topic: TopicStatistics(
                **asdict(counter.statistics()),
                skipped=self._skipped[topic],
                age_s=self._age_s(topic, monotonic_ns=monotonic_ns, utc_ns=utc_ns),
                clock_offset_bound_s=self._offset_s(topic),
            )
            for topic, counter in self._books.counters.items()
        }

    @property
    def forgotten(self) -> dict[str, LossStatistics]:
        """By kind, the sum over topics that were forgotten."""
        return dict(self._books.forgotten)

    def _counter(
        self, topic: str, stream: str, *, utc_ns: int, repeat: bool = False
    ) -> LossCounter | None:
        return self._books.counter(topic, stream, now_ns=utc_ns, repeat=repeat)

    def _forget(self, topic: str) -> None:
        self._newest.pop(topic, None)
        self._skipped.pop(topic, None)

    def _read_status(self, message: StatusMessage, *, utc_ns: int) -> None:
        repeat = Flag.REPEAT in message.flags
        for topic, last_sequence in message.sequences.items():
            if not topic.startswith(self._prefixes):
                continue
            try:
                mine = parse_topic(topic.encode(errors="replace")).stream == message.stream
            except MessageError:
                continue  # a topic of a later version
            if not mine:
                continue
            counter = self._counter(topic, message.stream, utc_ns=utc_ns, repeat=repeat)
            if counter is not None:
                counter.announce(
                    session=message.session, last_sequence=last_sequence, repeat=repeat
                )

    def _age_s(self, topic: str, *, monotonic_ns: int, utc_ns: int) -> float | None:
        newest = self._newest.get(topic)
        if newest is None:
            return None
        return self._ages.age_s(newest, monotonic_ns=monotonic_ns, utc_ns=utc_ns)

    def _offset_s(self, topic: str) -> float | None:
        newest = self._newest.get(topic)
        return None if newest is None else self._ages.clock_offset_bound_s(newest.session)
