"""How decisions are made: the tables ``[decision]`` and ``[novelty]`` of a configuration, and thresholds for a head's classes."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from streamdeep.config import Strict
from streamdeep.errors import ConfigurationError

UNKNOWN: Final = "unknown"
"""What is heard while no class has begun; a class of this name never begins."""
OFF_SHARE: Final = 0.7
"""``off`` where none is given, as a share of ``on``."""

Probability = Annotated[float, Field(gt=0.0, le=1.0)]
Seconds = Annotated[float, Field(ge=0.0, le=86_400.0)]


class ClassSettings(Strict):
    """What one class does differently: ``[decision.classes."Dog bark"]``; see :class:`DecisionSettings`.

    Attributes:
        on: None as for all, and so below.
        off: None as for all, or 0.7 of ``on`` where the class has an ``on`` of its own.
        min_on_s: see there.
        min_off_s: see there.
        report: False for a class that is only there to be told apart: background.
    """

    on: Probability | None = None
    off: Probability | None = None
    min_on_s: Seconds | None = None
    min_off_s: Seconds | None = None
    report: bool = True


class DecisionSettings(Strict):
    """When a sound begins and ends.

    Attributes:
        smoothing_s: time constant of the mean over time; 0 is none.
        on: a sound begins when its probability has been at least this ...
        min_on_s: ... for so long,
        off: and ends when it has been below this (None: 0.7 of ``on``) ...
        min_off_s: ... for so long.
        hold_s: a stream whose next segment is more than this late counts as interrupted: its sounds end.
        classes: what single classes do differently, by label.
    """

    smoothing_s: Seconds = 1.0
    on: Probability = 0.6
    off: Probability | None = None
    min_on_s: Seconds = 0.0
    min_off_s: Seconds = 0.0
    hold_s: Annotated[float, Field(gt=0.0, le=86_400.0)] = 10.0
    classes: dict[str, ClassSettings] = Field(default_factory=dict, max_length=10_000)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for where, of_class in (("", ClassSettings()), *self.classes.items()):
            on, off = self._on_off(of_class)
            if off > on:
                place = f"classes.{where}: " if where else ""
                raise ValueError(f"{place}off {off:g} lies above on {on:g}; it must not")
        return self

    def _on_off(self, of_class: ClassSettings) -> tuple[float, float]:
        on = self.on if of_class.on is None else of_class.on
        off = self.off if of_class.on is None else None
        off = off if of_class.off is None else of_class.off
        return on, OFF_SHARE * on if off is None else off

    def thresholds(self, labels: Sequence[str]) -> "Thresholds":
        """The thresholds of a head's classes.

        Raises:
            ConfigurationError: ``classes`` names one that the head does not have.
        """
        for label in self.classes:
            if label not in labels:
                near = difflib.get_close_matches(label, labels, n=1, cutoff=0.0)
                raise ConfigurationError(
                    f"the head has no class {label!r}; the nearest is {near[0]!r}, and it has {len(labels)}"
                )
        each = [self.classes.get(label, ClassSettings()) for label in labels]
        pairs = np.array([self._on_off(of_class) for of_class in each])
        return Thresholds(
            labels=tuple(labels),
            on=pairs[:, 0],
            off=pairs[:, 1],
            min_on_s=_or([of_class.min_on_s for of_class in each], self.min_on_s),
            min_off_s=_or([of_class.min_off_s for of_class in each], self.min_off_s),
            reported=np.array(
                [
                    of_class.report and label != UNKNOWN
                    for label, of_class in zip(labels, each, strict=True)
                ]
            ),
        )


class NoveltySettings(Strict):
    """When a stream sounds like nothing in the model's training; see :mod:`streamdeep.heads.noticing`.

    Attributes:
        rate: so often may sound like the training be called novel. A model can tell rates within bounds only;
            what lies outside counts as the nearer one.
        drift_alarms_per_day: so often may a stream of it be said to drift.
    """

    rate: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.01
    drift_alarms_per_day: Annotated[float, Field(gt=0.0, le=100.0)] = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class Thresholds:
    """Settings of every class side by side.

    Attributes:
        labels: the classes.
        on: ``(classes,)`` float64.
        off: ``(classes,)`` float64, at most ``on``.
        min_on_s: ``(classes,)`` float64.
        min_off_s: ``(classes,)`` float64.
        reported: ``(classes,)`` bool; the others never begin.
    """

    labels: tuple[str, ...]
    on: NDArray[np.float64]
    off: NDArray[np.float64]
    min_on_s: NDArray[np.float64]
    min_off_s: NDArray[np.float64]
    reported: NDArray[np.bool_]


def _or(values: Sequence[float | None], default: float) -> NDArray[np.float64]:
    return np.array([default if value is None else value for value in values])
