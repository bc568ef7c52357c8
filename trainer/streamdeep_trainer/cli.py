"""``streamdeep-train``: from sound files to a model file and a head, one command per step.

This module reads arguments, calls the steps and shows what they return. Mistakes are one line on standard
error and an exit code; Ctrl-C leaves a usable checkpoint and ends with 130. A command that had to do without
some clips names them, does its work, and ends with 66.
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
    shrink_command,
    spectrogram_commands,
    table_commands,
    tune_command,
)
from streamdeep_trainer.config import HeadRecipe, Recipe
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.graph import WeightKind
from streamdeep_trainer.input_options import (
    Input,
    Inputs,
    SomeData,
    embed_prepared,
    prepared,
    refuse_contradictions,
)
from streamdeep_trainer.run_folder import CHECKPOINT, MODEL, RECIPE, SPECTROGRAMS, UNTRAINED
from streamdeep_trainer.skipped import Skipped
from streamdeep_trainer.spectrograms import Spectrograms, load_spectrograms
from streamdeep_trainer.writing import check_writable, reason_of

_INTERRUPTED = 130

app = typer.Typer(
    help="Train a streaming audio encoder on your own sound and export it as one ONNX file.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
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
    check_folder(loaded, out, resume=resume)
    skipped = Skipped()
    if loaded.views:
        if data is None:
            raise ConfigurationError(
                "a recipe of several views needs sound: give --data instead of --input, "
                "or train one run per view and use `fuse-models`"
            )
        views = fit_views(
            loaded,
            data,
            run=out,
            spectrograms_file=spectrograms_file,
            layout=layout,
            resume=resume,
        )
        skipped(views.skipped)
        _tell(views.about, as_json=as_json, skipped=skipped)
        return
    shape_of(loaded)  # a model that cannot be is refused before minutes of work, not after
    file = spectrograms_file or out / SPECTROGRAMS
    if data is None:
        made = prepared(inputs or [], loaded)
    else:
        made = kept_spectrograms(loaded, data, file, layout=layout)
    skipped(made.skipped)
    checkpoint = run_fit(loaded, made, run=out, resume=resume)
    written = export_into(out, made, {MODEL: False, UNTRAINED: True})
    _tell(_about(made) | checkpoint.about | {"models": written}, as_json=as_json, skipped=skipped)


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
    weights: Annotated[
        WeightKind, typer.Option(help="How weights are stored; fp16 and int8 make a smaller file.")
    ] = "fp32",
    as_json: Json = False,
) -> None:
    """Export a run's checkpoint again, for instance after an interrupted training.

    Example: streamdeep-train export runs/quick --out model.onnx
    Example: streamdeep-train export runs/quick --weights int8 --out small.onnx
    """
    from streamdeep_trainer.steps import export_into

    check_writable(out)
    if (run / RECIPE).is_file():
        from streamdeep_trainer.views import export_views

        if inputs:
            raise ConfigurationError(
                f"{run} holds a run of several views, which are trained on sound; leave out --input"
            )
        if weights != "fp32":
            raise ConfigurationError(
                f"{run} holds a run of several views; export it, and make the file smaller with "
                f"`streamdeep-train shrink {out} --weights {weights} --out ...`"
            )
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
            from streamdeep_trainer.views import shared_spectrograms

            shared = shared_spectrograms(run)
            raise SourceError(
                f"there is no file {file}; give --spectrograms {shared}, which the views share"
                if shared is not None
                else f"there is no file {file}; give --spectrograms, or the --input that the run was trained on"
            )
        made = load_spectrograms(file)
    written = export_into(run, made, {str(out.absolute()): untrained}, kind=weights)
    _tell({"models": written}, as_json=as_json)


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
    check_writable(out)
    single = {"--workers": workers > 1, "--gain-db": gain_db, "--layout": layout}
    refuse_contradictions(data, rows_file, single)
    if data is None:
        told = embed_prepared(rows_file, model or default_model_path(), out)
        _tell(told, as_json=as_json, skipped=Skipped())
        return
    from streamdeep_trainer.embed import embed_clips, save_embeddings

    found = embed_clips(
        find_clips(data, layout), model or default_model_path(), gain_db=gain_db, workers=workers
    )
    save_embeddings(out, found)
    skipped = Skipped()
    skipped(found.skipped)
    _tell(
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
    _tell(
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
    skipped = Skipped()
    report = run_all(loaded, data, run=out, layout=layout, resume=resume, tell_skipped=skipped)
    told = {"report": str(report), "model": str(out / MODEL), "n_skipped": len(skipped.clips)}
    _tell(told, as_json=as_json, skipped=skipped)


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

    check_writable(out)
    onnxfile.write(out, fuse([load_part(path) for path in models], name=name))
    fused = load_model(out)
    _tell(
        {"file": str(out), "dim": fused.contract.encoder.dim, "sha256": fused.digest.hex()},
        as_json=as_json,
    )


def _about(made: Spectrograms) -> dict[str, Any]:
    return {
        "n_clips": len({clip.filename for clip in made.clips}),
        "n_skipped": len(made.skipped),
        "n_frames": len(made.values),
    }


def _tell(result: dict[str, Any], *, as_json: bool, skipped: Skipped | None = None) -> None:
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


evaluate_commands.register(app)
shrink_command.register(app)
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
    except OSError as error:
        # a full disk, a folder that went away: nothing that a step foresaw
        where = f"{error.filename}: " if error.filename is not None else ""
        typer.echo(f"streamdeep-train: {where}{reason_of(error)}", err=True)
        sys.exit(ConfigurationError.exit_code)
    except SystemExit as stop:
        if stop.code == _INTERRUPTED:  # typer has caught the KeyboardInterrupt and said nothing
            typer.echo("streamdeep-train: interrupted; what was written is whole", err=True)
        raise
