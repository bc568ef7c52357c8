"""The command that tries embeddings under other conditions: ``robustness``.

This module reads arguments, calls the loop and shows what it returns. Not here: the conditions and everything
else about it (``robustness``).
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from streamdeep.encoder.model import default_model_path
from streamdeep_trainer.options import DataFolder, Json, Layout, Workers
from streamdeep_trainer.skipped import Skipped
from streamdeep_trainer.writing import check_writable


def register(app: typer.Typer) -> None:
    """Add the command to a program."""
    app.command()(robustness)


def robustness(
    data: DataFolder,
    out: Annotated[
        Path, typer.Option(help="Folder for the tables; the same command goes on in it.")
    ],
    models: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[MODEL]...", help="Model files; default: the embedded one."),
    ] = None,
    conditions: Annotated[
        str | None,
        typer.Option(
            help="To ask under, as gain:-20dB,rate:8kHz,mp3:32kbps,white:10dB,pink:0dB,reverb:0.5s,length:2s. "
            "Default: twenty of them."
        ),
    ] = None,
    teach: Annotated[
        str | None,
        typer.Option(
            help='That teach together, likewise; "" leaves it out. Default: clean, three gains, two rates, noise.'
        ),
    ] = None,
    layout: Layout = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Of noises and rooms, made folds and the classifier.")
    ] = 0,
    workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """Judge embeddings of sound that is quieter, louder, of other rates, coded, noisy, reverberant, shorter or longer.

    Every clip is changed, embedded as the engine would, and judged by its fold. Ends with 66 if some clips could not be used.

    Example: streamdeep-train robustness model.onnx untrained.onnx --data ESC-10 --out runs/robustness
    """
    from rich.console import Console

    from streamdeep_trainer.conditions.condition import DEFAULT, TEACH
    from streamdeep_trainer.robustness.picture import draw
    from streamdeep_trainer.robustness.report import (
        FIGURES,
        PICTURE,
        REPORT,
        as_tables,
        write_report,
    )
    from streamdeep_trainer.robustness.report import as_json as report_json
    from streamdeep_trainer.robustness.robustness import Plan
    from streamdeep_trainer.robustness.robustness import robustness as try_all

    check_writable(out / REPORT)
    skipped = Skipped()
    outcome = try_all(
        Plan(
            tuple(models or [default_model_path()]),
            data,
            out,
            DEFAULT if conditions is None else conditions,
            TEACH if teach is None else teach,
            seed,
            workers,
            layout,
        ),
        tell_skipped=skipped,
    )
    write_report(out, outcome)
    draw(out / PICTURE, outcome)
    if as_json:
        files = {"report": out / REPORT, "figures": out / FIGURES, "picture": out / PICTURE}
        about = {name: str(path) for name, path in files.items()}
        typer.echo(json.dumps(report_json(outcome) | about | {"skipped": skipped.clips}))
    else:
        Console().print(*as_tables(outcome), sep="\n")
        typer.echo(f"report: {out / REPORT}")
    skipped.end()
