"""Wakes the thread that reads rings, from the threads that write them."""

import contextlib
import socket


class Wake:
    """Wakes one thread from any other without waiting: a byte through a socket pair."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._set = False

    @property
    def descriptor(self) -> int:
        """Readable when somebody called :meth:`set`."""
        return self._reader.fileno()

    def set(self) -> None:
        """Wake the thread; never waits."""
        if self._set:
            return
        self._set = True
        # Closed means that the thread is gone.
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

    def clear(self) -> None:
        """To be called before one looks for what there is to do."""
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass
        self._set = False

    def close(self) -> None:
        """Nobody sleeps here any more."""
        self._reader.close()
        self._writer.close()
