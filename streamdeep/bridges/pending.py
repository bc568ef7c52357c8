"""What waits for the broker: the newest of each state, and a bounded line of what has no successor.

Pure. While the broker is away, or slow, a state (a status, a label, whether a stream is there) is replaced by its
successor; what is said once (an event, an embedding) waits in line, and the oldest is given up when the line is
full. What was sent and not confirmed when the connection ended is sent again. So every publication ends in
exactly one place: ``taken = confirmed + superseded + given up + waiting + unconfirmed``.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Publication:
    """One thing to tell the broker.

    Attributes:
        topic: without wildcards.
        payload: as it goes out; of a state, empty takes it back.
        state: the broker retains it for those who come later, and a newer one replaces it.
    """

    topic: str
    payload: bytes
    state: bool


class Pending:
    """What waits, in order.

    Args:
        most: events and the like that wait at a time. States are as many as there are topics.
    """

    def __init__(self, most: int = 1_000) -> None:
        self._most = most
        self._waiting: dict[str | int, Publication] = {}
        self._n_once = 0  # how many of them are no state
        self._numbered = 0
        self._sent: dict[int, Publication] = {}
        self._states: dict[str, Publication] = {}
        self.taken = 0
        """Publications put here, those that are told again after a reconnection included."""
        self.confirmed = 0
        self.superseded = 0
        self.given_up = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def unconfirmed(self) -> int:
        """How many were sent and are not confirmed yet."""
        return len(self._sent)

    def put(self, publication: Publication) -> None:
        """Have something told; a state that is as it was is not told again."""
        if publication.state:
            if self._states.get(publication.topic) == publication:
                return
            self._states[publication.topic] = publication
        self.taken += 1
        self._enqueue(publication)

    def next(self) -> Publication | None:
        """Take what is to be told next, if anything is."""
        if not self._waiting:
            return None
        publication = self._waiting.pop(next(iter(self._waiting)))
        self._n_once -= not publication.state
        if publication.state and not publication.payload:
            self._states.pop(publication.topic, None)
        return publication

    def sent(self, number: int, publication: Publication) -> None:
        """It was sent under this number."""
        self._sent[number] = publication

    def confirm(self, number: int) -> None:
        """The broker has what was sent under this number."""
        if self._sent.pop(number, None) is not None:
            self.confirmed += 1

    def disconnected(self) -> None:
        """The connection ended: what is unconfirmed waits again, before all that waits already."""
        waiting, self._waiting, self._n_once = self._waiting, {}, 0
        unconfirmed, self._sent = self._sent, {}
        for publication in (*unconfirmed.values(), *waiting.values()):
            self._enqueue(publication)

    def connected(self) -> None:
        """A connection stands: the broker may have forgotten, so all states are told again."""
        for publication in self._states.values():
            if publication.topic not in self._waiting:
                self.taken += 1
                self._enqueue(publication)

    def _enqueue(self, publication: Publication) -> None:
        if publication.state:
            self.superseded += publication.topic in self._waiting
            # In its predecessor's place, so that what changes often still gets its turn.
            self._waiting[publication.topic] = publication
            return
        self._numbered += 1
        self._waiting[self._numbered] = publication
        self._n_once += 1
        if self._n_once > self._most:
            oldest = next(key for key, waits in self._waiting.items() if not waits.state)
            del self._waiting[oldest]
            self._n_once -= 1
            self.given_up += 1
