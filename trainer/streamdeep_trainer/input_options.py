"""Spectrograms where commands take sound: the options of ``fit``, ``export`` and ``embed``, and what they mean.

Remarks go to standard error. Not here: the work (``inputs``).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from streamdeep.encoder.model import load_model
from streamdeep.errors import ConfigurationError
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.spectrograms import Spectrograms

SomeData = Annotated[
    Path | None, typer.Option("--data", help="Folder of sound files; or give --input.")
]
Input = Annotated[
    Path | None,
    typer.Option("--input", help="Spectrograms instead of sound: ours or auDeep's .nc."),
]
Inputs = Annotated[
    list[Path] | None,
    typer.Option(
        "--input", help="Spectrograms instead of sound: ours or auDeep's .nc; several times."
    ),
]


def refuse_contradictions(data: object, rows: object, of_sound: Mapping[str, object]) -> None:
    """Sound or spectrograms; and with spectrograms no option that belongs to sound.

    Raises:
        ConfigurationError: both, neither, or such an option.
    """
    if (data is None) != bool(rows):
        raise ConfigurationError("give either --data, sound, or --input, spectrograms")
    for flag, value in of_sound.items():
        if rows and value:
            raise ConfigurationError(f"{flag} belongs to --data and not to --input; leave it out")


def prepared(paths: list[Path], recipe: Recipe) -> Spectrograms:
    """Read what to train on."""
    from streamdeep_trainer.inputs.training import training_rows

    found = training_rows(paths, recipe)
    for line in found.remarks:
        typer.echo(line, err=True)
    return found.spectrograms


def embed_prepared(path: Path | None, model_path: Path, out: Path) -> dict[str, Any]:
    """Embed a file's rows into a table, and say what was done."""
    from streamdeep_trainer.inputs.embedding import embed_rows, remarks_on
    from streamdeep_trainer.inputs.rows import read_rows
    from streamdeep_trainer.tables.storage import write_table

    assert path is not None  # refuse_contradictions has seen to it
    rows, model = read_rows(path), load_model(model_path)
    found = embed_rows(rows, model)
    write_table(out, found)
    for line in remarks_on(rows, model):
        typer.echo(line, err=True)
    return {
        "n_clips": len(found.rows_by_file()),
        "n_skipped": 0,
        "n_embeddings": len(found),
        "model": model.digest.hex(),
        "file": str(out),
    }
