"""How long to wait before the next try: a second, then twice as long each time, two minutes at most."""


class Backoff:
    """Waits between tries at something that may come back."""

    def __init__(self, *, first_s: float = 1.0, most_s: float = 120.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._next_s = first_s

    def failed(self) -> float:
        """A try failed: seconds to wait before the next one."""
        wait_s = self._next_s
        self._next_s = min(2 * wait_s, self._most_s)
        return wait_s

    def worked(self) -> None:
        """It came back: the next failure waits shortly again."""
        self._next_s = self._first_s
