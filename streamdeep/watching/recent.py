"""What happened within the last minute: how often, and how large. Pure: times are arguments, and ascend."""

from collections import deque
from typing import Final

WINDOW_NS: Final = 60_000_000_000
_MOST: Final = 8_192  # of a file that is played as fast as it goes there may be many


class Recent:
    """Times and values of the last minute."""

    def __init__(self) -> None:
        self._found: deque[tuple[int, float]] = deque(maxlen=_MOST)

    def add(self, now_ns: int, value: float) -> None:
        """Something happened now."""
        self._found.append((now_ns, value))

    def clear(self) -> None:
        """Forget everything."""
        self._found.clear()

    def per_second(self, now_ns: int) -> float | None:
        """How often it happens; None if it happened less than twice.

        Between two it stays as it is; when it happens no more it falls from the second missing one on.
        """
        self._drop_old(now_ns)
        n_intervals = len(self._found) - 1
        if n_intervals < 1:
            return None
        oldest_ns, newest_ns = self._found[0][0], self._found[-1][0]
        interval_ns = (newest_ns - oldest_ns) / n_intervals
        span_ns = max(newest_ns - oldest_ns, now_ns - oldest_ns - interval_ns)
        return 1e9 * n_intervals / span_ns if span_ns > 0 else None

    def quantile(self, now_ns: int, share: float) -> float | None:
        """The value that ``share`` of the values do not exceed; None if there are none."""
        self._drop_old(now_ns)
        if not self._found:
            return None
        values = sorted(value for _, value in self._found)
        return values[min(len(values) - 1, int(share * len(values)))]

    def growth(self, now_ns: int) -> float:
        """By how much a value that only grows has grown since the oldest one; 0 if there are none."""
        self._drop_old(now_ns)
        return self._found[-1][1] - self._found[0][1] if self._found else 0.0

    def _drop_old(self, now_ns: int) -> None:
        while self._found and now_ns - self._found[0][0] > WINDOW_NS:
            self._found.popleft()
