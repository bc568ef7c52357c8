"""The command that chooses hyper-parameters: ``tune``.

This module reads arguments, calls the loop and shows what it returns. Not here: what may vary (``tuning.space``)
and everything else about tuning (``tuning``).
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from streamdeep.config import load_toml
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.skipped import Skipped
from streamdeep_trainer.tuning.space import Measure
from streamdeep_trainer.writing import check_writable


def register(app: typer.Typer) -> None:
    """Add the command to a program."""
    app.command()(tune)


def tune(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe, TOML.")],
    data: Annotated[
        Path,
        typer.Option(
            "--data", help="Folder of sound files, one folder per class, or ESC's old layout."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of the tuning; the same command goes on in it.")
    ],
    trials: Annotated[
        int, typer.Option(min=1, help="In total, those of earlier runs included.")
    ] = 20,
    space: Annotated[
        Path | None,
        typer.Option(
            "--space",
            help='What varies, TOML: "fit.dropout" = { low = 0.0, high = 0.5 }. Default: by the kind of model.',
        ),
    ] = None,
    measure: Annotated[
        Measure,
        typer.Option(
            help="accuracy, cross-validated by a linear SVM; rmse of held-out clips, which needs no labels."
        ),
    ] = "accuracy",
    final_fold: Annotated[
        str | None,
        typer.Option(
            help="Fold, or partition, that no trial hears and the end is judged by. Default: test, or the last fold."
        ),
    ] = None,
    timeout_s: Annotated[
        float | None, typer.Option(min=0.0, help="Begin no trial later than this.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Trials at a time, a process each.")] = 1,
    layout: Annotated[
        str | None,
        typer.Option("--layout", help="How --data is laid out, or file.py:function."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of proposals and trainings, instead of the recipe's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Choose hyper-parameters by some of the clips, and judge them once by others.

    Example: streamdeep-train tune trainer/recipes/esc10-quick.toml --data ESC-10 --out runs/tuned --trials 20
    """
    from rich.console import Console
    from rich.markdown import Markdown

    from streamdeep_trainer.tuning.defaults import default_space
    from streamdeep_trainer.tuning.report import summary
    from streamdeep_trainer.tuning.space import load_space
    from streamdeep_trainer.tuning.tune import Plan
    from streamdeep_trainer.tuning.tune import tune as run_all

    check_writable(out / "tune.md")
    loaded = load_toml(recipe, Recipe).with_seed(seed)
    skipped = Skipped()
    plan = Plan(
        recipe=loaded,
        data=data,
        out=out,
        space=default_space(loaded, measure) if space is None else load_space(space),
        measure=measure,
        n_trials=trials,
        timeout_s=timeout_s,
        jobs=jobs,
        final=final_fold,
        layout=layout,
    )
    outcome = run_all(plan, tell=(lambda _: None) if as_json else _say, tell_skipped=skipped)
    if as_json:
        typer.echo(json.dumps(outcome.as_json(out) | {"skipped": skipped.clips}))
    else:
        Console().print(Markdown(summary(outcome)))
        for path, value in outcome.best.values.items():
            typer.echo(f"{path}: {value}")
        typer.echo(f"report: {out / 'tune.md'}")
    skipped.end()


def _say(line: str) -> None:
    typer.echo(line, err=True)
