"""The commands that use models: ``embed``, ``head`` and ``fuse-models``.

This module reads arguments, calls the steps and shows what they return.
"""

from pathlib import Path
from typing import Annotated

import typer

from streamdeep.config import load_toml
from streamdeep.encoder.model import default_model_path, load_model
from streamdeep_trainer.config import HeadRecipe, Recipe
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.input_options import Input, SomeData, embed_prepared, refuse_contradictions
from streamdeep_trainer.options import DataFolder, Json, Layout, ModelFile, Workers, tell
from streamdeep_trainer.skipped import Skipped
from streamdeep_trainer.writing import check_writable


def register(app: typer.Typer) -> None:
    """Add the commands to a program."""
    app.command()(embed)
    app.command()(head)
    app.command("fuse-models")(fuse_models)


def embed(
    out: Annotated[Path, typer.Option(help="Where the netCDF file goes.")],
    data: SomeData = None,
    rows_file: Input = None,
    model: ModelFile = None,
    layout: Layout = None,
    condition: Annotated[
        str | None,
        typer.Option(help="How every clip is heard, such as gain:-20dB or mp3:32kbps."),
    ] = None,
    workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """Embed a data set through the engine's own pipeline; or spectrograms, one embedding per row.

    Example: streamdeep-train embed --data ESC-10 --model runs/quick/model.onnx --out embeddings.nc
    """
    check_writable(out)
    single = {"--workers": workers > 1, "--condition": condition, "--layout": layout}
    refuse_contradictions(data, rows_file, single)
    if data is None:
        told = embed_prepared(rows_file, model or default_model_path(), out)
        tell(told, as_json=as_json, skipped=Skipped())
        return
    from streamdeep_trainer.conditions.condition import CLEAN, condition_of
    from streamdeep_trainer.embed import embed_clips, save_embeddings

    heard = CLEAN if condition is None else condition_of(condition)
    found = embed_clips(
        find_clips(data, layout), model or default_model_path(), condition=heard, workers=workers
    )
    save_embeddings(out, found)
    skipped = Skipped()
    skipped(found.skipped)
    tell(
        {
            "n_clips": len(found.clips),
            "n_skipped": len(found.skipped),
            "n_embeddings": len(found.vectors),
            "model": found.model_digest.hex(),
            "file": str(out),
        },
        as_json=as_json,
        skipped=skipped,
    )


def head(
    data: DataFolder,
    out: Annotated[Path, typer.Option(help="Where the head file goes.")],
    model: ModelFile = None,
    recipe: Annotated[
        Path | None,
        typer.Option("--recipe", help="Recipe whose [head] to follow, and its data's name."),
    ] = None,
    layout: Layout = None,
    workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """Train a classifier for live use on a model's embeddings.

    Example: streamdeep-train head --data ESC-10 --model runs/quick/model.onnx --out scene-head.onnx
    """
    from streamdeep_trainer.head import train_head

    skipped = Skipped()
    loaded = load_toml(recipe, Recipe) if recipe is not None else None
    origin = {"data": loaded.data, "licence": loaded.licence} if loaded is not None else {}
    written = train_head(
        find_clips(data, layout),
        model or default_model_path(),
        out,
        recipe=loaded.head if loaded is not None else HeadRecipe(),
        provenance=origin,
        workers=workers,
        tell_skipped=skipped,
    )
    about = written.contract.provenance
    tell(
        {
            "n_clips": about["n_clips"],
            "n_skipped": about["n_skipped"],
            "labels": written.contract.labels,
            "cross_validated_accuracy": about["cross_validated_accuracy"],
            "c": about["c"],
            "encoder": written.contract.encoder,
            "file": str(out),
        },
        as_json=as_json,
        skipped=skipped,
    )


def fuse_models(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Two files or more.")],
    out: Annotated[Path, typer.Option(help="Where the fused model file goes.")],
    name: Annotated[str, typer.Option(help="What the fused model calls itself.")] = "fused",
    as_json: Json = False,
) -> None:
    """Put several single-view models into one file that streams; its embeddings stand side by side.

    Example: streamdeep-train fuse-models left.onnx right.onnx --out stereo.onnx
    """
    from streamdeep import onnxfile
    from streamdeep_trainer.fusion import fuse_models as fuse
    from streamdeep_trainer.fusion import load_part

    check_writable(out)
    onnxfile.write(out, fuse([load_part(path) for path in models], name=name))
    fused = load_model(out)
    tell(
        {"file": str(out), "dim": fused.contract.encoder.dim, "sha256": fused.digest.hex()},
        as_json=as_json,
    )
