"""One SUB socket, connected to one publisher, and brought back when libzmq gives up on it.

libzmq reconnects by itself after a network failure, but never after a failure of protocol: one message over
the size limit, or a peer that speaks another security mechanism, ends a connection for good *(measured)*;
connecting a second time does nothing, disconnecting first heals. So each connection is watched through its
socket's monitor, and one that stays down is made anew. One socket per publisher, since a monitor calls one
peer now by its configured name and now by its address. Not here: what its events mean in words
(:mod:`streamdeep.wire.trouble`), several connections (:mod:`streamdeep.wire.connection`), what the frames mean
(:mod:`streamdeep.wire.reception`).
"""

from collections.abc import Sequence
from typing import Final

import zmq
from zmq.utils.monitor import parse_monitor_message

from streamdeep.errors import ConfigurationError
from streamdeep.wire.endpoint import HEARTBEAT_INTERVAL_MS, HEARTBEAT_TIMEOUT_MS
from streamdeep.wire.keys import Identity
from streamdeep.wire.messages import PAYLOAD_BYTES
from streamdeep.wire.peer import Peer
from streamdeep.wire.security import DEFAULT_ENDPOINT
from streamdeep.wire.trouble import LOST, NOT_YET, ConnectionState, handshake_trouble

# Down for so long, although libzmq's own attempts come at least every second.
RENEW_AFTER_NS: Final = 3_000_000_000
# After an event that libzmq never tries again after.
RENEW_GIVEN_UP_AFTER_NS: Final = 1_000_000_000
_GIVEN_UP: Final = zmq.Event.HANDSHAKE_FAILED_PROTOCOL | zmq.Event.HANDSHAKE_FAILED_AUTH
_FAILURES: Final = zmq.Event.DISCONNECTED | zmq.Event.HANDSHAKE_FAILED_NO_DETAIL | _GIVEN_UP


class Link:
    """One SUB socket, connected to one publisher, and its monitor; to be used from one thread.

    Args:
        context: where the socket lives.
        address: the publisher's, with ``?server-key=FILE`` if it encrypts; it need not be there yet.
        prefixes: topics wanted, in this order.
        high_water_mark: messages queued here.
        identity: our keys, for publishers that encrypt.

    Raises:
        ConfigurationError: a malformed address, or a key file that cannot be read.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: str,
        *,
        prefixes: Sequence[str],
        high_water_mark: int,
        identity: Identity | None = None,
    ) -> None:
        peer = Peer.named(address, identity)
        endpoint = self._endpoint = peer.endpoint
        self._encrypted = peer.keys is not None
        self._trouble = NOT_YET
        self._renew_at_ns: int | None = None
        self._renewals = 0
        self.socket: Final = context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.RCVHWM, high_water_mark)
        # Subscriptions are messages as well; past the mark they would be lost without a word.
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.socket.setsockopt(zmq.MAXMSGSIZE, PAYLOAD_BYTES + peer.overhead_bytes)  # per frame
        self.socket.setsockopt(zmq.RECONNECT_IVL, 100)
        self.socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1_000)
        self.socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_INTERVAL_MS)
        self.socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
        self.socket.setsockopt(zmq.LINGER, 0)
        # Only where asked for: with it, localhost may mean ::1, where publishers do not listen by default.
        self.socket.setsockopt(zmq.IPV6, int("[" in endpoint))
        peer.protect(self.socket)
        for prefix in prefixes:
            self.socket.setsockopt(zmq.SUBSCRIBE, prefix.encode())
        # A monitor that nobody reads stops its socket when it is full, and a listener may be busy for long: so
        # it is never full, and connection attempts that fail are not reported.
        self.monitor: Final = context.socket(zmq.PAIR)
        self.monitor.setsockopt(zmq.RCVHWM, 0)
        where = f"inproc://link-{id(self)}"
        self.socket.monitor(where, _FAILURES | zmq.Event.HANDSHAKE_SUCCEEDED)
        self.monitor.connect(where)
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

    def state(self) -> ConnectionState:
        """How the connection was when it was last looked after, or :meth:`catch_up` was called; from any thread."""
        return ConnectionState(
            self._endpoint, not self._trouble, self._trouble, renewals=self._renewals
        )

    def tend(self, now_ns: int) -> bool:
        """Note what happened to the connection, and make it anew if it is down for long.

        Returns:
            Whether it is down and wants to be looked after again within a second.
        """
        self.catch_up(now_ns)
        if self._renew_at_ns is None:
            return False
        if now_ns >= self._renew_at_ns:
            self._renew_at_ns = now_ns + RENEW_AFTER_NS
            self.socket.disconnect(self._endpoint)
            self.socket.connect(self._endpoint)
            self._renewals += 1
        return True

    def catch_up(self, now_ns: int) -> None:
        """Note what happened to the connection until now; nothing once it is closed."""
        while not self.monitor.closed and self.monitor.poll(0):
            self._note(now_ns)

    def close(self) -> None:
        """Close the socket; what is queued is lost."""
        self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close(0)

    def _note(self, now_ns: int) -> None:
        told = parse_monitor_message(self.monitor.recv_multipart())
        event = told["event"]
        if event == zmq.Event.HANDSHAKE_SUCCEEDED:
            self._trouble, self._renew_at_ns = "", None
            return
        if event != zmq.Event.DISCONNECTED:
            self._trouble = handshake_trouble(event, told["value"], encrypted=self._encrypted)
        elif not self._trouble:  # else it follows the failure that is the reason
            self._trouble = LOST
        if event & _GIVEN_UP:
            self._renew_at_ns = now_ns + RENEW_GIVEN_UP_AFTER_NS
        elif self._renew_at_ns is None:
            self._renew_at_ns = now_ns + RENEW_AFTER_NS
