"""Examples in, a classifier out, and how good it is: the simplest that does best on what it did not learn. Pure.

Nearest class mean always works, from one example a class on. Logistic regression is tried as well where every class has
two takes, so that it can be judged, and is taken if it decides more of the takes left out rightly; of
equals, the one whose probabilities are better. Its probabilities are calibrated by a temperature learnt on the
segments left out. Not here: files (``headfile``).
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError, MissingDependencyError
from streamdeep.heads.calibration import fit_temperature
from streamdeep.heads.settings import UNKNOWN
from streamdeep.teaching.classifiers import (
    Linear,
    Rows,
    logistic,
    one_thread,
    prototypes,
    require_logistic,
)
from streamdeep.teaching.example import Meaning
from streamdeep.teaching.examples import Examples
from streamdeep.teaching.judging import Judgement, Score, judge

Method = Literal["prototypes", "logistic regression"]
Choice = Literal["auto", "prototypes", "logistic"]

_FITS: Final = {"prototypes": prototypes, "logistic regression": logistic}
_TAKES_FOR_LOGISTIC: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What was learnt.

    Attributes:
        labels: one per class; ``unknown`` is last.
        linear: the classifier, calibrated.
        method: how it was learnt.
        accuracies: of every method that was tried: mean over classes of the share of takes decided rightly
            while they were left out; None if nothing could be judged.
        scores: of every meaning, with the method taken.
        calibrated: its probabilities were measured on what it did not learn.
        note: why a method was not tried, if it could have been; for people.
    """

    labels: tuple[str, ...]
    linear: Linear
    method: Method
    accuracies: dict[Method, float | None]
    scores: dict[Meaning, Score]
    calibrated: bool
    note: str = ""

    @property
    def accuracy(self) -> float | None:
        """Of the method taken."""
        return self.accuracies[self.method]


def learn(examples: Examples, *, method: Choice = "auto") -> Learnt:
    """Learn a classifier; takes from milliseconds (few examples) to seconds (hundreds of takes).

    Args:
        examples: of two classes at least; ``unknown``, background, is one.
        method: one of them whatever comes, or the better one.

    Raises:
        ConfigurationError: fewer than two classes.
        MissingDependencyError: ``logistic`` was asked for and scikit-learn is not installed.
    """
    labels = examples.labels
    if len(labels) < 2:
        raise ConfigurationError(
            f"{'no class' if not labels else f'only {labels[0]!r}'} was taught; two are needed: another class, "
            f"or {UNKNOWN!r}, which is background and whatever else is none of the classes"
        )
    rows, meanings = _rows(examples, labels)
    tried, note = _methods(rows, method)
    with one_thread():
        judged = {name: judge(rows, meanings, labels, _FITS[name]) for name in tried}
        best = max(tried, key=lambda name: _merit(judged[name]))
        linear, found = _FITS[best](rows), judged[best]
    calibrated = found.temperature is not None
    return Learnt(
        labels=labels,
        linear=linear.cooled(found.temperature or _cautious_temperature(linear, rows)),
        method=best,
        accuracies={name: one.accuracy for name, one in judged.items()},
        scores=found.scores,
        calibrated=calibrated,
        note=note,
    )


def _rows(examples: Examples, labels: tuple[str, ...]) -> tuple[Rows, list[Meaning]]:
    every = examples.all
    meanings, places = [one.meaning for one in every], [one.place for one in every]
    numbers: dict[tuple[str, str], int] = {}
    sources = [numbers.setdefault((one.source, one.session), len(numbers)) for one in places]

    def column(values: list[int]) -> NDArray[np.int64]:
        return np.array(values, dtype=np.int64)

    rows = Rows(
        vectors=examples.vectors().astype(np.float64),
        classes=column([labels.index(meaning.taught_as) for meaning in meanings]),
        takes=column([one.take for one in every]),
        sources=column(sources),
        starts=column([one.start_sample for one in places]),
        stops=column([one.stop_sample for one in places]),
    )
    return rows, meanings


def _methods(rows: Rows, choice: Choice) -> tuple[list[Method], str]:
    if choice == "prototypes":
        return ["prototypes"], ""
    if choice == "logistic":
        require_logistic()
        return ["logistic regression"], ""
    pairs = set(zip(rows.classes.tolist(), rows.takes.tolist(), strict=True))
    fewest = min(Counter(number for number, _ in pairs).values())
    if fewest < _TAKES_FOR_LOGISTIC:
        return ["prototypes"], ""
    try:
        require_logistic()
    except MissingDependencyError as error:
        return ["prototypes"], str(error)
    return ["prototypes", "logistic regression"], ""


def _merit(judgement: Judgement) -> tuple[float, float]:
    return judgement.accuracy or 0.0, -judgement.log_loss


def _cautious_temperature(linear: Linear, rows: Rows) -> float:
    """For one take a class: certainty as if each take had been right once, smoothed as Platt does."""
    takes, first = np.unique(rows.takes, return_index=True)
    means = [rows.vectors[rows.takes == take].mean(axis=0) for take in takes]
    return fit_temperature(linear.logits(np.stack(means)), rows.classes[first])
