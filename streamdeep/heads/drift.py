"""Whether what is heard has changed for good: a microphone that was moved, covered or broke, or another place.

A one-sided cumulative sum (Page, Biometrika 1954) over whether embeddings are among the tenth that is most novel for sound
like the training. It sums the evidence that this happens three times as often: ``ln(p1/p0)`` where it does,
``ln((1-p1)/(1-p0))`` where it does not, never below zero. At a height of ``ln(n)`` the mean run between false alarms is
at least n observations (Lorden, Ann. Math. Statist. 1971). What counts as one observation is a minute of sound, since what is
heard within a minute hangs together; each embedding counts for the share of a minute that it adds, and by Hoelder's
inequality the bound does not ask how embeddings of one minute depend on each other. It does assume that minutes are
independent, and that known sound exceeds its quantiles as often as the model says.

Alarmed once, it stays so until all evidence is used up again: that is the hysteresis. A stage, except that
there is nothing to flush. Not here: single strange sounds (:mod:`streamdeep.heads.noticing`).
"""

import math
from typing import Final

from streamdeep.heads.rarity import rates, score_at
from streamdeep.records import NoveltyScale

OBSERVATION_S: Final = 60.0
KNOWN_RATE: Final = 0.1
TIMES_AS_OFTEN: Final = 3.0
DAY_S: Final = 86_400.0


class Drift:
    """One stream's evidence.

    Args:
        scale: of the model.
        alarms_per_day: false ones that are bearable, in sound like the training.

    Attributes:
        drifting: there is an alarm.
        since_s: seconds of sound for which there has been evidence without a break; 0 if there is none.
    """

    def __init__(self, scale: NoveltyScale, alarms_per_day: float) -> None:
        rarest, most_frequent = rates(scale)
        known = min(max(KNOWN_RATE, rarest), most_frequent)
        drifted = min(TIMES_AS_OFTEN * known, (1.0 + known) / 2.0)
        self._threshold = score_at(known, scale)
        self._for = math.log(drifted / known)
        self._against = math.log((1.0 - drifted) / (1.0 - known))
        self._alarm_at = math.log(max(2.0, DAY_S / OBSERVATION_S / alarms_per_day))
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._evidence = 0.0
        self.drifting = False
        self.since_s = 0.0

    def push(self, score: float, *, new_s: float, segment_s: float) -> bool:
        """Take the next embedding.

        Args:
            score: its novelty.
            new_s: seconds of its sound that were in no embedding before.
            segment_s: its length.

        Returns:
            Whether the stream is drifting.
        """
        share = new_s / max(OBSERVATION_S, segment_s)
        evidence = self._evidence + share * (
            self._for if score > self._threshold else self._against
        )
        self._evidence = min(max(0.0, evidence), self._alarm_at)
        self.since_s = self.since_s + new_s if self._evidence > 0.0 else 0.0
        if self._evidence >= self._alarm_at:
            self.drifting = True
        elif self._evidence == 0.0:
            self.drifting = False
        return self.drifting
