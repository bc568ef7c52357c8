"""The first Ctrl-C or SIGTERM asks a loop to come to its end; the second ends the program at once."""

import signal
from types import FrameType
from typing import Any, Self


class Stopping:
    """While it is entered, signals are noted instead of interrupting what runs.

    Attributes:
        asked: a signal came.
    """

    def __init__(self) -> None:
        self.asked = False
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *reason: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.asked = True
        signal.signal(number, signal.SIG_DFL)
