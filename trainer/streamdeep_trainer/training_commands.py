"""The commands that make models: ``fit``, ``export`` and ``reproduce``.

This module reads arguments, calls the steps and shows what they return.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from streamdeep.config import load_toml
from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.graph import WeightKind
from streamdeep_trainer.input_options import Inputs, SomeData, prepared, refuse_contradictions
from streamdeep_trainer.options import DataFolder, Json, Layout, RecipeFile, RunFolder, Seed, tell
from streamdeep_trainer.run_folder import CHECKPOINT, MODEL, RECIPE, SPECTROGRAMS, UNTRAINED
from streamdeep_trainer.skipped import Skipped
from streamdeep_trainer.spectrograms import Spectrograms, load_spectrograms
from streamdeep_trainer.writing import check_writable


def register(app: typer.Typer) -> None:
    """Add the commands to a program."""
    app.command()(fit)
    app.command()(export)
    app.command()(reproduce)


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
    from streamdeep_trainer.building import shape_of
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
        tell(views.about, as_json=as_json, skipped=skipped)
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
    tell(_about(made) | checkpoint.about | {"models": written}, as_json=as_json, skipped=skipped)


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
        tell(
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
    tell({"models": written}, as_json=as_json)


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
    tell(told, as_json=as_json, skipped=skipped)


def _about(made: Spectrograms) -> dict[str, Any]:
    return {
        "n_clips": len({clip.filename for clip in made.clips}),
        "n_skipped": len(made.skipped),
        "n_frames": len(made.values),
    }
