"""``streamdeep-train``: from sound files to a model file and a head, one command per step.

This module reads arguments, calls the steps and shows what they return. Mistakes are one line on standard
error and an exit code; Ctrl-C leaves a usable checkpoint and ends with 130.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from streamdeep.config import load_toml
from streamdeep.encoder.model import default_model_path, load_model
from streamdeep.errors import ConfigurationError, SourceError, StreamdeepError
from streamdeep_trainer import (
    evaluate_commands,
    spectrogram_commands,
    table_commands,
    tune_command,
)
from streamdeep_trainer.config import HeadRecipe, Recipe
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.input_options import (
    Input,
    Inputs,
    SomeData,
    embed_prepared,
    prepared,
    refuse_contradictions,
)
from streamdeep_trainer.run_folder import CHECKPOINT, MODEL, RECIPE, SPECTROGRAMS, UNTRAINED
from streamdeep_trainer.spectrograms import (
    Spectrograms,
    load_spectrograms,
)

_INTERRUPTED = 130

app = typer.Typer(
    help="Train a streaming audio encoder on your own sound and export it as one ONNX file.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

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


@app.command()
def fit(
    recipe: RecipeFile,
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    data: SomeData = None,
    inputs: Inputs = None,
    spectrograms_file: Annotated[
        Path | None, typer.Option("--spectrograms", help="Use these instead of computing them.")
    ] = None,
    layout: Layout = None,
    seed: Seed = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in the run's folder.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train an autoencoder and export its encoder, and its untrained twin to compare with.

    Example: streamdeep-train fit trainer/recipes/esc10-quick.toml --data ESC-10 --out runs/quick

    Spectrograms are taken as they are: no level is learnt, no gain drawn, and what pads a row never counts.
    """
    from streamdeep_trainer.checkpoint import shape_of
    from streamdeep_trainer.fit import fit as run_fit
    from streamdeep_trainer.steps import export_into, kept_spectrograms
    from streamdeep_trainer.views import check_folder, fit_views

    refuse_contradictions(data, inputs, {"--spectrograms": spectrograms_file, "--layout": layout})
    loaded = load_toml(recipe, Recipe).with_seed(seed)
    check_folder(loaded, out)
    if loaded.views:
        if data is None:
            raise ConfigurationError("a recipe of several views is trained on --data, not --input")
        views = fit_views(
            loaded,
            data,
            run=out,
            spectrograms_file=spectrograms_file,
            layout=layout,
            resume=resume,
        )
        _warn_of(views.skipped)
        _tell(views.about, as_json=as_json)
        return
    shape_of(loaded)  # a model that cannot be is refused before minutes of work, not after
    file = spectrograms_file or out / SPECTROGRAMS
    if data is None:
        made = prepared(inputs or [], loaded)
    else:
        made = kept_spectrograms(loaded, data, file, layout=layout)
    checkpoint = run_fit(loaded, made, run=out, resume=resume)
    written = export_into(out, made, {MODEL: False, UNTRAINED: True})
    _tell(
        _about(made)
        | {
            "epochs": checkpoint.n_epochs,
            "losses": checkpoint.losses,
            "levels_db": checkpoint.levels,
        }
        | {"models": written},
        as_json=as_json,
    )


