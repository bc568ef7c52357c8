"""From a recipe and a folder of sound to a report: train, export, judge, and write it all down.

One folder holds everything afterwards: checkpoint, model, untrained twin, ``report.md`` with its pictures and
``report.json``. Not here: any of the work itself.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from streamdeep.encoder.model import Model, load_model
from streamdeep_trainer.baselines.quoted import Quoted
from streamdeep_trainer.building import shape_of
from streamdeep_trainer.checkpoint import Checkpoint
from streamdeep_trainer.config import ClassifierName, Recipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.evaluation.confusion import draw_confusion
from streamdeep_trainer.evaluation.judging import splits_of
from streamdeep_trainer.evaluation.report import as_json
from streamdeep_trainer.evaluation.scoring import Scores
from streamdeep_trainer.evaluation.subjects import Skipped, choices_of, judge_run
from streamdeep_trainer.fit import fit
from streamdeep_trainer.run_folder import FIGURES, MODEL, REPORT, SPECTROGRAMS, UNTRAINED
from streamdeep_trainer.steps import export_into, kept_spectrograms
from streamdeep_trainer.views import check_folder, fit_views

Judged = Mapping[ClassifierName, Sequence[Scores]]
"""Scores by classifier."""


def reproduce(
    recipe: Recipe,
    data: Path,
    *,
    run: Path,
    layout: str | None = None,
    resume: bool = False,
    tell_skipped: Callable[[Skipped], None] = lambda _: None,
) -> Path:
    """Do everything that a recipe says.

    Args:
        recipe: the experiment, of one view or of several.
        data: folder of sound files.
        run: where everything goes.
        layout: how the data is laid out; found out if not given.
        resume: go on from the run's checkpoints.
        tell_skipped: told the clips that cannot be used, step by step.

    Returns:
        The report's place.

    Raises:
        StreamdeepError: whatever stops one of the steps.
    """
    check_folder(recipe, run, resume=resume)
    choices = choices_of(recipe.evaluate)
    _refuse_unfit(recipe, find_clips(data, layout))  # before the training, not after it
    singles = recipe.singles or {"": recipe}
    for single in singles.values():
        shape_of(single)  # likewise a model that cannot be
    first = next(iter(singles))
    made = kept_spectrograms(singles[first], data, run / first / SPECTROGRAMS, layout=layout)
    tell_skipped(made.skipped)
    _refuse_unfit(recipe, made.clips)  # of some classes too little may be left
    if recipe.views:
        del made  # room for those of each view
        checkpoints = fit_views(recipe, data, run=run, layout=layout, resume=resume).checkpoints
    else:
        checkpoints = {"": fit(recipe, made, run=run, resume=resume)}
        export_into(run, made, {MODEL: False, UNTRAINED: True})
    scores, quoted = judge_run(run, data, choices=choices, layout=layout, tell_skipped=tell_skipped)
    judged = {choice.classifier: rows for choice, rows in zip(choices, scores, strict=True)}
    draw_losses(run / "losses.png", checkpoints)
    draw_confusion(run / "confusion.png", scores[0][0])
    figures = as_json([row for rows in scores for row in rows], quoted)
    names = [name for name, rows in judged.items() for _ in rows]
    for name, row in zip(names, figures["scores"], strict=True):
        row["classifier"] = name
    (run / FIGURES).write_text(json.dumps(figures, indent=1) + "\n")
    report = run / REPORT
    report.write_text(as_markdown(recipe, checkpoints, load_model(run / MODEL), judged, quoted))
    return report


def _refuse_unfit(recipe: Recipe, clips: Sequence[Clip]) -> None:
    splits_of(clips, n_folds=recipe.evaluate.n_folds, seed=recipe.evaluate.seeds[0])


def as_markdown(
    recipe: Recipe,
    checkpoints: Mapping[str, Checkpoint],
    model: Model,
    judged: Judged,
    quoted: Sequence[Quoted],
) -> str:
    """The report's text; checkpoints by view, of one view by the empty name."""
    lines = [
        f"# {recipe.model.name}",
        "",
        recipe.description,
        "",
        f"Data: {recipe.data or 'not named'}. Licence: {recipe.licence or 'not named'}.",
        "",
        *_facts(recipe, checkpoints, model),
        "",
        "![losses](losses.png)",
        "",
        "## Accuracy per file, cross-validated, in %",
    ]
    for classifier, scores in judged.items():
        vote = ", segments vote" if recipe.evaluate.majority_vote else ""
        lines += [
            "",
            f"### {classifier}{vote}",
            "",
            "| embedding | accuracy | 95 % interval | UAR | macro-F1 |",
            "|---|---|---|---|---|",
        ]
        for row in scores:
            low, high = row.interval
            lines.append(
                f"| {row.name} | {100 * row.accuracy:.1f} | {100 * low:.1f} to {100 * high:.1f} | "
                f"{100 * row.uar:.1f} | {100 * row.macro_f1:.1f} |"
            )
    first = next(iter(judged.values()))[0]
    lines += ["", f"Interval: {first.interval_kind}. Repeats: {first.n_repeats}."]
    if quoted:
        lines += ["", "## Quoted, not measured here", "", "| system | accuracy | origin |"]
        lines += ["|---|---|---|"]
        lines += [f"| {row.name} | {100 * row.accuracy:.1f} | {row.note} |" for row in quoted]
    lines += ["", f"## Confusion of {first.name}, {next(iter(judged))}", ""]
    lines += ["![confusion](confusion.png)", "", "## Recipe", "", "```json"]
    lines += [recipe.model_dump_json(indent=1, exclude_none=True), "```", ""]
    return "\n".join(lines)


