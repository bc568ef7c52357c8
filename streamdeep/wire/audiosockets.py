"""The sockets that sound travels through to an engine: the engine is bound, senders connect.

``ROUTER`` and ``DEALER``, because an engine answers each sender: what it has taken, and how much more it may be
sent (``docs/decisions/0010-sound-comes-in-on-credit.md``). Not here: what is said (``audiokinds``), and who is
let in (``intake``).
"""

import time
from typing import Final

import zmq
from zmq.utils.monitor import parse_monitor_message

from streamdeep.errors import ConfigurationError
from streamdeep.wire.endpoint import (
    HEARTBEAT_INTERVAL_MS,
    HEARTBEAT_TIMEOUT_MS,
    bind_socket,
)
from streamdeep.wire.gate import Gate, Guard
from streamdeep.wire.keys import Identity
from streamdeep.wire.messages import HEADER_BYTES, PAYLOAD_BYTES
from streamdeep.wire.peer import CURVE_BYTES, Peer
from streamdeep.wire.security import DEFAULT_AUDIO_ENDPOINT, check_bind
from streamdeep.wire.trouble import handshake_trouble

MESSAGES_QUEUED: Final = 64
"""Per sender, here and there. What waits beyond is in the sender's own buffer, where it is counted."""
RETRY_FIRST_NS: Final = 100_000_000
RETRY_MOST_NS: Final = 1_000_000_000
CONNECT_PATIENCE_NS: Final = 5_000_000_000
_LINGER_MS: Final = 500
_HANDSHAKE_FAILED: Final = (
    zmq.Event.HANDSHAKE_FAILED_NO_DETAIL
    | zmq.Event.HANDSHAKE_FAILED_PROTOCOL
    | zmq.Event.HANDSHAKE_FAILED_AUTH
)


class AudioListener:
    """An engine's socket; to be used from one thread.

    Args:
        bind: where senders connect to, ``tcp://`` or ``ipc://``.
        insecure: allow addresses that other machines can reach, in clear text.
        guard: encrypt, and let in only those whom it allows.

    Raises:
        ConfigurationError: the address is malformed, or not local and neither ``insecure`` nor guarded.
        BindError: the address cannot be had.
    """

    def __init__(self, bind: str, *, insecure: bool, guard: Guard | None = None) -> None:
        check_bind(bind, insecure=insecure, guarded=guard is not None, usual=DEFAULT_AUDIO_ENDPOINT)
        if bind.startswith("inproc://"):
            raise ConfigurationError(
                f"cannot bind {bind!r}: sound comes in from other processes, over tcp:// or ipc://"
            )
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.RCVHWM, MESSAGES_QUEUED)
        self._socket.setsockopt(zmq.SNDHWM, MESSAGES_QUEUED)
        overhead_bytes = 0 if guard is None else CURVE_BYTES
        self._socket.setsockopt(zmq.MAXMSGSIZE, PAYLOAD_BYTES + overhead_bytes)  # per frame
        self._socket.setsockopt(zmq.HANDSHAKE_IVL, 1_000)
        self._socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_INTERVAL_MS)
        self._socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
        if bind.startswith("tcp://["):
            self._socket.setsockopt(zmq.IPV6, 1)
        try:
            if guard is not None:
                Gate(self._context, guard).protect(self._socket)
            bind_socket(self._socket, bind)
        except BaseException:
            self._socket.close(0)
            self._context.term()
            raise
        self.endpoint: Final = str(self._socket.getsockopt_string(zmq.LAST_ENDPOINT))

    def wait(self, timeout_s: float) -> None:
        """Sleep until a message comes."""
        self._socket.poll(max(0, round(timeout_s * 1000)))

    def receive(self) -> tuple[bytes, list[bytes]] | None:
        """Who sent it, and the frames of the next message; None if there is none."""
        try:
            route, *frames = self._socket.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return None
        return route, frames

    def send(self, route: bytes, frames: list[bytes]) -> None:
        """Answer a sender; nothing happens if it is gone, or does not read its answers."""
        self._socket.send_multipart([route, *frames], zmq.DONTWAIT)

    def close(self) -> None:
        """Close the socket, giving answers half a second to leave."""
        if not self._socket.closed:
            self._socket.close(_LINGER_MS)
            self._context.term()


