"""The command ``wrap``: it reads arguments and shows what came of it. Not here: the work (``wrap``)."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from streamdeep import onnxfile
from streamdeep.config import load_toml
from streamdeep.encoder.model import load_model
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.options import Json, tell
from streamdeep_trainer.writing import check_writable


def register(app: typer.Typer) -> None:
    """Add the command to a program."""
    app.command()(wrap)


def wrap(
    network: Annotated[
        Path,
        typer.Argument(
            metavar="FOREIGN", help="An ONNX network: (batch, time, bands) in, (batch, dim) out."
        ),
    ],
    recipe: Annotated[
        Path,
        typer.Option(
            "--recipe",
            help="TOML with the [frontend] that it wants, floor_db and ceiling_db included, and the [segment].",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Where the model file goes.")],
    values: Annotated[
        Literal["normalised", "decibels", "logarithms"],
        typer.Option(
            help="What it wants of a band: -1 to 1 between the levels, dB, or the natural logarithm of power."
        ),
    ] = "normalised",
    output: Annotated[
        str | None, typer.Option(help="Which of its outputs; may be left out where there is one.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What the model calls itself; default: the file's name.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a model file of somebody else's ONNX encoder; it waits for the segment's end.

    Example: streamdeep-train wrap foreign.onnx --recipe frontend.toml --out model.onnx
    """
    from streamdeep_trainer.wrap import wrap_network

    check_writable(out)
    content = wrap_network(
        network, load_toml(recipe, Recipe), values=values, output=output, name=name
    )
    onnxfile.write(out, content)
    wrapped = load_model(out)
    tell(
        {
            "file": str(out),
            "dim": wrapped.contract.encoder.dim,
            "incremental": wrapped.incremental,
            "sha256": wrapped.digest.hex(),
        },
        as_json=as_json,
    )
