"""Whether a stream sounds like nothing in the model's training: now, and for long. Pure.

*Novel* is decided over time as sounds are: scores go through the same mean, begin to be novel where sound like the
training gets with the rate that is asked for, and cease to be where it gets twice as often. The mean varies less than
single scores do, so that false alarms are rarer than asked for rather than more frequent. Not here: what a score
is (:mod:`streamdeep.heads.novelty`), what it means (:mod:`streamdeep.heads.rarity`).
"""

from dataclasses import dataclass
from typing import Final

from streamdeep.heads.drift import Drift
from streamdeep.heads.rarity import score_at, tail_rate
from streamdeep.heads.settings import NoveltySettings
from streamdeep.heads.smoothing import step_weight
from streamdeep.records import NoveltyScale

OFF_TIMES: Final = 2.0
"""What is novel ceases to be at a score that is so many times as frequent."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """What is to be said of one embedding's novelty.

    Attributes:
        score: the embedding's own.
        rate: which share of sound like the training scores as much or more, see :func:`~streamdeep.heads.rarity.tail_rate`.
        novel: what is heard is like nothing in the training; over time.
        drifting: it has long been less and less like the training.
        drift_s: seconds of sound since that began; 0 while there is no sign of it.
    """

    score: float
    rate: float
    novel: bool
    drifting: bool
    drift_s: float


class Noticer:
    """One stream's novelty over time.

    Args:
        scale: of the model.
        settings: when it is novel, and how often an alarm may be false.
        smoothing_s: time constant of the mean; 0 is none.
    """

    def __init__(
        self, scale: NoveltyScale, settings: NoveltySettings, *, smoothing_s: float
    ) -> None:
        self._scale = scale
        self._smoothing_s = smoothing_s
        self._on = score_at(settings.rate, scale)
        self._off = score_at(OFF_TIMES * settings.rate, scale)
        self._drift = Drift(scale, settings.drift_alarms_per_day)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._drift.reset()
        self.cut()

    def cut(self) -> None:
        """An epoch ends. Nothing novel goes on over it; a drift does, since nobody moved the microphone back."""
        self._mean: float | None = None
        self._last_stop = 0
        self._novel = False

    def push(
        self, score: float, *, start_sample: int, n_samples: int, sample_rate_hz: int
    ) -> Noticed:
        """Take the next embedding of an epoch.

        Args:
            score: its novelty.
            start_sample: the source's index of its first sample, as for the next two.
            n_samples: its length.
            sample_rate_hz: the source's.
        """
        stop, new_samples = start_sample + n_samples, n_samples
        if self._mean is None:
            self._mean = score
        else:
            elapsed = max(0, stop - self._last_stop)
            new_samples = min(elapsed, n_samples)
            weight = step_weight(elapsed / sample_rate_hz, self._smoothing_s)
            self._mean += weight * (score - self._mean)
        self._last_stop = stop
        self._novel = self._mean > (self._off if self._novel else self._on)
        self._drift.push(
            score, new_s=new_samples / sample_rate_hz, segment_s=n_samples / sample_rate_hz
        )
        return Noticed(
            score,
            tail_rate(score, self._scale),
            self._novel,
            self._drift.drifting,
            self._drift.since_s,
        )
