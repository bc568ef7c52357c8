"""From probabilities to sounds that begin and end: thresholds, hysteresis, minimum durations. Pure.

A class *begins* when its probability has been at least ``on`` for ``min_on_s``, and *ends* when it has been below
``off`` for ``min_off_s``; between the two thresholds everything stays as it is. So a sound that is announced
lasts at least ``min_on_s``, and the same class is silent for at least ``min_off_s`` before it begins again, unless
the stream is cut. While no class has begun, what is heard is *unknown*.

Where a sound is: segments overlap, so each stands for the stretch around its centre, from half-way to the centre
before to half-way to the centre after; the first and the last of an epoch reach to their own ends. A long
segment therefore does not move a sound to later: where half of it is filled, its centre is where the sound began.
What is decided does not depend on how segments are handed in, one by one or many at once. Not here: which
thresholds (:mod:`streamdeep.heads.settings`), the mean over time (:mod:`streamdeep.heads.smoothing`).
"""

from collections.abc import Iterable
from typing import Final

import numpy as np

from streamdeep.heads.scores import Scores
from streamdeep.heads.settings import Thresholds
from streamdeep.records import Sound

AT_ONCE_MOST: Final = 32
"""Sounds that may go on at the same time; further ones wait until one ends."""

_NEVER: Final = -1


class Decider:
    """One stream's sounds.

    Args:
        thresholds: of every class.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self.reset()

    def reset(self) -> None:
        """Forget everything, without a word on what goes on; :meth:`flush` ends it in order."""
        n_classes = len(self._thresholds.labels)
        self._last: Scores | None = None
        self._on = np.zeros(n_classes, dtype=np.bool_)
        self._starts = np.full(n_classes, _NEVER, dtype=np.int64)
        # Since which sample a class has been at least `on`, or below `off`; _NEVER: it is not.
        self._above = self._starts.copy()
        self._below = self._starts.copy()
        self._sums = np.zeros(n_classes)
        self._counts = np.zeros(n_classes, dtype=np.int64)

    def push(self, scores: Iterable[Scores]) -> list[Sound]:
        """Take smoothed segments of one epoch, in order.

        Returns:
            Sounds that began (``start``) or ended (``end``), in the order in which that was decided.
        """
        return [change for one in scores for change in self._take(one)]

    def flush(self, reason: str = "") -> list[Sound]:
        """The epoch is over: all sounds end with its last segment, and what comes next is another epoch's.

        Args:
            reason: why, for the sounds that would have gone on.
        """
        last, changes = self._last, list[Sound]()
        if last is not None:
            for column in np.flatnonzero(self._on & (self._below != _NEVER)):
                changes.append(self._end(column, int(self._below[column])))
            changes += self._begin(last.stop_sample, last.sample_rate_hz)
            changes += [
                self._end(column, last.stop_sample, reason) for column in np.flatnonzero(self._on)
            ]
        self.reset()
        return changes

    def sounds(self) -> list[Sound]:
        """What goes on now, the most confident first."""
        if self._last is None:
            return []
        now = _centre(self._last)
        found = [self._sound("on", column, now) for column in np.flatnonzero(self._on)]
        return sorted(found, key=lambda sound: -sound.confidence)

    def _take(self, scores: Scores) -> list[Sound]:
        chances, centre = scores.probabilities, _centre(scores)
        border = scores.start_sample if self._last is None else (_centre(self._last) + centre) // 2
        above, below = chances >= self._thresholds.on, chances < self._thresholds.off
        risen = above & (self._above == _NEVER)
        self._above[risen] = border
        self._above[~above] = _NEVER
        self._below[below & (self._below == _NEVER)] = border
        self._below[~below] = _NEVER
        self._sums[risen & ~self._on] = 0.0
        self._counts[risen & ~self._on] = 0
        heard = np.where(self._on, ~below, above)
        self._sums[heard] += chances[heard]
        self._counts[heard] += 1
        self._last = scores
        # Ends first, so that there is room for what begins.
        due = self._on & (self._below != _NEVER)
        due &= centre - self._below >= self._thresholds.min_off_s * scores.sample_rate_hz
        ended = [self._end(column, int(self._below[column])) for column in np.flatnonzero(due)]
        return ended + self._begin(centre, scores.sample_rate_hz)

    def _begin(self, now: int, rate_hz: int) -> list[Sound]:
        due = ~self._on & (self._above != _NEVER) & self._thresholds.reported
        due &= now - self._above >= self._thresholds.min_on_s * rate_hz
        room = max(0, AT_ONCE_MOST - int(self._on.sum()))
        columns = np.flatnonzero(due)[:room]
        self._on[columns] = True
        self._starts[columns] = self._above[columns]
        return [self._sound("start", column, now) for column in columns]

    def _end(self, column: np.intp, stop: int, reason: str = "") -> Sound:
        ended = self._sound("end", column, stop, reason)
        self._on[column] = False
        return ended

    def _sound(self, state: str, column: np.intp, stop: int, reason: str = "") -> Sound:
        start = int(self._starts[column])
        return Sound(
            state=state,
            label=self._thresholds.labels[column],
            start_sample=start,
            n_samples=stop - start,
            confidence=min(1.0, float(self._sums[column] / self._counts[column])),
            reason=reason,
        )


def _centre(scores: Scores) -> int:
    return scores.start_sample + scores.n_samples // 2
