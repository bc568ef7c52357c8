"""A subscriber at the engine itself that loses nothing: what was published is what it received."""

import threading
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamdeep.records import Flag
from streamdeep.wire import EmbeddingMessage, EventMessage, StatusMessage, Subscriber
from streamdeep.wire.kinds import topic_of


@dataclass(frozen=True, slots=True)
class Heard:
    """An embedding, without what differs between a run and its replay."""

    sequence: int
    epoch: int
    start_sample: int
    n_samples: int
    gap_samples: int
    flags: int
    level_dbfs: float
    peak_dbfs: float
    vector: bytes

    @property
    def crc32(self) -> int:
        """Of the vector."""
        return zlib.crc32(self.vector)


def heard(message: EmbeddingMessage) -> Heard:
    """What is kept of a message."""
    return Heard(
        sequence=message.sequence,
        epoch=message.epoch,
        start_sample=message.start_sample,
        n_samples=message.n_samples,
        gap_samples=message.gap_samples,
        flags=int(message.flags & ~Flag.OFFLINE),
        level_dbfs=message.level_dbfs,
        peak_dbfs=message.peak_dbfs,
        vector=np.ascontiguousarray(message.vector).tobytes(),
    )


def unaccounted(counters: Any) -> int:
    """Samples of a ledger that are nowhere."""
    settled = counters["embedded"] + counters["skipped"] + sum(counters["dropped"].values())
    return int(counters["captured"] - settled - counters["in_flight"])


class Witness:
    """Listens from a thread of its own, until it is closed.

    Attributes:
        embeddings: by stream, in order.
        published: how many messages were published under each topic, by their sequence numbers.
        events: ``(stream, event, samples, epoch, at_sample)``, in order.
        counters: the newest ledger of each stream, as its status said.
        n_statuses: ledgers checked.
        wrong: ledgers in which samples were nowhere.
    """

    def __init__(self, endpoint: str) -> None:
        self.embeddings: dict[str, list[Heard]] = {}
        self.published: dict[str, int] = {}
        self.events: list[tuple[str, str, int, int, int]] = []
        self.counters: dict[str, dict[str, Any]] = {}
        self.n_statuses = 0
        self.wrong: list[str] = []
        self._over = threading.Event()
        self._subscriber = Subscriber(
            endpoint, kinds=("embedding", "event", "status", "model"), high_water_mark=100_000
        )
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while (message := self._subscriber.receive(0.3)) is not None or not self._over.is_set():
            if message is None:
                continue
            topic = topic_of(message)
            self.published[topic] = max(self.published.get(topic, 0), message.sequence + 1)
            if isinstance(message, EmbeddingMessage):
                self.embeddings.setdefault(message.stream, []).append(heard(message))
            elif isinstance(message, EventMessage):
                self.events.append(
                    (
                        message.stream,
                        message.event,
                        message.n_samples,
                        message.epoch,
                        message.at_sample,
                    )
                )
            elif isinstance(message, StatusMessage):
                self._check(message)

    def _check(self, message: StatusMessage) -> None:
        counters: dict[str, Any] = dict(message.counters)
        self.counters[message.stream] = counters
        self.n_statuses += 1
        if unaccounted(counters):
            self.wrong.append(f"{message.stream}: {counters}")

    def close(self) -> dict[str, int]:
        """Its books, after all that is on the way has come."""
        self._over.set()
        self._thread.join()
        books = self._subscriber.statistics()
        self._subscriber.close()
        received = sum(found.received for found in books.topics.values())
        before = sum(found.before_join for found in books.topics.values())
        return {"received": received, "lost": books.lost, "before_join": before}
