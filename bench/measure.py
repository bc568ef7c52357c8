"""Timing beside each other: rounds in shuffled order, a pause before each call where sound would make one.

A round calls every contender some times and keeps each one's median, so that a burst of other work on the machine
spoils a round and not a contender. Ratios are taken within a round and then summarised: what slows the whole machine
down cancels out. Not here: what is timed.
"""

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.record import SEED

HOP_S = 0.04
"""The pause of paced calls: a frame's hop. Between them a core cools down: caches, clock, predictors."""
WARM_UP_CALLS = 3


@dataclass(frozen=True, slots=True)
class Spread:
    """A median between its quartiles."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(low, median, high)

    @property
    def quartiles(self) -> str:
        return f"{number(self.low)} to {number(self.high)}"


class Rounds:
    """What was measured: each contender's figure in every round.

    Attributes:
        figures: name to one figure a round, in the order of the rounds.
    """

    def __init__(self, figures: Mapping[str, list[float]]) -> None:
        self.figures = dict(figures)

    def __getitem__(self, name: str) -> Spread:
        return Spread.of(self.figures[name])

    def ratio(self, name: str, to: str) -> Spread:
        """``name`` over ``to``, round by round."""
        pairs = zip(self.figures[name], self.figures[to], strict=True)
        return Spread.of([figure / base for figure, base in pairs])

    def rows(self, base: str) -> list[list[Any]]:
        """A table's rows, the quickest first: name, median, quartiles, times ``base``."""
        ordered = sorted(self.figures, key=lambda name: self[name].median)
        return [
            [name, self[name].median, self[name].quartiles, self.ratio(name, base).median]
            for name in ordered
        ]


def in_rounds(
    contenders: Mapping[str, Callable[[], float]], *, n_rounds: int, seed: int = SEED
) -> Rounds:
    """Ask every contender for a figure in each round, in shuffled order."""
    order, found = random.Random(seed), {name: [] for name in contenders}
    for _ in range(n_rounds):
        for name in order.sample(list(contenders), len(contenders)):
            found[name].append(contenders[name]())
    return Rounds(found)


def time_calls(
    contenders: Mapping[str, Callable[[], object]],
    *,
    n_rounds: int,
    n_calls: int,
    pause_s: float = 0.0,
    shares: Mapping[str, int] | None = None,
) -> Rounds:
    """Microseconds of a call.

    Args:
        contenders: name to what is called.
        n_rounds: how often all are gone through.
        n_calls: of each in a round; their median is the round's figure.
        pause_s: asleep before each call; 0 is a hot loop.
        shares: how many units of work a call does, where it is not one; its time is divided by it.
    """

    def one(name: str) -> float:
        took_ns = []
        for _ in range(n_calls):
            if pause_s:
                time.sleep(pause_s)
            began_ns = time.perf_counter_ns()
            contenders[name]()
            took_ns.append(time.perf_counter_ns() - began_ns)
        return statistics.median(took_ns) / 1000 / (shares or {}).get(name, 1)

    for call in contenders.values():
        for _ in range(WARM_UP_CALLS):
            call()
    return in_rounds({name: lambda name=name: one(name) for name in contenders}, n_rounds=n_rounds)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p99 and the largest."""
    ordered = sorted(values)
    return {
        "p50": statistics.median(ordered),
        "p99": ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
        "most": ordered[-1],
    }


def number(value: float) -> str:
    """Three significant digits, and no exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
