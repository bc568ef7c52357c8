"""The hub's sending socket: a message to all who want it, and joiners that are let in when all is ready for them.

libzmq makes a subscription take effect whenever it comes, so that a joiner might get a new message before the
old ones that it should see first. Here subscriptions wait until :meth:`Fanout.admit`. Not here: what joiners get
(:mod:`streamdeep.wire.hub`).
"""

from collections import Counter
from typing import Final

import zmq

from streamdeep.wire.endpoint import open_publisher
from streamdeep.wire.gate import Guard

_LINGER_MS: Final = 500


class Fanout:
    """One XPUB socket, bound on construction; to be used from one thread.

    Args:
        bind: an address that ``check_bind`` has passed.
        high_water_mark: messages queued per reader.
        guard: encrypt, and let in only those whom it allows.

    Raises:
        BindError: the address cannot be had.
    """

    def __init__(self, bind: str, *, high_water_mark: int, guard: Guard | None) -> None:
        self._prefixes: Counter[bytes] = Counter()
        self.overflows = 0
        """How often a reader's queue was found full; what it lost until it had drained, only it can count."""
        self.socket, self._context = open_publisher(
            bind, high_water_mark=high_water_mark, lossless=True, guard=guard, manual=True
        )
        self.endpoint: Final = str(self.socket.getsockopt_string(zmq.LAST_ENDPOINT))

    @property
    def subscriptions(self) -> int:
        """Prefixes subscribed to, summed over readers."""
        return self._prefixes.total()

    def send(self, frames: list[bytes]) -> None:
        """Send a message to all who want it and have room for it; never waits."""
        try:
            self.socket.send_multipart(frames, zmq.DONTWAIT)
        except zmq.Again:
            # Somebody is full. To the others; libzmq then passes over the full one until it has drained.
            self.overflows += 1
            self.socket.setsockopt(zmq.XPUB_NODROP, 0)
            self.socket.send_multipart(frames, zmq.DONTWAIT)
            self.socket.setsockopt(zmq.XPUB_NODROP, 1)

    def admit(self) -> list[bytes]:
        """Let subscriptions and cancellations that have come take effect.

        Returns:
            The prefixes subscribed to.
        """
        prefixes: list[bytes] = []
        while True:
            try:
                request = self.socket.recv(zmq.DONTWAIT)
            except zmq.Again:
                return prefixes
            prefix = request[1:]
            # Both concern the reader whose request was received last.
            if request[:1] == b"\x01":
                self.socket.setsockopt(zmq.SUBSCRIBE, prefix)
                self._prefixes[prefix] += 1
                prefixes.append(prefix)
            elif request[:1] == b"\x00":
                self.socket.setsockopt(zmq.UNSUBSCRIBE, prefix)
                self._prefixes -= Counter((prefix,))

    def close(self) -> None:
        """Close the socket, giving what is queued half a second to leave."""
        if self.socket.closed:
            return
        self.socket.close(_LINGER_MS)
        if self._context is not None:
            self._context.term()
