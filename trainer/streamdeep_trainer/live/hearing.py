"""Embeddings of a live signal to sounds that begin and end, as ``streamdeep classify`` decides."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdeep.heads.decision import Decider
from streamdeep.heads.head import Head
from streamdeep.heads.scores import Scores
from streamdeep.heads.settings import UNKNOWN, DecisionSettings
from streamdeep.heads.smoothing import Smoother
from streamdeep.records import Embedding, Sound
from streamdeep_trainer.live.events import Event


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What was decided on a signal.

    Attributes:
        told: sounds, in the order in which they ended.
        labels: of each segment, the most confident sound that went on when it had been heard, or ``unknown``.
    """

    told: tuple[Event, ...]
    labels: tuple[str, ...]


def scores_of(embeddings: Sequence[Embedding], head: Head) -> list[Scores]:
    """What a head says of each segment."""
    chances = head.probabilities(np.stack([embedding.vector for embedding in embeddings]))
    return [
        Scores(
            embedding.start_sample,
            embedding.n_samples,
            embedding.sample_rate_hz,
            np.clip(row.astype(np.float64), 0.0, 1.0),
        )
        for embedding, row in zip(embeddings, chances, strict=True)
    ]


def most_probable(scores: Sequence[Scores]) -> list[Scores]:
    """All probability to each segment's most probable class."""
    return [one.with_probabilities(_one_hot(one.probabilities)) for one in scores]


def _one_hot(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    chosen = np.zeros_like(chances)
    chosen[chances.argmax()] = 1.0
    return chosen


def hear(scores: Sequence[Scores], labels: Sequence[str], settings: DecisionSettings) -> Heard:
    """Decide, segment by segment, as they would come."""
    smoother, decider = Smoother(settings.smoothing_s), Decider(settings.thresholds(labels))
    told_samples: dict[tuple[str, int], int] = {}
    told: list[Event] = []
    heard: list[str] = []

    def take(changes: Sequence[Sound], now: int) -> None:
        for sound in changes:
            key = (sound.label, sound.start_sample)
            if sound.state == "start":
                told_samples[key] = now
            else:
                told.append(Event(*key, sound.stop_sample, told_samples.pop(key)))

    for one in scores:
        take(decider.push(smoother.push([one])), one.stop_sample)
        sounds = decider.sounds()
        heard.append(sounds[0].label if sounds else UNKNOWN)
    take(decider.flush(), scores[-1].stop_sample if scores else 0)
    return Heard(tuple(told), tuple(heard))
