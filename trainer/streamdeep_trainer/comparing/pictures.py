"""Two pictures of a comparison: accuracies with their intervals beside the untrained twins, and against cost.

Vector graphics, so that they are small and sharp; the same bytes for the same figures.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from streamdeep_trainer.comparing.report import ACCURACIES, COSTS
from streamdeep_trainer.comparing.standings import Standing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_LINES = 60
_TOP = 101.0
_COLOURS = {"transductive": "C0", "inductive": "C1"}


def draw(out: Path, standings: Sequence[Standing]) -> None:
    """Both, into a folder; of the first classifier of each protocol, and of those that decide themselves."""
    shown = _first_classifiers(standings)[:_MOST_LINES]
    draw_accuracies(out / ACCURACIES, shown)
    draw_costs(out / COSTS, [one for one in shown if one.cost is not None])


def _first_classifiers(standings: Sequence[Standing]) -> list[Standing]:
    first: dict[str, str] = {}
    for one in standings:
        first.setdefault(one.protocol, one.classifier)
    alone = {(one.protocol, one.name) for one in standings if one.classifier == first[one.protocol]}
    return [
        one
        for one in standings
        if one.classifier == first[one.protocol]
        or (not one.picks and (one.protocol, one.name) not in alone)
    ]


def draw_accuracies(path: Path, standings: Sequence[Standing]) -> None:
    """A line per system: a dot with its interval over clips, a ring for the untrained twin."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 1.2 + 0.32 * len(standings)), layout="constrained")
    axes = figure.add_subplot()
    for place, one in enumerate(standings):
        low, high = one.scores.interval
        colour = _COLOURS[one.protocol]
        axes.plot([100 * low, 100 * high], [place, place], color=colour, linewidth=1.5)
        marker = "D" if one.picks else "o"
        axes.plot(100 * one.scores.accuracy, place, marker, color=colour)
        if one.lead is not None:
            axes.plot(100 * one.lead.untrained.accuracy, place, "o", color="0.35", fillstyle="none")
    axes.set_yticks(
        range(len(standings)), [f"{one.name}, {one.classifier}" for one in standings], fontsize=8
    )
    axes.set_ylim(len(standings) - 0.4, -0.6)
    axes.set_xlim(right=min(axes.get_xlim()[1], _TOP))
    axes.grid(axis="x", color="0.9")
    axes.set_xlabel("accuracy in %, with the 95 % interval over clips")
    for protocol in dict.fromkeys(one.protocol for one in standings):
        axes.plot([], [], "o-", color=_COLOURS[protocol], label=protocol)
    axes.plot([], [], "o", color="0.35", fillstyle="none", label="untrained twin")
    axes.plot([], [], "D", color="0.35", label="chosen by inner folds")
    figure.legend(loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    _save(figure, path)


def draw_costs(path: Path, standings: Sequence[Standing]) -> None:
    """Accuracy over multiplications per second of sound; what does not stream is a cross. Numbers stand for names."""
    from matplotlib.figure import Figure

    numbers = {
        name: number for number, name in enumerate(dict.fromkeys(o.name for o in standings), 1)
    }
    figure = Figure(figsize=(8.0, max(4.0, 1.0 + 0.16 * len(numbers))), layout="constrained")
    axes = figure.add_subplot()
    for one in standings:
        assert one.cost is not None
        place = (max(one.cost.macs_per_s / 1e6, 1e-4), 100 * one.scores.accuracy)
        marker = "o" if one.cost.streamable else "x"
        axes.plot(*place, marker, color=_COLOURS[one.protocol])
        axes.annotate(
            str(numbers[one.name]), place, xytext=(5, 3), textcoords="offset points", fontsize=8
        )
    axes.set_xscale("log")
    axes.margins(x=0.15, y=0.15)
    axes.set_ylim(top=min(axes.get_ylim()[1], _TOP))
    axes.grid(color="0.9")
    axes.set_xlabel("million multiplications per second of sound")
    axes.set_ylabel("accuracy in %")
    for protocol in dict.fromkeys(one.protocol for one in standings):
        axes.plot([], [], "s", color=_COLOURS[protocol], label=protocol)
    axes.plot([], [], "o", color="0.35", label="streams")
    axes.plot([], [], "x", color="0.35", label="does not stream")
    for name, number in numbers.items():
        axes.plot([], [], " ", label=f"{number}: {name}")
    figure.legend(loc="outside right upper", fontsize=7, frameon=False)
    _save(figure, path)


def _save(figure: "Figure", path: Path) -> None:
    import matplotlib as mpl

    draft = path.with_suffix(path.suffix + ".part")
    with mpl.rc_context({"svg.hashsalt": path.name}):
        figure.savefig(draft, format="svg", metadata={"Date": None})
    draft.replace(path)
