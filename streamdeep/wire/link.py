"""One SUB socket, connected to one publisher, and brought back when libzmq gives up on it.

libzmq reconnects by itself after a network failure, but never after a failure of protocol: one message over
the size limit, or a peer that speaks another security mechanism, ends a connection for good *(measured)*;
connecting a second time does nothing, disconnecting first heals. So each connection is watched through its
socket's monitor, and one that stays down is made anew. One socket per publisher, since a monitor calls one
peer now by its configured name and now by its address. Not here: several of them
(:mod:`streamdeep.wire.connection`), what the frames mean (:mod:`streamdeep.wire.reception`).
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


class Link:
    """One SUB socket, connected to one publisher, and its monitor; to be used from one thread.

    Args:
        context: where the socket lives.
        endpoint: the publisher's address; it need not be there yet.
        prefixes: topics wanted, in this order.
        high_water_mark: messages queued here.

    Raises:
        ConfigurationError: a malformed address.
    """

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
        self.socket: Final = context.socket(zmq.SUB)
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
        self.monitor: Final = self.socket.get_monitor_socket(
            _FAILURES | zmq.Event.HANDSHAKE_SUCCEEDED
        )
        try:
            self.socket.connect(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise ConfigurationError(
                f"cannot connect to {endpoint!r}: {error.strerror}; an address is like {DEFAULT_ENDPOINT}"
            ) from error

    def receive(self) -> list[bytes] | None:
        """The next message's frames; None if none is here."""
        try:
            return self.socket.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return None

    def tend(self, now_ns: int) -> bool:
        """Note what happened to the connection, and make it anew if it is down for long.

        Returns:
            Whether it is down and wants to be looked after again within a second.
        """
        while self.monitor.poll(0):
            if recv_monitor_message(self.monitor)["event"] == zmq.Event.HANDSHAKE_SUCCEEDED:
                self._down_since_ns = None
            elif self._down_since_ns is None:
                self._down_since_ns = time.monotonic_ns()
        if self._down_since_ns is None:
            return False
        if now_ns - self._down_since_ns >= RENEW_AFTER_NS:
            self._down_since_ns = now_ns
            self.socket.disconnect(self._endpoint)
            self.socket.connect(self._endpoint)
            self.renewals += 1
        return True

    def close(self) -> None:
        """Close the socket; what is queued is lost."""
        self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close(0)
