"""Calls that may never return: made one at a time, each on a thread that can be left behind.

PortAudio wants one caller at a time, and a call into it can hang with a sound server that is frozen, or for ever
(closing a capture after JACK was killed). Whoever waits for it then goes on; the call keeps its thread, and the next
ones no longer wait for their turn behind it.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from streamdeep.errors import SourceError

T = TypeVar("T")


class LeftBehindError(SourceError):
    """A call did not return in time; it may still be running."""


class _Call(Generic[T]):
    """One call, and whether anybody still waits for it."""

    def __init__(self, action: Callable[[], T], too_late: Callable[[T], None]) -> None:
        self._action = action
        self._too_late = too_late
        self._settling = threading.Lock()
        self.done = threading.Event()
        self.result: T
        self.error: Exception | None = None
        self.left_behind = False

    def run(self, turn: threading.Lock, ended: Callable[[], None]) -> None:
        with turn:
            if not self.left_behind:
                try:
                    self.result = self._action()
                except Exception as error:  # noqa: BLE001, RUF100 - handed to whoever waits
                    self.error = error
            with self._settling:
                if not self.left_behind:
                    ended()
                    self.done.set()
                    return
            if hasattr(self, "result"):
                self._too_late(self.result)
            ended()

    def leave(self) -> bool:
        """Stop waiting; False if it has just returned."""
        with self._settling:
            self.left_behind = not self.done.is_set()
            return self.left_behind


class Desk:
    """Where calls queue.

    Attributes:
        n_under_way: calls that have not returned, those left behind included.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self.n_under_way = 0

    def call(
        self,
        action: Callable[[], T],
        limit_s: float,
        what: str,
        *,
        too_late: Callable[[T], None] = lambda result: None,
    ) -> T:
        """Have something done.

        Args:
            action: what; its errors are raised here.
            limit_s: how long it may take, waiting for its turn included.
            what: for the error message.
            too_late: given the result if nobody waited for it any more.

        Raises:
            LeftBehindError: it took longer.
        """
        call, turn = _Call(action, too_late), self._turn
        self._count(1)
        threading.Thread(
            target=call.run, args=(turn, lambda: self._count(-1)), name="portaudio", daemon=True
        ).start()
        if not call.done.wait(limit_s) and call.leave():
            if self._turn is turn:
                self._turn = threading.Lock()
            raise LeftBehindError(f"{what} did not return within {limit_s:g} s; left behind")
        if call.error is not None:
            raise call.error
        return call.result

    def _count(self, change: int) -> None:
        with self._counting:
            self.n_under_way += change
