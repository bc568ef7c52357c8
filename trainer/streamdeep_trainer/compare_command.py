"""The command that compares systems: ``compare``.

This module reads arguments, calls the loop and shows what it returns. Not here: what a comparison's file may
say (``comparing.spec``), and everything else about comparing (``comparing``).
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from streamdeep.errors import StreamdeepError
from streamdeep_trainer.skipped import Skipped
from streamdeep_trainer.writing import check_writable


def register(app: typer.Typer) -> None:
    """Add the command to a program."""
    app.command()(compare)


def compare(
    spec: Annotated[
        Path,
        typer.Argument(
            metavar="SPEC", help="Systems, variants, seeds, protocols and classifiers, TOML."
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            "--data", help="Folder of sound files, one folder per class, or ESC's old layout."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of the comparison; the same command goes on in it.")
    ],
    jobs: Annotated[int, typer.Option(min=1, help="Cells at a time, a process each.")] = 1,
    layout: Annotated[
        str | None,
        typer.Option("--layout", help="How --data is laid out, or file.py:function."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Compare systems on the same clips, beside their untrained twins; test folds choose nothing.

    A system is a recipe with variants, or another kind. What is finished is not done again. Ends with 1 if a system
    failed, with 66 if some clips could not be used.

    Example: streamdeep-train compare trainer/recipes/compare-quick.toml --data ESC-10 --out runs/compared
    """
    from rich.console import Console

    from streamdeep_trainer.comparing.compare import Plan
    from streamdeep_trainer.comparing.compare import compare as run_all
    from streamdeep_trainer.comparing.report import FIGURES, REPORT, as_tables

    check_writable(out / REPORT)
    skipped = Skipped()
    outcome = run_all(
        Plan(spec, data, out, jobs, layout),
        tell=(lambda _: None) if as_json else _say,
        tell_skipped=skipped,
    )
    for title, reason in outcome.failed.items():
        typer.echo(f"failed: {title}: {reason}", err=True)
    if as_json:
        about = {"report": str(out / REPORT), "figures": str(out / FIGURES)}
        typer.echo(json.dumps(outcome.as_json() | about | {"skipped": skipped.clips}))
    else:
        Console().print(*as_tables(outcome), sep="\n")
        typer.echo(f"report: {out / REPORT}")
    if outcome.failed:
        raise typer.Exit(StreamdeepError.exit_code)
    skipped.end()


def _say(line: str) -> None:
    typer.echo(line, err=True)
