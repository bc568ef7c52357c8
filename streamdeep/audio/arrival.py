"""When live sound was captured, and what was missed between two connections, judged by when it came.

Pure: numbers in, numbers out; the caller looks at the clock. Not here: what time stamps tell (``continuity``).
"""

from dataclasses import dataclass
from typing import Final

FADING: Final = 0.001


@dataclass(frozen=True, slots=True)
class Arrival:
    """A piece of live sound in its place.

    Attributes:
        captured_ns: monotonic time of its last sample.
        missing: samples that were lost before it.
        estimated: that is an estimate.
    """

    captured_ns: int
    missing: int
    estimated: bool


class Arrivals:
    """Places live sound in time.

    Networks only ever delay: the piece that was least late tells how the sender's clock stands to ours. That
    knowledge fades by 1 ms a second, more than two clocks drift apart.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._captured_ns: int | None = None  # the newest sample
        self.reconnect()

    @property
    def began(self) -> bool:
        """Whether anything has come yet."""
        return self._captured_ns is not None

    def reconnect(self) -> None:
        """What comes next may be from another sender, and nobody knows how much came before it."""
        self._fresh = True
        self._n_samples = 0  # since then, those missing included
        self._offset_ns: int | None = None  # from the sender's time to ours
        self._seen_ns = 0

    def place(
        self, n_samples: int, arrived_ns: int, *, missing: int | None = 0, estimated: bool = False
    ) -> Arrival:
        """Take a piece of sound.

        Args:
            n_samples: its length.
            arrived_ns: monotonic time at which it was here.
            missing: samples known to be lost before it; None if some are, and nobody knows how many.
            estimated: ``missing`` is an estimate.
        """
        if missing is None:
            self.reconnect()
        before_ns, unknown = self._captured_ns, self._fresh
        self._fresh = False
        captured_ns = self._captured(n_samples + (missing or 0), arrived_ns)
        self._captured_ns = captured_ns
        if before_ns is None:
            return Arrival(captured_ns, 0, estimated=False)
        if unknown:
            elapsed = (captured_ns - before_ns) * self._rate_hz // 1_000_000_000
            # At least one, so that an epoch begins.
            return Arrival(captured_ns, max(1, elapsed - n_samples), estimated=True)
        return Arrival(captured_ns, missing or 0, estimated)

    def _captured(self, n_samples: int, arrived_ns: int) -> int:
        self._n_samples += n_samples
        sent_ns = self._n_samples * 1_000_000_000 // self._rate_hz
        offset_ns = arrived_ns - sent_ns
        if self._offset_ns is not None:
            faded_ns = round((arrived_ns - self._seen_ns) * FADING)
            offset_ns = min(offset_ns, self._offset_ns + faded_ns)
        self._offset_ns, self._seen_ns = offset_ns, arrived_ns
        return sent_ns + offset_ns
