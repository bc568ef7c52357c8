"""What a service manager is told: that a program is ready, that it is alive, that it stops, and one line of state.

This is the ``sd_notify`` protocol of systemd, which other managers speak too: datagrams of ``KEY=value`` lines to the Unix
socket that ``NOTIFY_SOCKET`` names. Not here: what alive means. The loops know; each calls :meth:`Supervisor.alive`
on its way round, so that a loop which hangs falls silent, and is ended and started again.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

_PERIOD_S: Final = 10.0
"""How often it is told that one is alive, when no watchdog asks for more."""


class Supervisor:
    """The service manager that started this program; without one, nothing is told and nothing is paid.

    Nothing that goes wrong here ends the program: a manager that is gone, or too busy to listen, is not told.
    Driven from one thread. Leaving it as a context tells that the program stops.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._ready = self._stopping = False
        self._due_ns = 0
        self._period_ns = round(1e9 * _period_s())
        path = os.environ.get("NOTIFY_SOCKET", "")
        if not path.startswith(("/", "@")) or not hasattr(socket, "AF_UNIX"):
            return
        notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notified.setblocking(False)
        try:
            # An @ stands for the zero byte that names outside the file system begin with.
            notified.connect("\0" + path[1:] if path.startswith("@") else path)
        except OSError:
            notified.close()
            return
        self._socket = notified

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stopping()
        if self._socket is not None:
            self._socket.close()

    def alive(self, state: Callable[[], str]) -> None:
        """Tell that the loop came round: the first time, that the program is ready.

        Cheap enough for every round: about 0.1 us unless it is time to tell.

        Args:
            state: says in one line how things are; called only when it is told.
        """
        if self._socket is None:
            return
        now_ns = time.monotonic_ns()
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + self._period_ns
        line = " ".join(state().split())
        self._tell(*([] if self._ready else ["READY=1"]), "WATCHDOG=1", f"STATUS={line}")
        self._ready = True

    def stopping(self) -> None:
        """Tell, once, that the end has begun."""
        if not self._stopping:
            self._stopping = True
            self._tell("STOPPING=1")

    def _tell(self, *lines: str) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.send("\n".join(lines).encode())


def _period_s() -> float:
    """A quarter of what the watchdog allows: one datagram that is lost, or a slow round, does no harm."""
    try:
        watchdog_s = int(os.environ.get("WATCHDOG_USEC", "")) / 1e6
        ours = int(os.environ.get("WATCHDOG_PID", os.getpid())) == os.getpid()
    except ValueError:
        return _PERIOD_S
    return min(_PERIOD_S, watchdog_s / 4) if ours and watchdog_s > 0 else _PERIOD_S
