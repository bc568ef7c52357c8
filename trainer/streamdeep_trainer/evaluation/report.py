"""Scores as tables for people or as JSON for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Table

from streamdeep_trainer.baselines.quoted import Quoted
from streamdeep_trainer.evaluation.scoring import Scores


def as_table(
    scores: Sequence[Scores], quoted: Sequence[Quoted], *, protocol: str = "cross-validated"
) -> Table:
    """One row per kind of embedding; figures of other systems below, marked as quoted.

    The regularisations that were chosen are in the JSON alone.
    """
    table = Table(title=f"per file, {protocol}, in %", caption="interval: bootstrap over files")
    table.add_column("embedding")
    for column in ("accuracy", "95 % interval", "UAR", "macro-F1", "folds"):
        table.add_column(column, justify="right")
    for row in scores:
        table.add_row(
            escape(row.name),
            _percent(row.accuracy),
            f"{_percent(row.interval[0])} to {_percent(row.interval[1])}",
            _percent(row.uar),
            _percent(row.macro_f1),
            " ".join(f"{100.0 * accuracy:.0f}" for accuracy in row.fold_accuracies),
        )
    for figure in quoted:
        table.add_row(f"{figure.name} (quoted)", _percent(figure.accuracy), "", "", "", "")
    return table


def classes_table(scores: Scores) -> Table:
    """One row per class, and what it was most often mistaken for."""
    table = Table(
        title=f"{escape(scores.name)}, per class, in %", caption="counts: over folds and repeats"
    )
    table.add_column("class")
    for column in ("precision", "recall", "F1", "count"):
        table.add_column(column, justify="right")
    table.add_column("most often taken for")
    for index, (row, counts) in enumerate(zip(scores.classes, scores.confusion, strict=True)):
        wrong = [0 if column == index else count for column, count in enumerate(counts)]
        most = max(wrong)
        table.add_row(
            escape(row.label),
            _percent(row.precision),
            _percent(row.recall),
            _percent(row.f1),
            str(row.count),
            f"{escape(scores.labels[wrong.index(most)])} ({most})" if most else "",
        )
    return table


def as_json(scores: Sequence[Scores], quoted: Sequence[Quoted]) -> dict[str, Any]:
    """The same, nothing rounded."""
    return {
        "scores": [asdict(row) for row in scores],
        "quoted": [asdict(figure) for figure in quoted],
    }


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f}"