def _facts(recipe: Recipe, checkpoints: Mapping[str, Checkpoint], model: Model) -> list[str]:
    contract = model.contract
    about = contract.provenance.get("fused", [contract.provenance])[0]  # clips are the same
    lines = [
        "| | |",
        "|---|---|",
        f"| model | `{MODEL}`, sha256 `{model.digest.hex()}` |",
        f"| network | {contract.encoder.cell}, units {', '.join(map(str, contract.encoder.units))}, "
        f"{contract.encoder.readout} readout, {contract.encoder.dim} values |",
        f"| streams frame by frame | {'yes' if model.incremental else 'no: it waits for the segment'} |",
        f"| clips | {about['n_clips']} read, {about['n_skipped']} skipped |",
    ]
    for view, last in checkpoints.items():
        checkpoint = last.chosen()  # what was exported
        what = f"training of {view}" if view else "training"
        rmse = ""
        if checkpoint.losses:
            training, held_out = checkpoint.losses[-1]
            shown = "" if held_out is None else f", {held_out:.4f} on held-out clips"
            rmse = f", {recipe.objective.measure} {training:.4f} in training{shown}"
        lines.append(f"| {what} | {checkpoint.n_epochs} epochs, seed {recipe.fit.seed}{rmse} |")
    return lines


def draw_losses(path: Path, checkpoints: Mapping[str, Checkpoint]) -> None:
    """A picture of the losses over epochs, dashed on held-out clips; checkpoints by view."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6.0, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, (view, checkpoint) in enumerate(checkpoints.items()):
        colour, of_view = f"C{number}", f", {view}" if view else ""
        epochs = range(1, len(checkpoint.losses) + 1)
        training = [loss for loss, _ in checkpoint.losses]
        axes.plot(epochs, training, colour, label=f"training{of_view}")
        held_out = [
            (n, loss) for n, (_, loss) in zip(epochs, checkpoint.losses, strict=True) if loss
        ]
        if held_out:
            axes.plot(*zip(*held_out, strict=True), f"{colour}--", label=f"held out{of_view}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel(checkpoint.recipe.objective.measure)
    axes.legend()
    figure.savefig(path, dpi=120)