@app.command()
def export(
    run: RunFolder,
    out: Annotated[Path, typer.Option(help="Where the model file goes.")],
    spectrograms_file: Annotated[
        Path | None, typer.Option("--spectrograms", help="Those that the run was trained on.")
    ] = None,
    inputs: Inputs = None,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="The weights that training began with.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Export a run's checkpoint again, for instance after an interrupted training.

    Example: streamdeep-train export runs/quick --out model.onnx
    """
    from streamdeep_trainer.steps import export_into

    if (run / RECIPE).is_file():
        from streamdeep_trainer.views import export_views

        if inputs:
            raise ConfigurationError(f"{run} holds a run of several views, which have no --input")
        outs = {UNTRAINED if untrained else MODEL: out}
        written = export_views(run, outs, spectrograms_file=spectrograms_file)
        _tell(
            {"models": {str(out.absolute()): digest for digest in written.values()}},
            as_json=as_json,
        )
        return
    if inputs:
        from streamdeep_trainer.checkpoint import load_checkpoint

        if spectrograms_file is not None:
            raise ConfigurationError("give --spectrograms or --input, not both")
        made = prepared(inputs, load_checkpoint(run / CHECKPOINT).recipe)
    else:
        file = spectrograms_file or run / SPECTROGRAMS
        if spectrograms_file is None and (run / CHECKPOINT).is_file() and not file.is_file():
            raise SourceError(
                f"there is no file {file}; give --spectrograms, or the --input that the run was trained on"
            )
        made = load_spectrograms(file)
    _tell({"models": export_into(run, made, {str(out.absolute()): untrained})}, as_json=as_json)


@app.command()
def embed(
    out: Annotated[Path, typer.Option(help="Where the netCDF file goes.")],
    data: SomeData = None,
    rows_file: Input = None,
    model: ModelFile = None,
    layout: Layout = None,
    gain_db: Annotated[float, typer.Option(help="Make every clip louder by this first.")] = 0.0,
    workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """Embed a data set through the engine's own pipeline; or spectrograms, one embedding per row.

    Example: streamdeep-train embed --data ESC-10 --model runs/quick/model.onnx --out embeddings.nc
    """
    single = {"--workers": workers > 1, "--gain-db": gain_db, "--layout": layout}
    refuse_contradictions(data, rows_file, single)
    if data is None:
        told = embed_prepared(rows_file, model or default_model_path(), out)
        _tell(told, as_json=as_json)
        return
    from streamdeep_trainer.embed import embed_clips, save_embeddings

    found = embed_clips(
        find_clips(data, layout), model or default_model_path(), gain_db=gain_db, workers=workers
    )
    save_embeddings(out, found)
    _warn_of(found.skipped)
    _tell(
        {
            "n_clips": len(found.clips),
            "n_skipped": len(found.skipped),
            "n_embeddings": len(found.vectors),
            "model": found.model_digest.hex(),
            "file": str(out),
        },
        as_json=as_json,
    )


@app.command()
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

    loaded = load_toml(recipe, Recipe) if recipe is not None else None
    origin = {"data": loaded.data, "licence": loaded.licence} if loaded is not None else {}
    written = train_head(
        find_clips(data, layout),
        model or default_model_path(),
        out,
        recipe=loaded.head if loaded is not None else HeadRecipe(),
        provenance=origin,
        workers=workers,
    )
    about = written.contract.provenance
    _tell(
        {
            "labels": written.contract.labels,
            "cross_validated_accuracy": about["cross_validated_accuracy"],
            "c": about["c"],
            "encoder": written.contract.encoder,
            "file": str(out),
        },
        as_json=as_json,
    )


@app.command()
def reproduce(
    recipe: RecipeFile,
    data: DataFolder,
    out: Annotated[Path, typer.Option(help="Folder for everything that comes of it.")],
    layout: Layout = None,
    seed: Seed = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in the folder.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train, export, judge, and write a report with tables and pictures.

    Example: streamdeep-train reproduce trainer/recipes/esc10-quick.toml --data ESC-10 --out runs/quick
    """
    from streamdeep_trainer.reproduce import reproduce as run_all

    loaded = load_toml(recipe, Recipe).with_seed(seed)
    report = run_all(loaded, data, run=out, layout=layout, resume=resume)
    _tell({"report": str(report), "model": str(out / MODEL)}, as_json=as_json)


@app.command("fuse-models")
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

    onnxfile.write(out, fuse([load_part(path) for path in models], name=name))
    fused = load_model(out)
    _tell(
        {"file": str(out), "dim": fused.contract.encoder.dim, "sha256": fused.digest.hex()},
        as_json=as_json,
    )


def _about(made: Spectrograms) -> dict[str, Any]:
    _warn_of(made.skipped)
    return {
        "n_clips": len({clip.filename for clip in made.clips}),
        "n_skipped": len(made.skipped),
        "n_frames": len(made.values),
    }


def _warn_of(skipped: tuple[tuple[str, str], ...]) -> None:
    if skipped:
        typer.echo(f"skipped {len(skipped)} clips; the first: {skipped[0][1]}", err=True)


def _tell(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result))
        return
    for key, value in result.items():
        shown = f"{len(value)} values, the last {value[-1]}" if key == "losses" and value else value
        typer.echo(f"{key}: {shown}")


evaluate_commands.register(app)
spectrogram_commands.register(app)
table_commands.register(app)
tune_command.register(app)


def main() -> None:
    """Run the program; a mistake is one line and an exit code."""
    try:
        app()
    except StreamdeepError as error:
        typer.echo(f"streamdeep-train: {error}", err=True)
        sys.exit(error.exit_code)
    except SystemExit as stop:
        if stop.code == _INTERRUPTED:  # typer has caught the KeyboardInterrupt and said nothing
            typer.echo("streamdeep-train: interrupted; what was written is whole", err=True)
        raise
