"""A picture of it: accuracies under every condition, a panel per teaching. Vector graphics; the same bytes for the same figures."""

from pathlib import Path

from streamdeep_trainer.robustness.judging import TEACHINGS
from streamdeep_trainer.robustness.report import teachings_of
from streamdeep_trainer.robustness.robustness import Outcome

_MARKERS = "oDs^vP*X"
_COLOURS = 10


def draw(path: Path, outcome: Outcome) -> None:
    """A line per condition; a mark per model, with the 95 % interval over clips."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    teachings, conditions = teachings_of(outcome), outcome.conditions
    figure = Figure(
        figsize=(3.0 + 2.6 * len(teachings), 1.6 + 0.34 * len(conditions)), layout="constrained"
    )
    panels = figure.subplots(1, len(teachings), sharex=True, sharey=True, squeeze=False)[0]
    for axes, teaching in zip(panels, teachings, strict=True):
        for number, model in enumerate(outcome.models):
            scores = [model.scores[condition.name][teaching] for condition in conditions]
            # models stand below each other within a line
            shift = 0.6 * ((number + 0.5) / len(outcome.models) - 0.5)
            places = [place + shift for place in range(len(conditions))]
            colour = f"C{number % _COLOURS}"
            lows, highs = zip(*(one.interval for one in scores), strict=True)
            axes.hlines(places, [100 * x for x in lows], [100 * x for x in highs], color=colour)
            marker = _MARKERS[number % len(_MARKERS)]
            axes.plot([100 * one.accuracy for one in scores], places, marker, color=colour,
                      markersize=4, linestyle="none", label=model.name)  # fmt: skip
        axes.set_title(TEACHINGS[teaching], fontsize=8)
        axes.grid(axis="x", color="0.9")
        axes.tick_params(labelsize=8)
        axes.set_xlabel("accuracy in %, 95 % interval over clips", fontsize=8)
    panels[0].set_yticks(range(len(conditions)), [one.title for one in conditions], fontsize=8)
    panels[0].set_ylim(len(conditions) - 0.5, -0.5)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    draft = path.with_suffix(path.suffix + ".part")
    with mpl.rc_context({"svg.hashsalt": path.name}):
        figure.savefig(draft, format="svg", metadata={"Date": None})
    draft.replace(path)
