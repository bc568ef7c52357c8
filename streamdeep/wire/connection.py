"""Connections to one or more publishers: frames in, taken from each in turn.

Nothing here waits but :meth:`Connection.wait`, so that a thread and an event loop can use it alike. Not here:
one connection and how it comes back (:mod:`streamdeep.wire.link`), what the frames mean
(:mod:`streamdeep.wire.reception`).
"""

import time
from collections.abc import Sequence
from typing import Final

import zmq

from streamdeep.errors import ConfigurationError
from streamdeep.wire.keys import Identity
from streamdeep.wire.link import Link
from streamdeep.wire.security import DEFAULT_ENDPOINT
from streamdeep.wire.trouble import ConnectionState

_TEND_NS: Final = 1_000_000_000


class Connection:
    """Connections to one or more publishers; to be used from one thread.

    Args:
        addresses: with ``?server-key=FILE`` where one encrypts; the publishers need not be there yet.
        prefixes: topics wanted, in this order. A publisher takes them in one after the other, so those
            of ``status/`` belong at the end: a status must not speak of messages sent before their own
            subscription.
        high_water_mark: messages queued here, per publisher.
        identity: our keys, for publishers that encrypt.

    Raises:
        ConfigurationError: no address, a malformed one, or a key file that cannot be read.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        prefixes: Sequence[str],
        high_water_mark: int,
        identity: Identity | None = None,
    ) -> None:
        if not addresses:
            raise ConfigurationError(
                f"no address to connect to; {DEFAULT_ENDPOINT} is the usual one"
            )
        # A publisher on inproc:// lives in the process's shared context.
        shared = any(address.startswith("inproc://") for address in addresses)
        context = zmq.Context.instance() if shared else zmq.Context()
        self._context = None if shared else context
        self._links: list[Link] = []
        self._turns: list[Link] = []
        self._tend_at_ns = 0
        self._poller = zmq.Poller()
        self._closed = False
        try:
            for address in addresses:
                link = Link(
                    context,
                    address,
                    prefixes=prefixes,
                    high_water_mark=high_water_mark,
                    identity=identity,
                )
                self._links.append(link)
                self._turns.append(link)
                self._poller.register(link.socket, zmq.POLLIN)
                self._poller.register(link.monitor, zmq.POLLIN)
        except BaseException:
            self.close()
            raise

    def states(self) -> list[ConnectionState]:
        """How each connection is now, in the order of the addresses; once closed, how it was. From the reader's thread."""
        # Messages and news of the connection come over two sockets: who has just had a message must not
        # read that the connection is down.
        for link in self._links:
            link.catch_up(time.monotonic_ns())
        return [link.state() for link in self._links]

    @property
    def descriptors(self) -> list[int]:
        """File descriptors of which one becomes readable with news, once :meth:`receive` had none."""
        return [
            int(socket.getsockopt(zmq.FD))
            for link in self._links
            for socket in (link.socket, link.monitor)
        ]

    def receive(self) -> list[bytes] | None:
        """The next message's frames; None if none is here. Never waits."""
        # One publisher may have gone while another keeps us busy.
        if time.monotonic_ns() >= self._tend_at_ns:
            self.tend()
        for i, link in enumerate(self._turns):
            frames = link.receive()
            if frames is not None:
                # Next time it is the others' turn first.
                self._turns.append(self._turns.pop(i))
                return frames
        return None

    def tend(self) -> float | None:
        """Look after the connections; in how many seconds to do so again, None: with the next news."""
        now_ns = time.monotonic_ns()
        self._tend_at_ns = now_ns + _TEND_NS
        any_down = [link.tend(now_ns) for link in self._links]
        return _TEND_NS / 1e9 if any(any_down) else None

    def wait(self, timeout_s: float | None) -> None:
        """Sleep until there is news, or for ``timeout_s``; None for ever."""
        # Rounded up: rounded down, the last millisecond would be spent polling without a pause.
        self._poller.poll(None if timeout_s is None else int(timeout_s * 1000) + 1)

    def close(self) -> None:
        """Close the sockets; what is queued is lost."""
        if self._closed:
            return
        self._closed = True
        for link in self._links:
            link.close()
        if self._context is not None:
            self._context.term()
