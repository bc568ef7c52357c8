"""Many engines and many subscribers meet here: messages pass through byte for byte, joiners are answered from a cache.

One SUB socket per engine, subscribed to everything all the time: were it subscribed only to what is wanted at the
moment, a status might reach a joiner before the subscription it speaks of has reached the engine, and the joiner
would count as lost what was never sent to it. One thread does all; it never waits for a subscriber. Not here:
what is kept (:mod:`streamdeep.wire.cache`), how subscribers are served (:mod:`streamdeep.wire.fanout`).
"""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final, Self

import zmq

from streamdeep.errors import ConfigurationError, MessageError
from streamdeep.wire.books import Books
from streamdeep.wire.cache import Cache, Key
from streamdeep.wire.fanout import Fanout
from streamdeep.wire.gate import Guard
from streamdeep.wire.hub_statistics import HubStatistics
from streamdeep.wire.keys import Identity
from streamdeep.wire.link import Link
from streamdeep.wire.messages import Envelope, as_repeat, envelope_of
from streamdeep.wire.rivals import Rivals
from streamdeep.wire.security import check_bind

DEFAULT_HUB_ENDPOINT: Final = "tcp://127.0.0.1:5858"
_GATHER_NS: Final = 20_000_000  # a joiner's subscriptions come one after the other
_SPACING_NS: Final = 1_000_000_000  # many joins in a row must not become many repeats
_REPEAT_NS: Final = 30_000_000_000  # without a join too: a subscriber may have lost a model
_HOUSEKEEPING_NS: Final = 1_000_000_000
_AT_ONCE: Final = 64  # messages of one engine, or from the cache, before it is the others' turn
_TOPICS_MOST: Final = 65_536