class AudioLink:
    """A sender's connection to an engine, made anew whenever it breaks; to be used from one thread.

    Every connection has a socket of its own: one that libzmq connects again by itself would first hand out what
    was queued for the engine that is gone.

    Args:
        address: where the engine is bound, with ``?server-key=FILE`` if it encrypts; it need not be there yet.
        identity: our keys, for an engine that encrypts.

    Attributes:
        endpoint: the address without the key.
        up: there is a connection.
        connections: how many there have been.
        trouble: why the engine and we could not agree on how to speak, for people; empty if that is not known.

    Raises:
        ConfigurationError: a malformed address, or a key file that cannot be read.
    """

    def __init__(self, address: str, *, identity: Identity | None = None) -> None:
        self._peer = Peer.named(address, identity)
        endpoint = self.endpoint = self._peer.endpoint
        if not endpoint.startswith(("tcp://", "ipc://")):
            raise ConfigurationError(
                f"cannot connect to {endpoint!r}: it must begin with tcp:// or ipc://, "
                f"like {DEFAULT_AUDIO_ENDPOINT}"
            )
        self.up = False
        self.connections = 0
        self.trouble = ""
        self._context = zmq.Context()
        self._retry_ns = RETRY_FIRST_NS
        self._give_up_ns = 0
        self._closed = False
        try:
            self._open()
        except BaseException:
            self._context.term()
            raise

    def step(self) -> None:
        """Look what became of the connection, and begin another if it is time; never waits."""
        now_ns = time.monotonic_ns()
        while self._monitor.poll(0):
            told = parse_monitor_message(self._monitor.recv_multipart())
            if told["event"] == zmq.Event.HANDSHAKE_SUCCEEDED:
                self.up = True
                self.connections += 1
                self.trouble = ""
                self._retry_ns = RETRY_FIRST_NS
                continue
            if told["event"] & _HANDSHAKE_FAILED:
                self._disagreement = handshake_trouble(
                    told["event"],
                    told["value"],
                    encrypted=self._peer.keys is not None,
                    peer="engine",
                )
            self.trouble = self._disagreement
            self._fail(now_ns)
        if not self.up and now_ns >= self._give_up_ns:
            self._drop()
            self._open()

    def renew(self) -> None:
        """Give the connection up: the engine at its other end is silent."""
        self._fail(time.monotonic_ns())

    def wait(self, timeout_s: float, wake: int) -> None:
        """Sleep until an answer comes, the connection changes, or ``wake`` is readable; it is not read."""
        poller = zmq.Poller()
        poller.register(self._monitor, zmq.POLLIN)
        poller.register(wake, zmq.POLLIN)
        if self.up:
            poller.register(self._socket, zmq.POLLIN)
        else:
            timeout_s = min(timeout_s, max(0.0, (self._give_up_ns - time.monotonic_ns()) / 1e9))
        poller.poll(int(timeout_s * 1000) + 1 if timeout_s > 0 else 0)

    def send(self, frames: list[bytes]) -> bool:
        """Send a message without waiting; False if there is no connection, or no room."""
        if not self.up:
            return False
        try:
            self._socket.send_multipart(frames, zmq.DONTWAIT)
        except zmq.Again:
            return False
        return True

    def receive(self) -> list[bytes] | None:
        """The frames of the next answer; None if there is none."""
        try:
            return self._socket.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return None

    def close(self) -> None:
        """Close the connection; what is on its way half a second."""
        if not self._closed:
            self._closed = True
            self._drop(_LINGER_MS)
            self._context.term()

    def _fail(self, now_ns: int) -> None:
        self.up = False
        self._give_up_ns = min(self._give_up_ns, now_ns + self._retry_ns)
        self._retry_ns = min(2 * self._retry_ns, RETRY_MOST_NS)

    def _open(self) -> None:
        self._disagreement = ""
        self._give_up_ns = time.monotonic_ns() + CONNECT_PATIENCE_NS
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.SNDHWM, MESSAGES_QUEUED)
        self._socket.setsockopt(zmq.RCVHWM, MESSAGES_QUEUED)
        self._socket.setsockopt(zmq.MAXMSGSIZE, HEADER_BYTES + self._peer.overhead_bytes)
        self._socket.setsockopt(zmq.RECONNECT_IVL, -1)
        self._socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_INTERVAL_MS)
        self._socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.IPV6, int("[" in self.endpoint))
        self._peer.protect(self._socket)
        self._monitor: zmq.Socket[bytes] = self._socket.get_monitor_socket(
            zmq.Event.HANDSHAKE_SUCCEEDED
            | _HANDSHAKE_FAILED
            | zmq.Event.DISCONNECTED
            | zmq.Event.CLOSED
        )
        try:
            self._socket.connect(self.endpoint)
        except zmq.ZMQError as error:
            self._drop()
            raise ConfigurationError(
                f"cannot connect to {self.endpoint!r}: {error.strerror}; "
                f"an address is like {DEFAULT_AUDIO_ENDPOINT}"
            ) from error

    def _drop(self, linger_ms: int = 0) -> None:
        self.up = False
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(linger_ms)
