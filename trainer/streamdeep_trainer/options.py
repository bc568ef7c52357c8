"""Options that several commands have in common, and how a command says what came of it."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from streamdeep_trainer.skipped import Skipped

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe, TOML.")]
DataFolder = Annotated[
    Path,
    typer.Option(
        "--data", help="Folder of sound files, one folder per class, or ESC's old layout."
    ),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run that `fit` made.")]
Json = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]
Layout = Annotated[
    str | None,
    typer.Option(
        "--layout", help="How --data is laid out, or file.py:function; found out if not given."
    ),
]
Seed = Annotated[int | None, typer.Option(help="Instead of the recipe's seed.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes that embed.")]
ModelFile = Annotated[
    Path | None, typer.Option("--model", help="Model file; default: the embedded one.")
]


def tell(result: dict[str, Any], *, as_json: bool, skipped: Skipped | None = None) -> None:
    """Show what came of a command; with 66 it ends if it had to do without some clips."""
    if as_json:
        clips = {} if skipped is None else {"skipped": skipped.clips}
        typer.echo(json.dumps(result | clips))
    else:
        for key, value in result.items():
            long = key == "losses" and value
            typer.echo(f"{key}: {f'{len(value)} values, the last {value[-1]}' if long else value}")
    if skipped is not None:
        skipped.end()
