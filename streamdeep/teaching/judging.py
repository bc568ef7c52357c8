"""How good a classifier is on takes that it did not learn from: one after the other is left out. Pure.

Segments overlap, so an accuracy over single segments would compare a sound with itself. A take is left out whole,
and with it, while it is judged, every segment that shares a sample with it. It is decided by the mean of its segments'
probabilities. A class of which nothing else is left to learn from cannot be judged, and is said to be so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamdeep.heads.calibration import fit_temperature, log_loss, softmax
from streamdeep.teaching.classifiers import Fit, Rows
from streamdeep.teaching.example import Meaning

FOLDS_MOST: Final = 20
"""Of more takes, several are left out at a time."""


@dataclass(frozen=True, slots=True)
class Score:
    """How many takes were judged right.

    Attributes:
        right: decided as they were named.
        judged: of so many; 0 if there was nothing else to learn this class from.
        takes: that there are.
        segments: that there are.
    """

    right: int = 0
    judged: int = 0
    takes: int = 0
    segments: int = 0

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.right + other.right,
            self.judged + other.judged,
            self.takes + other.takes,
            self.segments + other.segments,
        )

    @property
    def accuracy(self) -> float | None:
        """Share of those judged; None if none was."""
        return self.right / self.judged if self.judged else None


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What became of leaving takes out.

    Attributes:
        scores: of every meaning.
        accuracy: mean over the classes that could be judged; None if none could.
        temperature: by which logits are to be divided; None if nothing was judged.
        log_loss: of held-out segments, once divided by it, in nats; infinite if nothing was judged.
    """

    scores: dict[Meaning, Score]
    accuracy: float | None
    temperature: float | None
    log_loss: float


def judge(rows: Rows, meanings: Sequence[Meaning], labels: Sequence[str], fit: Fit) -> Judgement:
    """Leave every take out once.

    Args:
        rows: all there are.
        meanings: what was said of each row.
        labels: of the classes; ``rows.classes`` are their numbers.
        fit: makes a classifier.
    """
    logits = np.zeros((len(rows.classes), len(labels)))
    held_out = np.zeros(len(rows.classes), dtype=np.bool_)
    folds = _folds(rows)
    for fold in np.unique(folds):
        out = folds == fold
        left = rows.where(~rows.overlapping(out))
        if len(np.unique(left.classes)) == len(labels):
            logits[out] = fit(left).logits(rows.vectors[out])
            held_out |= out
    temperature, loss = None, np.inf
    if held_out.any():
        temperature = fit_temperature(logits[held_out], rows.classes[held_out])
        chances = softmax(logits / temperature)
        loss = log_loss(chances[held_out], rows.classes[held_out])
    else:
        chances = logits
    scores = _scores(rows, meanings, labels, chances, held_out)
    accuracies = [score.accuracy for score in scores.values() if score.accuracy is not None]
    accuracy = sum(accuracies) / len(accuracies) if accuracies else None
    return Judgement(scores, accuracy, temperature, loss)


def _folds(rows: Rows) -> NDArray[np.int64]:
    """``(rows,)``: takes dealt out to folds, class after class, so that each class is in many of them."""
    found, first = np.unique(rows.takes, return_index=True)
    order = np.lexsort((found, rows.classes[first]))
    fold_of = np.empty(len(found), dtype=np.int64)
    fold_of[order] = np.arange(len(found)) % FOLDS_MOST
    return fold_of[np.searchsorted(found, rows.takes)]


def _scores(
    rows: Rows,
    meanings: Sequence[Meaning],
    labels: Sequence[str],
    chances: NDArray[np.float64],
    held_out: NDArray[np.bool_],
) -> dict[Meaning, Score]:
    scores: dict[Meaning, Score] = {}
    for take in np.unique(rows.takes):
        members = np.flatnonzero(rows.takes == take)
        meaning = meanings[members[0]]
        judged = bool(held_out[members[0]])
        decided = labels[int(chances[members].mean(axis=0).argmax())]
        agrees = (decided != meaning.label) if meaning.negative else (decided == meaning.label)
        one = Score(int(judged and agrees), int(judged), 1, len(members))
        scores[meaning] = scores.get(meaning, Score()) + one
    return scores
