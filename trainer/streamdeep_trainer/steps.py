"""Steps that several commands share: spectrograms that are kept between runs, and exports into a run's folder."""

import hashlib
from dataclasses import replace
from pathlib import Path

from streamdeep import onnxfile
from streamdeep.encoder.model import load_model
from streamdeep.errors import ConfigurationError
from streamdeep_trainer.checkpoint import load_checkpoint
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.export import export_model
from streamdeep_trainer.graph import WeightKind
from streamdeep_trainer.netcdf import versions
from streamdeep_trainer.parts import Parts
from streamdeep_trainer.run_folder import CHECKPOINT
from streamdeep_trainer.spectrograms import (
    Spectrograms,
    load_spectrograms,
    make_spectrograms,
    save_spectrograms,
)


def kept_spectrograms(
    recipe: Recipe, data: Path, file: Path, *, layout: str | None = None
) -> Spectrograms:
    """Those in the file if they are of these clips and this front-end, else made and kept there.

    What an interrupted call has finished lies beside the file, and is not made again.
    """
    clips = find_clips(data, layout)
    if file.is_file():
        made = load_spectrograms(file)
        if made.frontend == recipe.frontend.stored() and _same(made, clips):
            return made
    frontend = recipe.frontend.stored()
    parts = Parts(file, {"frontend": frontend.model_dump(mode="json"), "versions": versions()})
    parts.open(resume=True)
    made = make_spectrograms(clips, frontend, parts=parts)
    save_spectrograms(file, made)
    parts.remove()
    return made


def shared_spectrograms(
    recipe: Recipe, data: Path, store: Path, *, layout: str | None = None
) -> Spectrograms:
    """As :func:`kept_spectrograms`, in a folder for several recipes: one file per front-end."""
    frontend = recipe.frontend.stored().model_dump_json()
    name = f"spectrograms-{hashlib.sha256(frontend.encode()).hexdigest()[:8]}.nc"
    return kept_spectrograms(recipe, data, store / name, layout=layout)


def _same(made: Spectrograms, clips: list[Clip]) -> bool:
    skipped = {name for name, _ in made.skipped}
    kept = [replace(clip, path=Path()) for clip in clips if clip.filename not in skipped]
    return [replace(clip, path=Path()) for clip in made.clips] == kept


def export_into(
    run: Path, made: Spectrograms, files: dict[str, bool], *, kind: WeightKind = "fp32"
) -> dict[str, str]:
    """Write model files below a run, with weights of a kind; returns each one's digest."""
    checkpoint, digests = load_checkpoint(run / CHECKPOINT), {}
    if checkpoint.recipe.frontend.stored() != made.frontend:
        raise ConfigurationError("these spectrograms were made by another front-end than the run's")
    for name, untrained in files.items():
        onnxfile.write(run / name, export_model(checkpoint, made, untrained=untrained, kind=kind))
        digests[name] = load_model(run / name).digest.hex()
    return digests
