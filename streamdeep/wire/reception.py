"""What every subscriber does, however it waits: messages in, checked, counted, in order.

Everything that arrives is unpacked, entered in the books, held until its model is known, and queued to be
handed out. Bad messages are counted and never raise. Nothing here waits. Not here: waiting, in a thread
(:mod:`streamdeep.wire.subscriber`) or in an event loop (:mod:`streamdeep.wire.async_subscriber`); the sockets
(:mod:`streamdeep.wire.connection`); the books (:mod:`streamdeep.wire.tally`).
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal

from streamdeep.errors import ConfigurationError, MessageError
from streamdeep.wire.connection import Connection
from streamdeep.wire.holding import Holding
from streamdeep.wire.host import this_host
from streamdeep.wire.keys import load_identity
from streamdeep.wire.kinds import EventMessage, Message
from streamdeep.wire.messages import topic_of, unpack
from streamdeep.wire.security import DEFAULT_ENDPOINT
from streamdeep.wire.tally import SubscriberStatistics, Tally
from streamdeep.wire.topics import ASKED_KINDS, KINDS, is_name
from streamdeep.wire.trouble import ConnectionState

DEFAULT_KINDS: Final = ("embedding", "event", "status", "model")
_QUEUED_MOST: Final = 8192  # more topics than this one does not show, more events one does not read


class Reception:
    """The part of a subscriber that does not wait; abstract: its two subclasses only add waiting.

    Statuses and models are received whether asked for or not, since losses at the end of a burst, ages and
    the meaning of embeddings depend on them; only the kinds asked for are handed out.

    Args:
        connect: one address or several; publishers may start later.
        streams: names; all if empty.
        kinds: what to hand out: ``embedding early event status model label``, and ``frames``.
        mode: ``all`` hands out everything in order. ``latest`` is for programs that show the present:
            after a stall only the newest message of each topic is handed out, the others count as
            skipped; events are never skipped.
        timeout_s: iteration ends when nothing came for so long; None waits for ever.
        high_water_mark: messages queued. Behind it a live publisher drops.
        hold: keep embeddings back, 256 at most, until their model's description is here; usually for
            less than a second after joining.
        identity: our ``.key_secret`` file, for publishers that encrypt; their addresses then end in
            ``?server-key=FILE``, their public key.
        host: this machine, for tests.
        clock: monotonic nanoseconds.
        utc: Unix time in nanoseconds.

    Attributes:
        timeout_s: as given.

    Raises:
        ConfigurationError: a malformed address or stream name, or a key file that cannot be read.
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
        identity: str | Path | None = None,
        host: str | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        utc: Callable[[], int] = time.time_ns,
    ) -> None:
        known = (*KINDS, *ASKED_KINDS)
        if unknown := set(kinds) - set(known):
            raise ValueError(f"unknown kinds {sorted(unknown)}; there are {', '.join(known)}")
        if mode not in ("all", "latest"):
            raise ValueError(f"mode is {mode!r}, it must be 'all' or 'latest'")
        for stream in streams:
            if not is_name(stream):
                raise ConfigurationError(
                    f"{stream!r} is no stream name: small letters, digits and _ . - only, at most 64"
                )
        self._handed_out = tuple(f"{kind}/" for kind in kinds)
        self._mode = mode
        self.timeout_s: Final = timeout_s
        self._n_drained_most = 2 * high_water_mark
        self._clock = clock
        self._utc = utc
        # Status last, see Connection.
        received = [kind for kind in known if kind in (*kinds, "model") and kind != "status"]
        prefixes = [
            f"{kind}/{name}"
            for kind in (*received, "status")
            for name in ([f"{stream}/" for stream in streams] or [""])
        ]
        self._tally = Tally(host=this_host() if host is None else host, prefixes=prefixes)
        self._holding = Holding() if hold else None
        self._queue: dict[str | int, Message] = {}
        self._n_queued = 0
        self._all_read = False
        self._connection = Connection(
            [connect] if isinstance(connect, str) else list(connect),
            prefixes=prefixes,
            high_water_mark=high_water_mark,
            identity=None if identity is None else load_identity(identity),
        )

    def statistics(self) -> SubscriberStatistics:
        """The books as of now; cheap enough for once a second."""
        return SubscriberStatistics(
            topics=self._tally.topics(monotonic_ns=self._clock(), utc_ns=self._utc()),
            bad=dict(self._tally.bad),
            held=0 if self._holding is None else len(self._holding),
            unexplained={} if self._holding is None else dict(self._holding.dropped),
            connections=self.connections(),
            forgotten=self._tally.forgotten,
        )

    def connections(self) -> list[ConnectionState]:
        """How each connection is now and, if it is down, why; from the thread that receives."""
        return self._connection.states()

    def close(self) -> None:
        """Close the sockets; what is queued is lost."""
        self._connection.close()

    def _at_hand(self) -> Message | None:
        """The next message, if it is here.

        If not, ``_all_read`` says whether nothing is left to be read, and waiting is in order; else many
        messages came that are not handed out, and whoever waits may first look at the clock.
        """
        if self._mode == "latest" or not self._queue:
            self._drain()
        return self._queue.pop(next(iter(self._queue))) if self._queue else None

    def _drain(self) -> None:
        """Take in what is here, ``latest`` as much as possible, ``all`` until something can be handed out."""
        # Bounded, so that a sender faster than this loop cannot keep it here, and fill the memory.
        most = 1 if self._mode == "all" else _QUEUED_MOST
        self._all_read = False
        for _ in range(self._n_drained_most):
            if len(self._queue) >= most:
                return
            frames = self._connection.receive()
            if frames is None:
                self._all_read = True
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
