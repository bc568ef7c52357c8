"""What is missing between two pieces of sound, by their time stamps.

Pure: numbers in, numbers out. Time stamps of containers and networks are rounded, jitter, start anew and
sometimes lie; none of that may look like a loss, and no loss like that. Not here: what only a clock can tell
(``arrival``).
"""

from typing import Final

ROUNDING_S: Final = 0.001
JITTER_S: Final = 0.04
LONGEST_HOLE_S: Final = 60.0
"""A longer jump of the time stamps of live sound is a clock that was set, not a hole."""
DRIFT: Final = 0.001


class Continuity:
    """Looks for holes.

    A hole of whole frames is packets that were lost: taken at once, and exact. Anything else is jitter until
    it is more than 40 ms; and stamps that drift from the samples by less than 1 ms a second are two clocks.
    """

    def __init__(self, sample_rate_hz: int, *, longest_hole_s: float = LONGEST_HOLE_S) -> None:
        self._rate_hz = sample_rate_hz
        self._longest = round(longest_hole_s * sample_rate_hz)
        self.reset()

    def reset(self) -> None:
        """What comes next has a clock of its own."""
        self._expected: float | None = None  # time stamp of the next sample
        self._frame = 0

    def place(
        self, n_samples: int, time_samples: int | None, tick_samples: int
    ) -> tuple[int | None, bool]:
        """Take a piece of sound.

        Args:
            n_samples: its length.
            time_samples: the stamp of its first sample, in samples; None if it has none.
            tick_samples: how finely stamps can tell.

        Returns:
            How many samples are missing before it, None if there is no telling; and whether the number is
            an estimate.
        """
        found: tuple[int | None, bool] = (0, False)
        if self._expected is None:
            self._expected = time_samples
        elif time_samples is not None:
            hole = time_samples - self._expected
            found = self._compare(round(hole), tick_samples)
            if found == (0, False):
                self._expected += min(max(hole, -DRIFT * n_samples), DRIFT * n_samples)
            else:
                self._expected = time_samples
        if self._expected is not None:
            self._expected += n_samples
        self._frame = n_samples
        return found

    def _compare(self, hole: int, tick_samples: int) -> tuple[int | None, bool]:
        slack = max(2 * tick_samples, round(ROUNDING_S * self._rate_hz))
        tolerance = max(slack, round(JITTER_S * self._rate_hz))
        if hole < -tolerance or hole > self._longest:
            return None, True
        n_frames = round(hole / self._frame) if self._frame > 2 * slack else 0
        if n_frames > 0 and abs(hole - n_frames * self._frame) <= slack:
            return n_frames * self._frame, False
        if hole > tolerance:
            return hole, tick_samples > 1
        return 0, False
