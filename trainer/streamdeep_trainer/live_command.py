"""The command that judges decisions on a live signal: ``live-scores``.

This module reads arguments, calls the steps and shows what they return.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from streamdeep.config import load_toml
from streamdeep.encoder.model import default_model_path
from streamdeep_trainer.config import HeadRecipe, Recipe
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.options import DataFolder, Json, Layout, ModelFile, Workers
from streamdeep_trainer.skipped import Skipped
from streamdeep_trainer.writing import check_writable, writing


def register(app: typer.Typer) -> None:
    """Add the command to a program."""
    app.command("live-scores")(live_scores)


def live_scores(
    data: DataFolder,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for live-scores.md, .json and .png. Default: the table is shown."
        ),
    ] = None,
    model: ModelFile = None,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="Recipe whose [head] to follow.")
    ] = None,
    layout: Layout = None,
    hop: Annotated[
        float | None,
        typer.Option("--hop-s", help="Seconds between segments. Default: the model's."),
    ] = None,
    early: Annotated[
        float | None,
        typer.Option(
            "--early-s",
            help="Decide by embeddings of so many seconds, taught and heard, instead of whole segments.",
        ),
    ] = None,
    choose: Annotated[
        bool,
        typer.Option(
            "--choose/--no-choose", help="Also choose settings, on the training folds alone."
        ),
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of the clips.")] = 0,
    workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """Judge what `classify` would tell of held-out clips, streamed one after another as one live signal.

    Ends with 66 if some clips could not be used.

    Example: streamdeep-train live-scores --data ESC-10 --out scores
    """
    from streamdeep_trainer.live import report
    from streamdeep_trainer.live.folds import score_live

    if out is not None:
        check_writable(out / "live-scores.md")  # before the work, not after it
    skipped = Skipped()
    found = score_live(
        find_clips(data, layout),
        model or default_model_path(),
        recipe=HeadRecipe() if recipe is None else load_toml(recipe, Recipe).head,
        seed=seed,
        hop_s=hop,
        early_s=early,
        choose=choose,
        workers=workers,
        tell_skipped=skipped,
    )
    about = report.as_json(found)
    text = report.as_markdown(found)
    if out is not None:
        for suffix, content in ((".md", text), (".json", json.dumps(about, indent=1) + "\n")):
            path = out / f"live-scores{suffix}"
            with writing(path):
                path.write_text(content, encoding="utf-8")
        picture = out / "live-scores.png"
        with writing(picture):
            report.draw(picture, found)
        about |= {"picture": str(picture)}
    typer.echo(json.dumps(about | {"skipped": skipped.clips}) if as_json else text)
    skipped.end()