class Hub:
    """Connected and bound on construction; works while :meth:`turn` is called, all from one thread.

    Args:
        connect: the engines' addresses, ``?server-key=FILE`` behind those that encrypt; engines may come and go.
        bind: where subscribers connect.
        n_history: embeddings per stream handed to joiners.
        history_bytes: for all streams together.
        high_water_mark: messages queued per subscriber, and per engine.
        insecure: allow a bind that other machines can reach, in clear text.
        identity: our keys, for engines that encrypt.
        guard: encrypt towards subscribers, and let in only those whom it allows.

    Raises:
        ConfigurationError: an address is malformed, or the bind not local and neither ``insecure`` nor guarded.
        BindError: the address cannot be had.
    """

    def __init__(
        self,
        connect: Sequence[str],
        bind: str = DEFAULT_HUB_ENDPOINT,
        *,
        n_history: int = 0,
        history_bytes: int = 64 * 1024 * 1024,
        high_water_mark: int = 1_000,
        insecure: bool = False,
        identity: Identity | None = None,
        guard: Guard | None = None,
    ) -> None:
        if not connect:
            raise ConfigurationError("a hub without engines: name their addresses with --connect")
        if n_history < 0 or history_bytes < 0 or high_water_mark < 1:
            raise ConfigurationError(
                "history and queue of a hub cannot be negative, nor the queue empty"
            )
        check_bind(bind, insecure=insecure, guarded=guard is not None)
        self._cache = Cache(n_history=n_history, history_bytes=history_bytes)
        self._rivals = Rivals()
        self._books = Books(_TOPICS_MOST)
        self._pending: dict[Key, None] = {}
        self._join_at_ns: int | None = None
        self._served_ns = -_SPACING_NS
        self._repeat_at_ns = time.monotonic_ns() + _REPEAT_NS
        self._keep_house_at_ns = 0
        self._received = self._forwarded = self._duplicates = self._repeated = 0
        self._refused: Counter[str] = Counter()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._links: list[Link] = []
        self._poller = zmq.Poller()
        self._fanout: Fanout | None = None
        try:
            self._out = self._fanout = Fanout(bind, high_water_mark=high_water_mark, guard=guard)
            self._poller.register(self._out.socket, zmq.POLLIN)
            for address in connect:
                link = Link(
                    self._context,
                    address,
                    prefixes=[""],
                    high_water_mark=high_water_mark,
                    identity=identity,
                )
                self._links.append(link)
                self._poller.register(link.socket, zmq.POLLIN)
                self._poller.register(link.monitor, zmq.POLLIN)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    @property
    def endpoint(self) -> str:
        """The address in use, with the real port."""
        return self._out.endpoint

    def turn(self, timeout_s: float) -> None:
        """Pass on what has come and serve joiners; sleep at most so long if there is nothing to do."""
        ready = dict(self._poller.poll(self._patience_ms(timeout_s)))
        now_ns = time.monotonic_ns()
        for source, link in enumerate(self._links):
            if link.socket in ready:
                self._pass_on(source, link, now_ns)
        if self._join_at_ns is None and self._out.socket in ready:
            # What else the joiner wants comes within moments; until then the socket need not wake us again.
            self._join_at_ns = max(now_ns + _GATHER_NS, self._served_ns + _SPACING_NS)
            self._poller.unregister(self._out.socket)
        if self._join_at_ns is not None and now_ns >= self._join_at_ns:
            self._join_at_ns = None
            self._poller.register(self._out.socket, zmq.POLLIN)
            self._admit(now_ns)
        self._repeat_some()
        if now_ns >= self._keep_house_at_ns or any(link.monitor in ready for link in self._links):
            self._keep_house(now_ns)

    def statistics(self) -> HubStatistics:
        """The counts so far; cheap enough for once a second, and from any thread."""
        return HubStatistics(
            connections=[link.state() for link in self._links],
            received=self._received,
            forwarded=self._forwarded,
            duplicates=self._duplicates,
            refused=dict(self._refused),
            lost=self._books.lost,
            repeated=self._repeated,
            overflows=self._out.overflows,
            subscriptions=self._out.subscriptions,
            streams=self._cache.n_streams,
            cached_bytes=self._cache.n_bytes,
            rivals=dict(self._rivals.found),
        )

    def close(self) -> None:
        """Close the sockets, giving what is queued half a second to leave."""
        for link in self._links:
            link.close()
        self._links.clear()
        if self._fanout is not None:
            self._fanout.close()
        self._context.term()

    def _patience_ms(self, timeout_s: float) -> int:
        if self._pending:
            return 1  # the joiner reads in the meantime
        due_ns = self._keep_house_at_ns
        if self._join_at_ns is not None:
            due_ns = min(due_ns, self._join_at_ns)
        patience_s = min(timeout_s, (due_ns - time.monotonic_ns()) / 1e9)
        return int(patience_s * 1000) + 1 if patience_s > 0 else 0

    def _pass_on(self, source: int, link: Link, now_ns: int) -> None:
        for _ in range(_AT_ONCE):
            frames = link.receive()
            if frames is None:
                return
            self._received += 1
            try:
                envelope = envelope_of(frames)
            except MessageError as error:
                self._refused[str(error).partition(":")[0]] += 1
                continue
            self._forward(source, envelope, frames, now_ns)

    def _forward(self, source: int, envelope: Envelope, frames: list[bytes], now_ns: int) -> None:
        counter = self._books.counter(
            envelope.topic, envelope.stream, now_ns=now_ns, repeat=envelope.repeat
        )
        if counter is None:
            self._refused["too many topics"] += 1
            return
        if not counter.take(session=envelope.session, sequence=envelope.sequence):
            self._duplicates += 1
            return
        key = (envelope.topic, envelope.session)
        if key in self._pending:  # a joiner passes over what is older than what it has
            self._repeat(key)
        self._out.send(frames)
        self._forwarded += 1
        self._cache.keep(envelope, frames, source=source, now_ns=now_ns)
        if envelope.kind == "embedding":
            self._rivals.heard(envelope.stream, envelope.session)

    def _admit(self, now_ns: int) -> None:
        wanted = self._cache.matching(self._out.admit())
        if wanted:
            self._served_ns = now_ns
            self._pending |= dict.fromkeys(wanted)

    def _repeat_some(self) -> None:
        sent_before = self._repeated
        while self._pending and self._repeated - sent_before < _AT_ONCE:
            self._repeat(next(iter(self._pending)))

    def _repeat(self, key: Key) -> None:
        del self._pending[key]
        for frames in self._cache.messages(key):
            self._out.send(as_repeat(frames))
            self._repeated += 1

    def _keep_house(self, now_ns: int) -> None:
        self._keep_house_at_ns = now_ns + _HOUSEKEEPING_NS
        for link in self._links:
            link.tend(now_ns)
        self._cache.sweep(now_ns=now_ns)
        if now_ns >= self._repeat_at_ns:
            self._repeat_at_ns = now_ns + _REPEAT_NS
            self._pending |= dict.fromkeys(self._cache.matching([b"model/", b"status/"]))
