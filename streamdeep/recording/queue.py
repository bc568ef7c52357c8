"""From a source's thread to the recorder's: bounded, without a lock, and never in the source's way.

When it is full, what comes is not recorded, and that is itself an event. Each side owns its counter and only reads the
other's, as in a ring.
"""

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamdeep.recording.events import End, Event, Loss, Sound

QUEUE_S = 30.0
"""How long the disk may be held up before sound goes unrecorded,"""
LEAST_QUEUE_S = 2.0
"""with however many streams."""
_MOST_EVENTS = 100_000


class EventQueue:
    """A tap that keeps what it is told until the recorder takes it; see :class:`streamdeep.audio.tap.Tap`.

    Attributes:
        closed: the source ended; nothing more will come.
        n_unrecorded: samples that the engine had and that found no room here.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        n_channels: int,
        *,
        most_bytes: Callable[[], int],
        waits: Callable[[], bool],
        hurry: Callable[[], None],
    ) -> None:
        """Build an empty queue.

        Args:
            sample_rate_hz: of the samples.
            n_channels: of the samples.
            most_bytes: how much may wait here, now.
            waits: whether a writer that can wait is to wait for room.
            hurry: called when it does, or half of the room is taken; must not wait.
        """
        self.closed = False
        self.n_unrecorded = 0
        self._events: deque[Event] = deque()
        self._most_samples = round(QUEUE_S * sample_rate_hz)
        self._least_samples = round(LEAST_QUEUE_S * sample_rate_hz)
        self._bytes_per_sample = 4 * n_channels
        self._most_bytes = most_bytes
        self._waits = waits
        self._hurry = hurry
        self._n_put = 0  # source's: samples
        self._n_got = 0  # recorder's: samples
        self._unrecorded = 0  # source's: samples that are not yet in an event
        self._unknown: list[Loss] = []  # source's: losses that are not yet in the queue

    # --- the source's side -------------------------------------------------------------------------------

    def take(
        self,
        samples: NDArray[np.float32],
        captured_ns: int,
        *,
        refused_samples: int,
        gap_samples: int,
        gap_estimated: bool,
    ) -> None:
        """A write happened; see :class:`streamdeep.audio.tap.Tap`."""
        n_samples, put = len(samples), self._events.append
        # After a loss there must be some room, or loss and sound would take turns at every block.
        room = self._room()
        needed = max(n_samples, self._most() // 8) if self._unrecorded else n_samples
        full = needed > room and self._n_put > self._n_got
        if full or len(self._events) >= _MOST_EVENTS:
            self._miss(n_samples, refused_samples, gap_samples, gap_estimated)
            return
        if self._unrecorded or self._unknown:
            self._tell_missed()
        if gap_samples or gap_estimated:
            put(Loss(gap_samples, "gap", gap_estimated))
        if n_samples:
            put(Sound(samples.copy(), captured_ns))
            self._n_put += n_samples
            if room - n_samples < self._most() // 2:
                self._hurry()
        if refused_samples:
            put(Loss(refused_samples, "overflow"))

    def room(self) -> int:
        """How many samples a writer that can wait may write now."""
        if not self._waits():
            return 1 << 62
        room = self._room()
        if room <= 0:
            self._hurry()
        return max(0, room)

    def close(self, error: Exception | None) -> None:
        """The source ended."""
        self._tell_missed()
        self._events.append(End(None if error is None else str(error)))
        self.closed = True

    def _most(self) -> int:
        share = self._most_bytes() // self._bytes_per_sample
        return max(self._least_samples, min(self._most_samples, share))

    def _room(self) -> int:
        return self._most() - (self._n_put - self._n_got)

    def _miss(self, n_samples: int, refused: int, gap_samples: int, gap_estimated: bool) -> None:
        """Remember in few numbers what is not recorded; losses keep their kind and not their place."""
        self.n_unrecorded += n_samples
        self._unrecorded += n_samples
        known = {loss.why: loss for loss in self._unknown}
        for more in (Loss(gap_samples, "gap", gap_estimated), Loss(refused, "overflow")):
            before = known.get(more.why, Loss(0, more.why))
            known[more.why] = Loss(
                before.n_samples + more.n_samples, more.why, before.estimated or more.estimated
            )
        self._unknown = list(known.values())

    def _tell_missed(self) -> None:
        if self._unrecorded:
            self._events.append(Loss(self._unrecorded, "unrecorded"))
        self._events.extend(loss for loss in self._unknown if loss.n_samples or loss.estimated)
        self._unrecorded, self._unknown = 0, []

    # --- the recorder's side -----------------------------------------------------------------------------

    def get(self) -> deque[Event]:
        """Take all that waits."""
        taken: deque[Event] = deque()
        for _ in range(len(self._events)):
            taken.append(self._events.popleft())
        return taken

    def done(self, n_samples: int) -> None:
        """So many samples are on the disk; there is room for others."""
        self._n_got += n_samples
