"""``streamdeep teach`` from files: folders of clips, and a recording with its labels; embedded as `run` would."""

import contextlib
from pathlib import Path

from rich.console import Console
from rich.progress import track

from streamdeep.cli.sound_files import embeddings_of, sound_files
from streamdeep.encoder.model import Model, load_model
from streamdeep.errors import SourceError
from streamdeep.teaching.clips import add_clip, add_labelled, class_folders
from streamdeep.teaching.examples import Examples
from streamdeep.teaching.labels import read_labels

_NAMED_MOST = 5


def from_clips(
    folder: Path, model: Path | None, examples: Examples | None, console: Console, *, quiet: bool
) -> Examples:
    """Teach every sound file in a class's sub-folder; those that cannot be read are told and passed over.

    Raises:
        SourceError: a sub-folder holds no sound, or no file can be read.
        MismatchError: the examples to go on with are another model's.
    """
    classes = class_folders(folder)
    files = [(path, meaning) for sub, meaning in classes for path in sound_files([sub])]
    loaded, taught = _ready(model, examples)
    known, n_taught = {one.place.source for one in taught.all}, 0
    for path, meaning in track(files, "embedding", console=console, disable=quiet, transient=True):
        if str(path) in known:  # when a head is continued with the same folder, grown since
            n_taught += 1
            continue
        try:
            add_clip(taught, str(path), embeddings_of(path, loaded, None), meaning)
            n_taught += 1
        except (SourceError, OSError) as error:
            reason = str(error) if str(path) in str(error) else f"{path}: {error}"
            console.print(f"skipped: {reason}", soft_wrap=True, markup=False)
    if not n_taught:
        raise SourceError(f"{folder}: no file could be read; nothing was taught")
    return taught


def from_recording(
    recording: Path,
    labels: Path,
    model: Path | None,
    examples: Examples | None,
    console: Console,
    *,
    rest_is_unknown: bool,
) -> Examples:
    """Teach what the labels say of a recording, or of a sound file.

    Raises:
        SourceError: one of them cannot be read, or no label fits.
        MismatchError: the examples to go on with are another model's.
    """
    found = read_labels(labels)
    if len(streams := {label.stream for label in found if label.stream}) > 1:
        raise SourceError(
            f"{labels} has labels of {len(streams)} streams; a recording is one stream's: keep those lines alone"
        )
    loaded, taught = _ready(model, examples)
    with console.status("embedding ...") if console.is_terminal else contextlib.nullcontext():
        embeddings = embeddings_of(recording, loaded, None)
    empty = add_labelled(taught, str(recording), embeddings, found, rest_is_unknown=rest_is_unknown)
    for label in empty[:_NAMED_MOST]:
        console.print(
            f"{recording} holds nothing at {label.start_s:.3f} to {label.stop_s:.3f} s, {label.meaning}",
            soft_wrap=True, markup=False,
        )  # fmt: skip
    if len(empty) > _NAMED_MOST:
        console.print(f"and nothing for {len(empty) - _NAMED_MOST} more labels")
    if len(empty) == len(found):
        raise SourceError(f"{recording} holds no sound for any of the labels in {labels}")
    return taught


def _ready(model: Path | None, examples: Examples | None) -> tuple[Model, Examples]:
    loaded = load_model(model)
    if examples is None:
        return loaded, Examples(loaded.digest, loaded.contract.encoder.dim)
    examples.check(loaded.digest)
    return loaded, examples
