"""What waits for one client: bounded, and with a word on what was dropped.

Pure. A client that reads too slowly loses its oldest messages, since those are of least use, and is told how
many before it gets the next. Not here: who puts in, who takes out.
"""

from collections import deque
from typing import Generic, TypeVar

from streamdeep.bridges.text import compact

Line = TypeVar("Line", str, str | bytes)


class Mailbox(Generic[Line]):
    """Lines in order.

    Args:
        most: lines that wait at a time.
    """

    def __init__(self, most: int = 256) -> None:
        self._lines: deque[Line] = deque()
        self._most = most
        self._untold = 0
        self.dropped = 0
        """Lines dropped so far."""

    def __len__(self) -> int:
        return len(self._lines)

    def put(self, line: Line) -> None:
        """Add a line; the oldest goes if there is no room."""
        self._lines.append(line)
        if len(self._lines) > self._most:
            self._lines.popleft()
            self.miss(1)

    def miss(self, count: int) -> None:
        """So many lines were dropped before they came here."""
        self.dropped += count
        self._untold += count

    def next(self) -> Line | str | None:
        """Take a line: on what was dropped if something was, else the oldest; None if there is none."""
        if self._untold:
            n_messages, self._untold = self._untold, 0
            return compact({"kind": "dropped", "n_messages": n_messages, "total": self.dropped})
        return self._lines.popleft() if self._lines else None
