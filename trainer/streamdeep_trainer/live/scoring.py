"""How one way to decide did on one signal: what was told beside what was to be heard."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamdeep.heads.scores import Scores
from streamdeep.heads.settings import UNKNOWN, DecisionSettings
from streamdeep_trainer.live.events import Event, delays, event_f1, false_events, segment_f1
from streamdeep_trainer.live.hearing import Heard
from streamdeep_trainer.live.settings import Way
from streamdeep_trainer.live.signal import Signal

COLLARS_S: Final = (1.0, 0.5, 0.2)
"""Onset collars; the first is the one by which settings are chosen. DCASE has used 0.5 s and 0.2 s."""
OFFSET_SHARE: Final = 0.5
STEP_S: Final = 1.0
"""Of segment-based F1, as in DCASE."""


@dataclass(frozen=True, slots=True)
class FoldScores:
    """How one way to decide did on one held-out fold.

    Attributes:
        fold: its number.
        way: the name.
        settings: of the decisions.
        event_f1: by collar in seconds; onset and offset.
        onset_f1: by collar in seconds; the offset does not matter.
        segment_f1: over stretches of a second.
        accuracy: share of segments whose label is what is to be heard at their centre, or ``unknown`` where nothing is.
        delays_s: of each sound that was told.
        n_references: sounds that were there.
        n_told: sounds told.
        n_false: sounds told that were at no moment there.
        minutes: of sound.
    """

    fold: int
    way: str
    settings: DecisionSettings
    event_f1: dict[float, float]
    onset_f1: dict[float, float]
    segment_f1: float
    accuracy: float
    delays_s: tuple[float, ...]
    n_references: int
    n_told: int
    n_false: int
    minutes: float


def score(fold: int, way: Way, heard: Heard, given: Sequence[Scores], signal: Signal) -> FoldScores:
    """Compare what was told with what was to be heard."""
    rate_hz, references = signal.sample_rate_hz, signal.references
    centres = [one.start_sample + one.n_samples // 2 for one in given]
    truths = _labels_at(references, centres)
    right = [label == truth for label, truth in zip(heard.labels, truths, strict=True)]
    late = [delay for delay in delays(references, heard.told) if delay is not None]

    def f1(collar_s: float, offset_share: float | None) -> float:
        return event_f1(
            references, heard.told, collar_samples=collar_s * rate_hz, offset_share=offset_share
        )

    return FoldScores(
        fold=fold,
        way=way.name,
        settings=way.settings,
        event_f1={collar_s: f1(collar_s, OFFSET_SHARE) for collar_s in COLLARS_S},
        onset_f1={collar_s: f1(collar_s, None) for collar_s in COLLARS_S},
        segment_f1=segment_f1(
            references,
            heard.told,
            n_samples=signal.n_samples,
            step_samples=round(STEP_S * rate_hz),
        ),
        accuracy=float(np.mean(right)),
        delays_s=tuple(delay / rate_hz for delay in late),
        n_references=len(references),
        n_told=len(heard.told),
        n_false=false_events(references, heard.told),
        minutes=signal.n_samples / rate_hz / 60.0,
    )


def _labels_at(references: Sequence[Event], samples: Sequence[int]) -> list[str]:
    """What is to be heard at each sample; ``unknown`` where nothing is."""
    stops = np.array([event.stop_sample for event in references])
    places = np.minimum(np.searchsorted(stops, samples, side="right"), len(references) - 1)
    return [
        references[place].label if references[place].start_sample <= sample else UNKNOWN
        for place, sample in zip(places, samples, strict=True)
    ]
