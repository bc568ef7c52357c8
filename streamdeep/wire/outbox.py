"""The XPUB socket at work: frames out, waiting or not waiting for slow readers; joins and leaves in.

Not here: opening it (:mod:`streamdeep.wire.endpoint`), what the frames say
(:mod:`streamdeep.wire.publisher`), what is repeated to joiners (:mod:`streamdeep.wire.repeats`).
"""

import time
from collections import Counter
from typing import Final

import zmq

from streamdeep.wire.endpoint import WAIT_SLICE_MS, open_publisher
from streamdeep.wire.gate import Guard
from streamdeep.wire.sendqueue import undelivered_bytes

_LINGER_MS: Final = 500
_LOSSLESS_LINGER_MS: Final = 30_000
_LOOK_INTERVAL_S: Final = 0.01


class Outbox:
    """One XPUB socket, bound on construction; everything but :meth:`stop_waiting` from one thread.

    Args:
        bind: an address that ``check_bind`` has passed.
        high_water_mark: messages queued per reader.
        lossless: wait for slow readers instead of losing messages.
        patience_s: how long to wait for a reader that takes nothing.
        guard: encrypt, and let in only those whom it allows.

    Raises:
        BindError: the address cannot be had.
    """

    def __init__(
        self,
        bind: str,
        *,
        high_water_mark: int,
        lossless: bool,
        patience_s: float,
        guard: Guard | None = None,
    ) -> None:
        self._lossless = lossless
        self._n_tries = max(1, round(patience_s * 1000 / WAIT_SLICE_MS))
        self._waiting_allowed = True
        self._prefixes: Counter[bytes] = Counter()
        self.given_up = 0
        self._socket, self._context = open_publisher(
            bind, high_water_mark=high_water_mark, lossless=lossless, guard=guard
        )
        self.endpoint: Final = str(self._socket.getsockopt_string(zmq.LAST_ENDPOINT))

    def send(self, frames: list[bytes]) -> None:
        """Send a message; lossless, wait for room at every reader, but not for ever."""
        if self.send_now(frames):
            return
        # libzmq calls an XPUB always writable, so polling for room is no way; a send with a time limit is.
        # Parts after the first never wait: room is counted in whole messages.
        for _ in range(self._n_tries):
            if not self._waiting_allowed:
                break
            try:
                self._socket.send_multipart(frames)
            except zmq.Again:
                continue
            return
        # To whoever has room. libzmq then passes over the full reader until it has drained, so that one
        # that is stuck costs the others one wait, not one per message.
        self._socket.setsockopt(zmq.XPUB_NODROP, 0)
        self._socket.send_multipart(frames, zmq.DONTWAIT)
        self._socket.setsockopt(zmq.XPUB_NODROP, 1)
        self.given_up += 1

    def send_now(self, frames: list[bytes]) -> bool:
        """Send without waiting; False if a reader of a lossless publisher has no room."""
        try:
            self._socket.send_multipart(frames, zmq.DONTWAIT)
        except zmq.Again:
            return False
        return True

    @property
    def subscriptions(self) -> int:
        """Prefixes subscribed to, summed over readers, as of the last :meth:`joins`."""
        return self._prefixes.total()

    def is_subscribed(self, topic: str) -> bool:
        """Whether some reader's prefix fits the topic, as of the last :meth:`joins`."""
        return any(topic.encode().startswith(prefix) for prefix in self._prefixes)

    def joins(self) -> list[bytes]:
        """The prefixes subscribed to since the last call; keeps count of all; never waits."""
        prefixes: list[bytes] = []
        while True:
            try:
                request = self._socket.recv(zmq.DONTWAIT)
            except zmq.Again:
                return prefixes
            if request[:1] == b"\x01":
                self._prefixes[request[1:]] += 1
                prefixes.append(request[1:])
            elif request[:1] == b"\x00":
                # A reader that subscribes twice to one prefix and closes is counted out once only.
                self._prefixes -= Counter((request[1:],))

    def wait(self, timeout_s: float, wake: int | None) -> None:
        """Sleep until somebody joins or leaves or ``wake`` is readable; ``wake`` is not read."""
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        if wake is not None:
            poller.register(wake, zmq.POLLIN)
        # Rounded up: rounded down, the last millisecond would be spent polling without a pause.
        poller.poll(int(timeout_s * 1000) + 1 if timeout_s > 0 else 0)

    def stop_waiting(self) -> None:
        """Do not wait for slow readers any more; from any thread."""
        self._waiting_allowed = False

    def close(self) -> None:
        """Close the socket, giving what is queued half a second to leave, lossless 30 s."""
        if self._socket.closed:
            return
        self._wait_until_delivered()
        patient = self._lossless and self._waiting_allowed
        self._socket.close(_LOSSLESS_LINGER_MS if patient else _LINGER_MS)
        if self._context is not None:
            self._context.term()

    def _wait_until_delivered(self) -> None:
        scheme, _, address = self.endpoint.partition("://")
        if scheme != "tcp" or not self._lossless:
            return
        port = int(address.rpartition(":")[2])
        deadline_s = time.monotonic() + _LOSSLESS_LINGER_MS / 1000
        n_empty = 0
        # Twice in a row: between libzmq's queue and the kernel's a message is in neither for a moment.
        while n_empty < 2 and self._waiting_allowed and time.monotonic() < deadline_s:
            n_empty = 0 if undelivered_bytes(port) else n_empty + 1
            time.sleep(_LOOK_INTERVAL_S)
