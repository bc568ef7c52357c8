"""Probabilities over time: an exponential mean whose constant is seconds, not messages.

Overlapping segments hear the same sound several times, and one segment in between may err. The mean gives a
segment that ends ``d`` seconds after the one before a weight of ``1 - exp(-d / time_constant_s)``: an installation
with twice the overlap smooths over the same time, and where a message was lost the next one counts for
more. A stage: it knows nothing of streams and clocks; whoever feeds it resets it where an epoch ends. Not here:
what is decided (:mod:`streamdeep.heads.decision`).
"""

import math
from collections.abc import Iterable

from streamdeep.heads.scores import Scores


def step_weight(elapsed_s: float, time_constant_s: float) -> float:
    """How much a value counts that comes so long after the one before; 1 without a mean."""
    if time_constant_s <= 0.0:
        return 1.0
    return -math.expm1(-max(0.0, elapsed_s) / time_constant_s)


class Smoother:
    """One stream's exponential mean.

    Args:
        time_constant_s: after a step the mean has gone 63 % of the way in this time; 0 passes everything on
            as it is.
    """

    def __init__(self, time_constant_s: float) -> None:
        if not 0.0 <= time_constant_s < math.inf:
            raise ValueError(f"time_constant_s is {time_constant_s}, it must be 0 or more")
        self._time_constant_s = time_constant_s
        self._last: Scores | None = None

    def push(self, scores: Iterable[Scores]) -> list[Scores]:
        """Smooth segments in the order in which they end; the first one after a reset stays as it is."""
        return [self._smooth(one) for one in scores]

    def flush(self) -> list[Scores]:
        """Nothing: no segment is held back."""
        return []

    def reset(self) -> None:
        """Forget what was heard: a new epoch begins."""
        self._last = None

    def _smooth(self, scores: Scores) -> Scores:
        if self._last is not None and self._time_constant_s > 0.0:
            elapsed_s = (scores.stop_sample - self._last.stop_sample) / scores.sample_rate_hz
            weight = step_weight(elapsed_s, self._time_constant_s)
            before = self._last.probabilities
            scores = scores.with_probabilities(before + weight * (scores.probabilities - before))
        self._last = scores
        return scores
