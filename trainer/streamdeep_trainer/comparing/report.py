"""What people and programs read of a comparison: ``compare.md`` and ``compare.json``. Not here: pictures."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from streamdeep_trainer.comparing.paired import noise
from streamdeep_trainer.comparing.spec import Spec
from streamdeep_trainer.comparing.standings import CHOSEN, Standing
from streamdeep_trainer.netcdf import versions
from streamdeep_trainer.writing import write_text

REPORT = "compare.md"
FIGURES = "compare.json"
ACCURACIES = "accuracy.svg"
COSTS = "cost.svg"


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that came of a comparison.

    Attributes:
        spec: what was asked for.
        n_clips: that were judged.
        classes: their names.
        standings: the lines of the table.
        cells: title and digest of every cell, finished or not.
        failed: title and reason of those that failed.
    """

    spec: Spec
    n_clips: int
    classes: tuple[str, ...]
    standings: tuple[Standing, ...]
    cells: Mapping[str, str]
    failed: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """For programs, nothing rounded."""
        return {
            "spec": self.spec.model_dump(mode="json"),
            "n_clips": self.n_clips,
            "classes": self.classes,
            "standings": [asdict(one) for one in self.standings],
            "cells": dict(self.cells),
            "failed": dict(self.failed),
            "versions": versions(),
        }


def write_report(out: Path, outcome: Outcome) -> None:
    """Write both."""
    write_text(out / FIGURES, json.dumps(outcome.as_json(), indent=1) + "\n")
    write_text(out / REPORT, as_markdown(outcome))


def as_markdown(outcome: Outcome) -> str:
    """The report's text."""
    spec = outcome.spec
    lines = [f"# {spec.description or 'Comparison'}", "", *_about(outcome), ""]
    for protocol in dict.fromkeys(one.protocol for one in outcome.standings):
        lines += [f"## {protocol.capitalize()}", ""]
        lines += table([one for one in outcome.standings if one.protocol == protocol], spec)
        lines += [""]
    if outcome.standings:
        lines += [f"![accuracy]({ACCURACIES})", "", "## Cost", ""]
        lines += cost_table(outcome.standings)
        lines += ["", f"![accuracy against cost]({COSTS})", ""]
    for one in outcome.standings:
        if one.picks:
            lines += [
                f"Chosen by inner folds, {one.protocol}, {one.classifier}: {_picked(one)}.",
                "",
            ]
    if outcome.failed:
        lines += ["## Failed", "", *(f"- {title}: {why}" for title, why in outcome.failed.items())]
        lines += [""]
    return "\n".join(lines)


def _about(outcome: Outcome) -> list[str]:
    spec, n_clips = outcome.spec, outcome.n_clips
    best = max((one.scores.accuracy for one in outcome.standings), default=0.9)
    return [
        f"{n_clips} clips of {len(outcome.classes)} classes; seeds {', '.join(map(str, spec.seeds))}. Every clip is "
        "answered once per seed, when its fold is held out. C and k are chosen by inner folds of the training part; "
        f"so is the line *{CHOSEN}*, the one figure here that a search may quote: the best of several lines is not.",
        "",
        f"In %. *Seeds*: 95 % interval of the mean over seeds (Student's t). *Clips*: 95 % interval over clips "
        "(bootstrap, a clip with its answers of all seeds); for other clips of the same kind, an accuracy of "
        f"{100 * best:.0f} % on {n_clips} of them is good to ±{100 * noise(best, n_clips):.1f} points (Wilson). "
        "*Lead*: over the same network untrained, with the 95 % interval of a paired bootstrap over clips; *p*: McNemar's "
        "exact test over clips, the largest of the seeds, not corrected for the number of lines.",
    ]


def table(standings: Sequence[Standing], spec: Spec) -> list[str]:
    """Lines of Markdown, of one protocol."""
    head = ["system", "classifier", "accuracy", "seeds", "clips", "UAR", "macro-F1"]
    head += ["untrained", "lead", "p"]
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    for one in standings:
        scores, lead = one.scores, one.lead
        lacking = len(spec.seeds) - len(one.seeds)
        name = f"*{one.name}*" if one.picks else _escaped(one.name)
        cells = [
            f"{name} ({len(one.seeds)} of {len(spec.seeds)} seeds)" if lacking else name,
            one.classifier,
            f"{100 * scores.accuracy:.1f}",
            _half(one.seed_interval),
            _span(scores.interval),
            f"{100 * scores.uar:.1f}",
            f"{100 * scores.macro_f1:.1f}",
        ]
        if lead is None:
            cells += ["", "", ""]
        else:
            cells += [
                f"{100 * lead.untrained.accuracy:.1f}",
                f"{100 * lead.difference:+.1f} ({_span(lead.interval)})",
                f"{max(lead.p_values):.2g}",
            ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def as_tables(outcome: Outcome) -> list[Table]:
    """Tables for a terminal, one per protocol and classifier: what is most wanted; the report has the rest."""
    groups: dict[str, Table] = {}
    for one in outcome.standings:
        title = f"{one.protocol}, {one.classifier}: accuracy in % of {outcome.n_clips} clips"
        if title not in groups:
            groups[title] = Table(title=title, title_justify="left")
            for column in ("system", "accuracy", "over clips", "untrained", "p"):
                groups[title].add_column(column, justify="left" if column == "system" else "right")
        twin = ["", ""]
        if one.lead is not None:
            twin = [f"{100 * one.lead.untrained.accuracy:.1f}", f"{max(one.lead.p_values):.2g}"]
        accuracy, over_clips = f"{100 * one.scores.accuracy:.1f}", _span(one.scores.interval)
        groups[title].add_row(one.name, accuracy, over_clips, *twin)
    return list(groups.values())


def cost_table(standings: Sequence[Standing]) -> list[str]:
    """Lines of Markdown, one per system."""
    lines = [
        "| system | parameters | multiplications per second of sound | µs per step | streams |",
        "|---|---:|---:|---:|---|",
    ]
    costs = {one.name: one.cost for one in reversed(standings) if one.cost is not None}
    for name, cost in reversed(costs.items()):
        step = "" if cost.step_us is None else f"{cost.step_us:.0f}"
        lines.append(
            f"| {_escaped(name)} | {cost.parameters:,} | {cost.macs_per_s / 1e6:.3g} M | {step} | "
            f"{'yes' if cost.streamable else 'no'} |"
        )
    return lines


def _escaped(name: str) -> str:
    return name.replace("|", "\\|")


def _span(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"


def _half(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"±{50 * (interval[1] - interval[0]):.1f}"


def _picked(one: Standing) -> str:
    counts = Counter((pick.name, pick.classifier) for pick in one.picks)
    return "; ".join(
        f"{name} ({classifier}) {count} of {len(one.picks)} times"
        for (name, classifier), count in counts.most_common()
    )
