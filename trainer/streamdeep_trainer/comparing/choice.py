"""The honest headline of a search: what comes of always taking the system that inner folds like best.

Whoever tries many systems and reports the best one has chosen by the test folds. Here, for each outer fold, the
candidate with the highest accuracy over the folds of its training part is taken, and its answers for the outer
fold are counted (Varma and Simon 2006, "Bias in error estimation when using cross-validation for model
selection"; Cawley and Talbot 2010). Outer answers are read after the choice, and only the chosen one's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdeep_trainer.comparing.answers import Answers


@dataclass(frozen=True, slots=True)
class Candidate:
    """One that could be taken.

    Attributes:
        name: of the row.
        classifier: that answers.
        answers: of one seed.
    """

    name: str
    classifier: str
    answers: Answers


@dataclass(frozen=True, slots=True)
class Pick:
    """One that was taken.

    Attributes:
        seed: of the repeat.
        fold: that was held out.
        name: of the row.
        classifier: that answers.
        inner: the accuracy over the folds of the training part, which it was taken for.
    """

    seed: int
    fold: int
    name: str
    classifier: str
    inner: float


def choose(
    candidates: Sequence[Candidate], folds: NDArray[np.int64], *, seed: int
) -> tuple[NDArray[np.int64], tuple[Pick, ...]] | None:
    """Take one per fold.

    Args:
        candidates: of one seed and the same clips; of equals, the first is taken.
        folds: ``(clips,)`` int64.
        seed: of the repeat, to be told.

    Returns:
        ``(clips,)`` int64 the answers of those that were taken, and who they were; None if there are no candidates.
    """
    usable = [one for one in candidates if None not in one.answers.inner]
    if not usable:
        return None
    classes = np.full(len(folds), -1)
    picks = []
    for column, fold in enumerate(np.unique(folds)):
        worth = [one.answers.inner[column] or 0.0 for one in usable]
        taken = usable[int(np.argmax(worth))]
        held_out = folds == fold
        classes[held_out] = np.array(taken.answers.classes)[held_out]
        picks.append(Pick(seed, int(fold), taken.name, taken.classifier, max(worth)))
    return classes, tuple(picks)
