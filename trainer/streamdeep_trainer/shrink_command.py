"""The command ``shrink``: it reads arguments and shows what came of it. Not here: the work (``shrink``)."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from streamdeep import onnxfile
from streamdeep.encoder.model import load_model
from streamdeep_trainer.writing import check_writable


def register(app: typer.Typer) -> None:
    """Add the command to a program."""
    app.command()(shrink)


def shrink(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model file.")],
    out: Annotated[Path, typer.Option(help="Where the smaller model file goes.")],
    weights: Annotated[Literal["fp16", "int8"], typer.Option(help="How to store its weights.")],
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Store a model file's weights in fewer bytes; it streams as fast, and as exactly.

    Example: streamdeep-train shrink model.onnx --weights int8 --out small.onnx
    """
    from streamdeep_trainer.shrink import shrink_model

    check_writable(out)
    onnxfile.write(out, shrink_model(model, weights))
    small = load_model(out)
    about = {
        "file": str(out),
        "bytes": out.stat().st_size,
        "sha256": small.digest.hex(),
        **small.contract.provenance["weights"],
    }
    if as_json:
        typer.echo(json.dumps(about))
        return
    for key, value in about.items():
        typer.echo(f"{key}: {value}")
