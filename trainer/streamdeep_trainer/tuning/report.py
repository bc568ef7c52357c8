"""What people read of a tuning: ``tune.md`` and the picture of its course."""

import json
from pathlib import Path

from streamdeep_trainer.tuning.results import BEST, TRIALS, Outcome, in_words
from streamdeep_trainer.tuning.trials import Judged, Trial
from streamdeep_trainer.writing import write_text

REPORT = "tune.md"
PICTURE = "tune.png"
_MOST_ROWS = 10


def write_report(out: Path, outcome: Outcome) -> None:
    """Write both."""
    draw_course(out / PICTURE, outcome)
    write_text(out / REPORT, as_markdown(outcome))


def summary(outcome: Outcome) -> str:
    """The report's beginning: whether it helped."""
    recipe, best = outcome.recipe, outcome.best
    done = [trial for trial in outcome.trials if trial.measured is not None]
    n_rest = len(outcome.aside.rest)
    how = (
        "accuracy per file of a linear SVM, cross-validated, C from inner folds"
        if outcome.measure == "accuracy"
        else "RMSE of the reconstruction on held-out clips: how well sound is rebuilt, not how good embeddings are"
    )
    lines = [
        f"# Tuning {recipe.model.name}",
        "",
        f"{len(outcome.trials)} trials, {len(done)} measured, on {n_rest} clips; {outcome.aside.name} was put "
        f"aside ({outcome.judged.n_clips} clips). Measure: {how}.",
        "",
        "## Did it help?",
        "",
        f"Both were trained on the same {n_rest} clips, and asked about the {outcome.judged.n_clips} that no "
        "trial heard.",
        "",
        f"| recipe | in the trials | {outcome.aside.name} | 95 % interval | {outcome.aside.name}, untrained twin |",
        "|---|---|---|---|---|",
        _compared("as it was", outcome.before.value, outcome.judged_before, outcome),
        _compared(f"trial {best.number}", _value(best), outcome.judged, outcome),
        "",
        _verdict(outcome),
    ]
    if outcome.n_judged > 1:
        lines += [
            "",
            f"The clips that were put aside have judged {outcome.n_judged} best trials by now, because the tuning "
            "was run again; whoever chooses among those by these figures has looked.",
        ]
    return "\n".join([*lines, ""])


def as_markdown(outcome: Outcome) -> str:
    """The report's text."""
    done = [trial for trial in outcome.trials if trial.measured is not None]
    lines = [
        summary(outcome),
        "## Best trials",
        "",
        *_table(outcome, done),
        "",
        f"All of them: `{TRIALS}`.",
    ]
    lines += [
        "",
        f"The best recipe: `{BEST}`, for `streamdeep-train fit`.",
        "",
        f"![course]({PICTURE})",
    ]
    if outcome.importances:
        lines += [
            "",
            "## What mattered",
            "",
            f"Share of the measure's variance over these {len(done)} trials (fANOVA); a hint, no proof.",
            "",
            "| | |",
            "|---|---|",
            *(f"| `{path}` | {100 * share:.0f} % |" for path, share in outcome.importances.items()),
        ]
    return "\n".join([*lines, ""])


def _value(trial: Trial) -> float:
    assert trial.measured is not None
    return trial.measured.value


def _compared(name: str, in_trials: float, judged: Judged, outcome: Outcome) -> str:
    measure = outcome.measure
    interval = (
        ""
        if judged.interval is None
        else " to ".join(in_words(end, measure) for end in judged.interval)
    )
    cells = (in_words(in_trials, measure), in_words(judged.value, measure), interval)
    return f"| {name} | {' | '.join(cells)} | {in_words(judged.untrained, measure)} |"


def _verdict(outcome: Outcome) -> str:
    sign = 1.0 if outcome.measure == "accuracy" else -1.0
    gain = sign * (outcome.judged.value - outcome.judged_before.value)
    if gain == 0.0:
        said = "Tuning changed nothing"
    elif outcome.measure == "accuracy":
        n_clips = round(abs(gain) * outcome.judged.n_clips)
        said = f"Tuning {'gained' if gain > 0 else 'lost'} {100 * abs(gain):.1f} points ({n_clips} of {outcome.judged.n_clips} clips)"
    else:
        said = f"Tuning made the RMSE {abs(gain):.4f} {'lower' if gain > 0 else 'higher'}"
    words = [f"{said} on the clips that were put aside."]
    if _overlap(outcome.judged.interval, outcome.judged_before.interval):
        words.append("The intervals overlap: that may be chance.")
    if sign * (_value(outcome.best) - outcome.before.value) <= 0.0:
        words.append("No trial measured better than the recipe as it was; keep that.")
    if sign * (outcome.judged.value - outcome.judged.untrained) <= 0.0:
        words.append("The best trial's encoder is no better than its untrained twin.")
    return " ".join(words)


def _overlap(one: tuple[float, float] | None, other: tuple[float, float] | None) -> bool:
    return one is not None and other is not None and one[0] <= other[1] and other[0] <= one[1]


def _table(outcome: Outcome, done: list[Trial]) -> list[str]:
    paths = list(outcome.best.values)
    sign = -1.0 if outcome.measure == "accuracy" else 1.0
    ranked = sorted(done, key=lambda trial: (sign * _value(trial), trial.number))[:_MOST_ROWS]
    head = ["trial", outcome.measure, "untrained", *(f"`{path}`" for path in paths), "seconds"]
    rows = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for trial in ranked:
        assert trial.measured is not None
        cells = [
            str(trial.number),
            in_words(trial.measured.value, outcome.measure),
            in_words(trial.measured.untrained, outcome.measure),
            *(_short(trial.values[path]) for path in paths),
            f"{trial.measured.seconds:.0f}",
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return value if isinstance(value, str) else json.dumps(value)


def draw_course(path: Path, outcome: Outcome) -> None:
    """A picture: each trial's measure, the best so far, and the recipe as it was."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    percent = 100.0 if outcome.measure == "accuracy" else 1.0
    best = max if outcome.measure == "accuracy" else min
    done = [trial for trial in outcome.trials if trial.measured is not None]
    numbers = [trial.number for trial in done]
    values = [percent * _value(trial) for trial in done]
    figure = Figure(figsize=(6.0, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(numbers, values, "o", label="trial")
    so_far = [best(values[: n + 1]) for n in range(len(values))]
    axes.step(numbers, so_far, where="post", label="best so far")
    untrained = [percent * trial.measured.untrained for trial in done if trial.measured]
    axes.plot(numbers, untrained, "x", color="grey", label="untrained twin")
    axes.axhline(
        percent * outcome.before.value, linestyle=":", color="black", label="recipe as it was"
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial")
    axes.set_ylabel("accuracy in %" if outcome.measure == "accuracy" else "RMSE")
    axes.legend()
    draft = path.with_suffix(path.suffix + ".part")
    figure.savefig(draft, format="png", dpi=120)
    draft.replace(path)
