"""SUB sockets, one per publisher: frames in, and connections that come back.

libzmq reconnects by itself after a network failure, but never after a failure of protocol: one message over
the size limit, or a peer that speaks another security mechanism, ends a connection for good *(measured)*;
connecting a second time does nothing, disconnecting first heals. So each connection is watched through its
socket's monitor, and one that stays down is made anew. One socket per publisher, since a monitor calls one
peer now by its configured name and now by its address. Not here: what the frames mean
(:mod:`streamdeep.wire.subscriber`).
"""

import time
from collections.abc import Sequence
from typing import Final

import zmq
from zmq.utils.monitor import recv_monitor_message

from streamdeep.errors import ConfigurationError
from streamdeep.wire.endpoint import HEARTBEAT_INTERVAL_MS, HEARTBEAT_TIMEOUT_MS
from streamdeep.wire.messages import PAYLOAD_BYTES
from streamdeep.wire.security import DEFAULT_ENDPOINT

RENEW_AFTER_NS: Final = 3_000_000_000  # libzmq's own attempts come at least every second
_FAILURES: Final = (
    zmq.Event.DISCONNECTED
    | zmq.Event.HANDSHAKE_FAILED_NO_DETAIL
    | zmq.Event.HANDSHAKE_FAILED_PROTOCOL
    | zmq.Event.HANDSHAKE_FAILED_AUTH
)


class _Link:
    """One SUB socket, connected to one publisher, and its monitor."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        *,
        prefixes: Sequence[str],
        high_water_mark: int,
    ) -> None:
        self._endpoint = endpoint
        self._down_since_ns: int | None = None
        self.renewals = 0
        self.socket = context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.RCVHWM, high_water_mark)
        # Subscriptions are messages as well; past the mark they would be lost without a word.
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.socket.setsockopt(zmq.MAXMSGSIZE, PAYLOAD_BYTES)  # per frame
        self.socket.setsockopt(zmq.RECONNECT_IVL, 100)
        self.socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1_000)
        self.socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_INTERVAL_MS)
        self.socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
        self.socket.setsockopt(zmq.LINGER, 0)
        # Only where asked for: with it, localhost may mean ::1, where publishers do not listen by default.
        self.socket.setsockopt(zmq.IPV6, int("[" in endpoint))
        for prefix in prefixes:
            self.socket.setsockopt(zmq.SUBSCRIBE, prefix.encode())
        # Connection attempts that fail are not reported: a monitor that nobody reads stops its socket when
        # it is full, and a listener may be busy for long while a publisher is away.
        self.monitor = self.socket.get_monitor_socket(_FAILURES | zmq.Event.HANDSHAKE_SUCCEEDED)
        try:
            self.socket.connect(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise ConfigurationError(
                f"cannot connect to {endpoint!r}: {error.strerror}; an address is like {DEFAULT_ENDPOINT}"
            ) from error

    def read_monitor(self) -> None:
        """Note what happened to the connection."""
        while self.monitor.poll(0):
            if recv_monitor_message(self.monitor)["event"] == zmq.Event.HANDSHAKE_SUCCEEDED:
                self._down_since_ns = None
            elif self._down_since_ns is None:
                self._down_since_ns = time.monotonic_ns()

    def renew(self, now_ns: int) -> bool:
        """Make the connection anew if it is down for long; whether it is down."""
        if self._down_since_ns is None:
            return False
        if now_ns - self._down_since_ns >= RENEW_AFTER_NS:
            self._down_since_ns = now_ns
            self.socket.disconnect(self._endpoint)
            self.socket.connect(self._endpoint)
            self.renewals += 1
        return True

    def close(self) -> None:
        self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close(0)


class Connection:
    """Connections to one or more publishers; to be used from one thread.

    Args:
        endpoints: addresses; the publishers need not be there yet.
        prefixes: topics wanted, in this order. A publisher takes them in one after the other, so those
            of ``status/`` belong at the end: a status must not speak of messages sent before their own
            subscription.
        high_water_mark: messages queued here, per publisher.

    Raises:
        ConfigurationError: no address, or a malformed one.
    """

    def __init__(
        self, endpoints: Sequence[str], *, prefixes: Sequence[str], high_water_mark: int
    ) -> None:
        if not endpoints:
            raise ConfigurationError(
                f"no address to connect to; {DEFAULT_ENDPOINT} is the usual one"
            )
        # A publisher on inproc:// lives in the process's shared context.
        shared = any(endpoint.startswith("inproc://") for endpoint in endpoints)
        context = zmq.Context.instance() if shared else zmq.Context()
        self._context = None if shared else context
        self._links: list[_Link] = []
        self._poller = zmq.Poller()
        self._closed = False
        try:
            for endpoint in endpoints:
                link = _Link(context, endpoint, prefixes=prefixes, high_water_mark=high_water_mark)
                self._links.append(link)
                self._poller.register(link.socket, zmq.POLLIN)
                self._poller.register(link.monitor, zmq.POLLIN)
        except BaseException:
            self.close()
            raise

    @property
    def renewals(self) -> int:
        """How often a connection was made anew."""
        return sum(link.renewals for link in self._links)

    def receive(self, timeout_s: float | None) -> list[bytes] | None:
        """The next message's frames; None if none came in time.

        Args:
            timeout_s: how long to wait; 0 not at all, None for ever.
        """
        deadline_ns = None if timeout_s is None else time.monotonic_ns() + round(timeout_s * 1e9)
        while True:
            frames = self._receive_now()
            if frames is not None:
                return frames
            now_ns = time.monotonic_ns()
            for link in self._links:
                link.read_monitor()
            any_down = [link.renew(now_ns) for link in self._links]
            if deadline_ns is not None and now_ns >= deadline_ns:
                return None
            # A connection that is down is looked after every second.
            waits_ms = [1_000] if any(any_down) else []
            if deadline_ns is not None:
                waits_ms.append((deadline_ns - now_ns) // 1_000_000 + 1)
            self._poller.poll(min(waits_ms, default=None))

    def close(self) -> None:
        """Close the sockets; what is queued is lost."""
        if self._closed:
            return
        self._closed = True
        for link in self._links:
            link.close()
        if self._context is not None:
            self._context.term()

    def _receive_now(self) -> list[bytes] | None:
        for i, link in enumerate(self._links):
            try:
                frames = link.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                continue
            # Next time it is the others' turn first.
            self._links.append(self._links.pop(i))
            return frames
        return None
