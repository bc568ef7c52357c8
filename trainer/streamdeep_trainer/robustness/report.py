"""What people and programs read of it: ``robustness.md`` and ``robustness.json``. Not here: the picture (``picture``)."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.table import Table

from streamdeep_trainer.conditions.condition import CLEAN, titles_of
from streamdeep_trainer.robustness.judging import TEACHINGS
from streamdeep_trainer.robustness.robustness import Judged, Outcome
from streamdeep_trainer.writing import write_text

REPORT: Final = "robustness.md"
FIGURES: Final = "robustness.json"
PICTURE: Final = "robustness.svg"


def as_json(outcome: Outcome) -> dict[str, Any]:
    """For programs, nothing rounded."""
    return {
        "n_clips": outcome.n_clips,
        "classes": outcome.classes,
        "seed": outcome.seed,
        "teach": [condition.name for condition in outcome.teach],
        "conditions": {condition.name: condition.title for condition in outcome.conditions},
        "models": [
            {
                "name": model.name,
                "sha256": model.digest,
                "dim": model.dim,
                "mean_accuracies": {name: mean(model, name) for name in teachings_of(outcome)},
                "scores": {
                    condition: {teaching: asdict(scores) for teaching, scores in of.items()}
                    for condition, of in model.scores.items()
                },
            }
            for model in outcome.models
        ],
        "versions": outcome.versions,
    }


def teachings_of(outcome: Outcome) -> list[str]:
    """The names of those that there are."""
    return [name for name in TEACHINGS if name in outcome.models[0].scores[CLEAN.name]]


def mean(model: Judged, teaching: str) -> float | None:
    """Mean accuracy over the conditions that were asked, ``clean`` not among them; None if there are no others."""
    found = [of[teaching].accuracy for name, of in model.scores.items() if name != CLEAN.name]
    return float(np.mean(found)) if found else None


def lines_of(outcome: Outcome, teaching: str) -> list[tuple[str, ...]]:
    """A table: a line per condition, a column per model; in % with the points that ``clean`` is away, and their mean."""
    lines: list[tuple[str, ...]] = [("condition", *(model.name for model in outcome.models))]
    for condition in outcome.conditions:
        cells = [_cell(model, model.scores[condition.name][teaching].accuracy, teaching)
                 for model in outcome.models]  # fmt: skip
        if condition.name == CLEAN.name:
            cells = [cell.partition(" ")[0] for cell in cells]
        lines.append((condition.title, *cells))
    means = [mean(model, teaching) for model in outcome.models]
    known = [value for value in means if value is not None]
    if known:
        cells = [
            _cell(model, value, teaching)
            for model, value in zip(outcome.models, known, strict=True)
        ]
        lines.append(("mean of all but clean", *cells))
    return lines


def _cell(model: Judged, accuracy: float, teaching: str) -> str:
    change = 100.0 * (accuracy - model.scores[CLEAN.name][teaching].accuracy)
    return f"{100.0 * accuracy:.1f} ({change:+.1f})"


def as_tables(outcome: Outcome) -> list[Table]:
    """For a terminal, one per teaching."""
    found = []
    for teaching in teachings_of(outcome):
        head, *rest = lines_of(outcome, teaching)
        table = Table(title=f"{TEACHINGS[teaching]}: accuracy in %", title_justify="left")
        for place, column in enumerate(head):
            table.add_column(column, justify="right" if place else "left")
        for number, line in enumerate(rest):
            table.add_row(*line, end_section=number == len(outcome.conditions) - 1)
        found.append(table)
    return found


def as_markdown(outcome: Outcome) -> str:
    """The report's text."""
    lines = ["# Robustness", "", *_about(outcome), ""]
    for teaching in teachings_of(outcome):
        lines += [
            f"## {TEACHINGS[teaching].capitalize()}",
            "",
            *_table(lines_of(outcome, teaching)),
        ]
        lines += [""]
    lines += [f"![accuracy under every condition]({PICTURE})", ""]
    lines += [
        f"- {model.name}: {model.dim} values, SHA-256 {model.digest[:16]}"
        for model in outcome.models
    ]
    return "\n".join(lines) + "\n"


def _about(outcome: Outcome) -> list[str]:
    low, high = outcome.models[0].scores[CLEAN.name]["clean"].interval
    lines = [
        f"{outcome.n_clips} clips of {len(outcome.classes)} classes, seed {outcome.seed}. A linear support vector machine is "
        "taught on all folds but one and asked for the clips of that one, under each condition. Its C is chosen by inner folds of "
        f"the clean training part. Accuracy in %, in brackets the points that it is away from clean. On {outcome.n_clips} clips "
        f"the first figure is good to ±{50.0 * (high - low):.1f} points (95 %, bootstrap over clips): smaller differences mean nothing.",
    ]
    if outcome.teach:
        lines += ["", f"Several conditions are: {titles_of(outcome.teach)}."]
    return lines


def _table(lines: Sequence[Sequence[str]]) -> list[str]:
    head, *rest = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    rule = ["---", *["---:"] * (len(head) - 1)]
    return ["| " + " | ".join(line) + " |" for line in (head, rule, *rest)]


def write_report(out: Path, outcome: Outcome) -> None:
    """Write both."""
    write_text(out / FIGURES, json.dumps(as_json(outcome), indent=1) + "\n")
    write_text(out / REPORT, as_markdown(outcome))
