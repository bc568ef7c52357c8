"""What is known of trials: plain records, so that tables need not know how values were drawn."""

from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["done", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Values to try.

    Attributes:
        number: of the trial, 1 or more.
        values: path of the recipe to value.
    """

    number: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a recipe is worth by the clips that trials may hear.

    Attributes:
        value: accuracy from 0 to 1, or RMSE.
        untrained: the same of the network that training began with.
        seconds: that it took, untrained twin included.
    """

    value: float
    untrained: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial that is over.

    Attributes:
        number: 1 or more.
        state: ``done``; ``refused``, the recipe cannot be so; ``failed``, something went wrong.
        values: path of the recipe to value.
        measured: None unless it is done.
        reason: why it is not done; empty otherwise.
    """

    number: int
    state: State
    values: dict[str, Any] = field(default_factory=dict)
    measured: Measured | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a recipe is worth by the clips that were put aside.

    Attributes:
        value: accuracy from 0 to 1, or RMSE.
        untrained: the same of the network that training began with.
        interval: 95 % interval of the accuracy, by a bootstrap over the clips; None for RMSE.
        n_clips: how many clips were asked.
    """

    value: float
    untrained: float
    interval: tuple[float, float] | None
    n_clips: int


def best_of(trials: list[Trial], *, maximise: bool) -> Trial | None:
    """The one that measured best; the earlier of two equals; None if none is done."""
    done = [(trial.measured.value, trial) for trial in trials if trial.measured is not None]
    if not done:
        return None
    sign = -1.0 if maximise else 1.0
    return min(done, key=lambda pair: (sign * pair[0], pair[1].number))[1]
