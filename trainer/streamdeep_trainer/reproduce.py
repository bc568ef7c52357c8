"""From a recipe and a folder of sound to a report: train, export, judge, and write it all down.

One folder holds everything afterwards: checkpoint, model, untrained twin, ``report.md`` with its pictures and
``report.json``. Not here: any of the work itself.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from streamdeep.encoder.model import load_model
from streamdeep_trainer.baselines.quoted import Quoted
from streamdeep_trainer.checkpoint import Checkpoint, shape_of
from streamdeep_trainer.config import EvaluateRecipe, Recipe
from streamdeep_trainer.evaluation.confusion import draw_confusion
from streamdeep_trainer.evaluation.methods import Choice
from streamdeep_trainer.evaluation.report import as_json
from streamdeep_trainer.evaluation.scoring import Scores
from streamdeep_trainer.evaluation.subjects import judge_run
from streamdeep_trainer.fit import fit
from streamdeep_trainer.run_folder import FIGURES, MODEL, REPORT, SPECTROGRAMS, UNTRAINED
from streamdeep_trainer.steps import export_into, kept_spectrograms


def reproduce(
    recipe: Recipe,
    data: Path,
    *,
    run: Path,
    layout: str | None = None,
    resume: bool = False,
    choice: Choice | None = None,
) -> Path:
    """Do everything that a recipe says.

    Args:
        recipe: the experiment.
        data: folder of sound files.
        run: where everything goes.
        layout: how the data is laid out; found out if not given.
        resume: go on from the run's checkpoint.
        choice: the classifier; a linear support vector machine if not given.

    Returns:
        The report's place.

    Raises:
        StreamdeepError: whatever stops one of the steps.
    """
    shape_of(recipe)  # a model that cannot be is refused before the work
    made = kept_spectrograms(recipe, data, run / SPECTROGRAMS, layout=layout)
    checkpoint = fit(recipe, made, run=run, resume=resume)
    export_into(run, made, {MODEL: False, UNTRAINED: True})
    scores, quoted = judge_run(
        run, data, choice=choice or Choice("linear-svm"), adapt=_as_it_is, layout=layout
    )
    draw_losses(run / "losses.png", checkpoint)
    draw_confusion(run / "confusion.png", scores[0])
    (run / FIGURES).write_text(json.dumps(as_json(scores, quoted), indent=1) + "\n")
    report = run / REPORT
    report.write_text(as_markdown(checkpoint, run, scores, quoted))
    return report


def _as_it_is(recipe: EvaluateRecipe) -> EvaluateRecipe:
    return recipe


def as_markdown(
    checkpoint: Checkpoint, run: Path, scores: Sequence[Scores], quoted: Sequence[Quoted]
) -> str:
    """The report's text."""
    recipe, model = checkpoint.recipe, load_model(run / MODEL)
    contract = model.contract
    lines = [
        f"# {recipe.model.name}",
        "",
        recipe.description,
        "",
        f"Data: {recipe.data or 'not named'}. Licence: {recipe.licence or 'not named'}.",
        "",
        "| | |",
        "|---|---|",
        f"| model | `{MODEL}`, sha256 `{model.digest.hex()}` |",
        f"| network | {contract.encoder.cell}, units {', '.join(map(str, contract.encoder.units))}, "
        f"{contract.encoder.readout} readout, {contract.encoder.dim} values |",
        f"| streams frame by frame | {'yes' if model.incremental else 'no: it waits for the segment'} |",
        f"| clips | {contract.provenance['n_clips']} read, {contract.provenance['n_skipped']} skipped |",
        f"| training | {checkpoint.n_epochs} epochs, seed {recipe.fit.seed} |",
    ]
    if checkpoint.losses:
        training, held_out = checkpoint.losses[-1]
        shown = "" if held_out is None else f", {held_out:.4f} on held-out clips"
        lines.append(f"| RMSE | {training:.4f} in training{shown} |")
    lines += [
        "",
        "![losses](losses.png)",
        "",
        "## Accuracy per file, cross-validated, in %",
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
    lines += [f"| {row.name} (quoted) | {100 * row.accuracy:.1f} | | | |" for row in quoted]
    lines += [
        "",
        f"Interval: {scores[0].interval_kind}.",
        "",
        "![confusion](confusion.png)",
    ]
    lines += ["", "## Recipe", "", "```json"]
    lines += [recipe.model_dump_json(indent=1, exclude_none=True), "```", ""]
    return "\n".join(lines)


def draw_losses(path: Path, checkpoint: Checkpoint) -> None:
    """A picture of the losses over epochs."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6.0, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    epochs = range(1, len(checkpoint.losses) + 1)
    axes.plot(epochs, [training for training, _ in checkpoint.losses], label="training")
    held_out = [(n, loss) for n, (_, loss) in zip(epochs, checkpoint.losses, strict=True) if loss]
    if held_out:
        axes.plot(*zip(*held_out, strict=True), label="held out")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel("RMSE")
    axes.legend()
    figure.savefig(path, dpi=120)
