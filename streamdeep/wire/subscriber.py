"""What a listener receives through: typed messages in, checked, counted, in order.

Everything that arrives is unpacked, entered in the books, held until its model is known, and handed out. Bad
messages are counted and never raise. To be used from one thread. Not here: the socket
(:mod:`streamdeep.wire.connection`), the books (:mod:`streamdeep.wire.tally`).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, Self

from streamdeep.errors import ConfigurationError, MessageError
from streamdeep.wire.connection import Connection
from streamdeep.wire.holding import Holding
from streamdeep.wire.host import this_host
from streamdeep.wire.kinds import EventMessage, Message
from streamdeep.wire.messages import topic_of, unpack
from streamdeep.wire.security import DEFAULT_ENDPOINT
from streamdeep.wire.tally import SubscriberStatistics, Tally
from streamdeep.wire.topics import KINDS, is_name

DEFAULT_KINDS: Final = ("embedding", "event", "status", "model")


class Subscriber:
    """Messages of one or more publishers; an iterator, and a context manager.

    Statuses and models are received whether asked for or not, since losses at the end of a burst, ages and
    the meaning of embeddings depend on them; only the kinds asked for are handed out.

    Args:
        connect: one address or several; publishers may start later.
        streams: names; all if empty.
        kinds: what to hand out: ``embedding early event status model label``.
        mode: ``all`` hands out everything in order. ``latest`` is for programs that show the present:
            after a stall only the newest message of each topic is handed out, the others count as
            skipped; events are never skipped.
        timeout_s: iteration ends when nothing came for so long; None waits for ever.
        high_water_mark: messages queued. Behind it a live publisher drops.
        hold: keep embeddings back, 256 at most, until their model's description is here; usually for
            less than a second after joining.
        host: this machine, for tests.
        clock: monotonic nanoseconds.
        utc: Unix time in nanoseconds.

    Raises:
        ConfigurationError: a malformed address or stream name.
        ValueError: an unknown kind or mode.
    """

    def __init__(
        self,
        connect: str | Sequence[str] = DEFAULT_ENDPOINT,
        *,
        streams: Sequence[str] = (),
        kinds: Sequence[str] = DEFAULT_KINDS,
        mode: Literal["all", "latest"] = "all",
        timeout_s: float | None = None,
        high_water_mark: int = 256,
        hold: bool = True,
        host: str | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        utc: Callable[[], int] = time.time_ns,
    ) -> None:
        if unknown := set(kinds) - set(KINDS):
            raise ValueError(f"unknown kinds {sorted(unknown)}; there are {', '.join(KINDS)}")
        if mode not in ("all", "latest"):
            raise ValueError(f"mode is {mode!r}, it must be 'all' or 'latest'")
        for stream in streams:
            if not is_name(stream):
                raise ConfigurationError(
                    f"{stream!r} is no stream name: small letters, digits and _ . - only, at most 64"
                )
        self._handed_out = tuple(f"{kind}/" for kind in kinds)
        self._mode = mode
        self._timeout_s = timeout_s
        self._n_drained_most = 2 * high_water_mark
        self._clock = clock
        self._utc = utc
        # Status last, see Connection.
        received = [kind for kind in KINDS if kind in (*kinds, "model") and kind != "status"]
        prefixes = [
            f"{kind}/{name}"
            for kind in (*received, "status")
            for name in ([f"{stream}/" for stream in streams] or [""])
        ]
        self._tally = Tally(host=this_host() if host is None else host, prefixes=prefixes)
        self._holding = Holding() if hold else None
        self._queue: dict[str | int, Message] = {}
        self._n_queued = 0
        self._connection = Connection(
            [connect] if isinstance(connect, str) else list(connect),
            prefixes=prefixes,
            high_water_mark=high_water_mark,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Message]:
        while (message := self.receive(self._timeout_s)) is not None:
            yield message

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """The next message; None if none came in time.

        Args:
            timeout_s: how long to wait; 0 not at all, None for ever.
        """
        deadline_ns = None if timeout_s is None else time.monotonic_ns() + round(timeout_s * 1e9)
        while True:
            if self._mode == "latest":
                self._drain()
            if self._queue:
                return self._queue.pop(next(iter(self._queue)))
            remaining_s = timeout_s
            if deadline_ns is not None:
                remaining_s = max(0.0, (deadline_ns - time.monotonic_ns()) / 1e9)
            frames = self._connection.receive(remaining_s)
            if frames is None:
                return None
            self._take(frames)

    def statistics(self) -> SubscriberStatistics:
        """The books as of now; cheap enough for once a second."""
        return SubscriberStatistics(
            topics=self._tally.topics(monotonic_ns=self._clock(), utc_ns=self._utc()),
            bad=dict(self._tally.bad),
            held=0 if self._holding is None else len(self._holding),
            unexplained={} if self._holding is None else dict(self._holding.dropped),
            renewals=self._connection.renewals,
        )

    def close(self) -> None:
        """Close the socket; what is queued is lost."""
        self._connection.close()

    def _drain(self) -> None:
        # Bounded, so that a sender faster than this loop cannot keep it here.
        for _ in range(self._n_drained_most):
            frames = self._connection.receive(0)
            if frames is None:
                return
            self._take(frames)

    def _take(self, frames: list[bytes]) -> None:
        try:
            message = unpack(frames)
        except MessageError as error:
            # Every such text begins with the place of the fault, one of messages.REASONS.
            self._tally.bad[str(error).partition(":")[0]] += 1
            return
        if not self._tally.take(message, utc_ns=self._utc()):
            return
        for ready in [message] if self._holding is None else self._holding.push(message):
            self._enqueue(ready)

    def _enqueue(self, message: Message) -> None:
        topic = topic_of(message)
        if not topic.startswith(self._handed_out):
            return
        key: str | int = topic
        if self._mode == "all" or isinstance(message, EventMessage):
            self._n_queued += 1
            key = self._n_queued
        elif self._queue.pop(topic, None) is not None:
            self._tally.skip(topic)
        self._queue[key] = message
