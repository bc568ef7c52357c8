"""What programs read of a tuning: ``trials.csv``, ``best.toml``, and the outcome as one record."""

import csv
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tomli_w

from streamdeep_trainer.config import Recipe
from streamdeep_trainer.run_folder import MODEL
from streamdeep_trainer.tuning.aside import Aside
from streamdeep_trainer.tuning.space import Measure, Space
from streamdeep_trainer.tuning.trials import Judged, Measured, Trial
from streamdeep_trainer.writing import write_text

TRIALS = "trials.csv"
BEST = "best.toml"


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that came of it.

    Attributes:
        recipe: the best trial's, whole.
        place: folder of the best trial's run.
        measure: by what trials were compared.
        aside: the clips in two parts.
        trials: those that are over, by number.
        best: the one that measured best.
        before: the recipe as it was, measured like a trial.
        judged: the best trial, by the clips that were put aside.
        judged_before: the recipe as it was, by the same.
        n_judged: how many best trials these clips have judged; more than one after a second look.
        importances: path to its share of the measure's variance, largest first; empty if unknown.
    """

    recipe: Recipe
    place: Path
    measure: Measure
    aside: Aside
    trials: tuple[Trial, ...]
    best: Trial
    before: Measured
    judged: Judged
    judged_before: Judged
    n_judged: int
    importances: dict[str, float]

    def as_json(self, out: Path) -> dict[str, Any]:
        """For programs, nothing rounded."""
        return {
            "measure": self.measure,
            "n_trials": len(self.trials),
            "best": asdict(self.best),
            "recipe_as_it_was": asdict(self.before),
            "put_aside": {
                "name": self.aside.name,
                "n_clips": self.judged.n_clips,
                "best": asdict(self.judged),
                "recipe_as_it_was": asdict(self.judged_before),
                "n_judged": self.n_judged,
            },
            "importances": self.importances,
            "recipe": str(out / BEST),
            "model": str(self.place / MODEL),
            "trials": str(out / TRIALS),
            "report": str(out / "tune.md"),
        }


def shown(measured: Measured, measure: Measure) -> str:
    """In words."""
    value, untrained = in_words(measured.value, measure), in_words(measured.untrained, measure)
    return f"{measure} {value} (untrained {untrained}), {measured.seconds:.0f} s"


def in_words(value: float, measure: Measure) -> str:
    """Accuracy in percent, RMSE as it is."""
    return f"{100.0 * value:.1f} %" if measure == "accuracy" else f"{value:.4f}"


def write_trials(out: Path, trials: list[Trial], space: Space) -> None:
    """One row per trial that is over, by number; values that are no numbers stand there as JSON."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["number", "state", "measure", "untrained", *space, "seconds", "reason"])
    for trial in trials:
        found = trial.measured
        values = [trial.values[path] for path in space]
        table.writerow(
            [
                trial.number,
                trial.state,
                "" if found is None else repr(found.value),
                "" if found is None else repr(found.untrained),
                *(value if isinstance(value, str) else json.dumps(value) for value in values),
                "" if found is None else f"{found.seconds:.1f}",
                trial.reason,
            ]
        )
    write_text(out / TRIALS, text.getvalue())


def write_best(out: Path, outcome: Outcome) -> None:
    """The best trial's recipe, as ``fit`` reads it."""
    comment = f"# trial {outcome.best.number} of {len(outcome.trials)}, by {outcome.measure}; see tune.md\n"
    # None is every such key's default, and TOML has no word for it
    table = outcome.recipe.model_dump(mode="json", exclude_none=True)
    write_text(out / BEST, comment + tomli_w.dumps(table))
