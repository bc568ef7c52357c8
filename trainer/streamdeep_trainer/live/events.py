"""Sounds that were told against sounds that were there. Pure.

Event-based and segment-based scores after Mesaros, Heittola and Virtanen, "Metrics for polyphonic sound event
detection", Applied Sciences 6(6), 2016. Written here because the authors' package, sed_eval, no longer installs: its last
release needs modules that setuptools has dropped. An event told is right if its class is, its onset lies within a collar
of the reference's, and its offset within the collar or a share of the reference's length, whichever is more; each
reference and each event told is in one pair at most, and there are as many pairs as can be. Not here: which signal,
and who decided.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching


@dataclass(frozen=True, slots=True)
class Event:
    """A sound and where it is.

    Attributes:
        label: its class.
        start_sample: its first sample.
        stop_sample: one past its last.
        told_sample: one past the last sample that had been heard when its beginning was told; of a
            reference without meaning.
    """

    label: str
    start_sample: int
    stop_sample: int
    told_sample: int = 0


def right_events(
    references: Sequence[Event],
    told: Sequence[Event],
    *,
    collar_samples: float,
    offset_share: float | None,
) -> int:
    """How many events told are right, in the best pairing.

    Args:
        references: what was there.
        told: what was told.
        collar_samples: how far onsets, and offsets, may be off.
        offset_share: offsets may also be off by this share of the reference's length; None: offsets do not matter.
    """
    right = 0
    for label in {event.label for event in references}:
        there = [event for event in references if event.label == label]
        heard = [event for event in told if event.label == label]
        fits = np.zeros((len(there), len(heard)), dtype=np.bool_)
        for row, one in enumerate(there):
            for column, other in enumerate(heard):
                fits[row, column] = _fits(one, other, collar_samples, offset_share)
        if fits.any():
            pairs = maximum_bipartite_matching(csr_matrix(fits), perm_type="column")
            right += int((pairs >= 0).sum())
    return right


def _fits(there: Event, told: Event, collar_samples: float, offset_share: float | None) -> bool:
    if abs(there.start_sample - told.start_sample) > collar_samples:
        return False
    if offset_share is None:
        return True
    length = there.stop_sample - there.start_sample
    most = max(collar_samples, offset_share * length)
    return abs(there.stop_sample - told.stop_sample) <= most


def event_f1(
    references: Sequence[Event],
    told: Sequence[Event],
    *,
    collar_samples: float,
    offset_share: float | None,
) -> float:
    """Event-based F1 over all classes together; see :func:`right_events`."""
    right = right_events(references, told, collar_samples=collar_samples, offset_share=offset_share)
    return 2.0 * right / max(1, len(references) + len(told))


def segment_f1(
    references: Sequence[Event], told: Sequence[Event], *, n_samples: int, step_samples: int
) -> float:
    """Segment-based F1 over all classes together: who is active in which stretch of ``step_samples``.

    A class is active in every stretch that it touches.
    """
    labels = sorted({event.label for event in (*references, *told)})
    n_steps = -(-n_samples // step_samples)
    there = _activity(references, labels, n_steps, step_samples)
    heard = _activity(told, labels, n_steps, step_samples)
    return 2.0 * int((there & heard).sum()) / max(1, int(there.sum() + heard.sum()))


def _activity(
    events: Sequence[Event], labels: Sequence[str], n_steps: int, step_samples: int
) -> NDArray[np.bool_]:
    active = np.zeros((len(labels), n_steps), dtype=np.bool_)
    for event in events:
        stop = -(-event.stop_sample // step_samples)
        active[labels.index(event.label), event.start_sample // step_samples : stop] = True
    return active


def delays(references: Sequence[Event], told: Sequence[Event]) -> list[int | None]:
    """Of each reference, how many samples of it had been heard when it was first told; None: never told.

    An event told belongs to the references of its class that it overlaps; if it went on when the reference began,
    the delay is 0.
    """
    found: list[int | None] = []
    for one in references:
        times = [
            max(0, other.told_sample - one.start_sample) for other in told if _overlap(one, other)
        ]
        found.append(min(times, default=None))
    return found


def false_events(references: Sequence[Event], told: Sequence[Event]) -> int:
    """Events told of classes that were there at no moment of them."""
    return sum(not any(_overlap(one, other) for one in references) for other in told)


def _overlap(one: Event, other: Event) -> bool:
    return (
        one.label == other.label
        and one.start_sample < other.stop_sample
        and other.start_sample < one.stop_sample
    )
