"""Single keys of the terminal, without waiting and without Enter; where that cannot be had, none ever comes."""

import os
import select
import sys
from typing import Any, Self

if sys.platform != "win32":
    import termios
    import tty

_BYTES = 64


class Keyboard:
    """Keys pressed while it is entered; the terminal is as before afterwards."""

    def __init__(self) -> None:
        self._former: list[Any] | None = None

    def __enter__(self) -> Self:
        if sys.platform != "win32" and sys.stdin.isatty():
            self._former = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        return self

    def __exit__(self, *reason: object) -> None:
        if sys.platform != "win32" and self._former is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._former)

    def pressed(self) -> str:
        """Keys pressed since the last call, in one text."""
        if self._former is None or not select.select([sys.stdin], [], [], 0)[0]:
            return ""
        return os.read(sys.stdin.fileno(), _BYTES).decode(errors="replace")
