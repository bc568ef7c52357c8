"""``streamdeep report``: a recording or sound file as one page to look at, keep or print."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from streamdeep.cli.classify_settings import settings_from
from streamdeep.cli.options import HeadFile, HopSeconds, ModelFile
from streamdeep.errors import ConfigurationError
from streamdeep.pages.document import write_page
from streamdeep.writable import refuse_unwritable

if TYPE_CHECKING:
    from streamdeep.encoder.model import Model
    from streamdeep.heads.head import Head
    from streamdeep.recording.reader import Recording
    from streamdeep.report.page import Origin


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    recording: Annotated[
        Path,
        typer.Argument(help="A recording, the place it lies in, a .sdrec file, or a sound file."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The page. [default: the recording's name, .html, here]"),
    ] = None,
    head: HeadFile = None,
    model: ModelFile = None,
    hop: HopSeconds = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file of `classify`: its head, and the table of how it decides."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the page's numbers as one JSON object.")
    ] = False,
) -> None:
    """Show what was heard: spectrum, sounds, losses, a map, and where every sample is, as one HTML file.

    Example: streamdeep report kept/ --out report.html
    """
    from streamdeep.config import hop_frames_from_seconds
    from streamdeep.encoder.model import default_model_path, load_model
    from streamdeep.heads.head import default_head_path
    from streamdeep.intake.opening import open_sound
    from streamdeep.recording.files import find_recording
    from streamdeep.recording.reader import Recording
    from streamdeep.report.listening import Listening
    from streamdeep.report.page import Origin, page, summary

    path = find_recording(recording) if recording.is_dir() else recording
    target = out or Path(f"{path.name if path.is_dir() else path.stem}.html")
    if target.suffix.lower() not in (".html", ".htm"):
        raise ConfigurationError(f"--out {target} must end in .html")
    refuse_unwritable(target, "--out")
    settings = settings_from(config, {"head": head}, {}, ())
    loaded = load_model(model)
    labels = _head(settings.head, loaded)
    origin = Origin(
        name=path.stem,
        path=str(path),
        model_name=(model or default_model_path()).name,
        head_name=(settings.head or default_head_path()).name,
    )
    with open_sound(path) as sound:
        first_sample, n_samples = 0, 0
        if isinstance(sound, Recording):
            origin, first_sample, n_samples = _recorded(sound, origin)
        else:
            n_samples = sound.n_samples
        heard = Listening(
            loaded,
            labels,
            settings.decision,
            sample_rate_hz=sound.sample_rate_hz,
            n_channels=sound.n_channels,
            hop_frames=None
            if hop is None
            else hop_frames_from_seconds(hop, loaded.contract.frontend),
            first_sample=first_sample,
        )
        console = Console(stderr=True, highlight=False)
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            console=console,
            disable=as_json or not console.is_terminal,
            transient=True,
        ) as bar:
            task = bar.add_task("listening", total=n_samples or None)
            heard.hear(sound.blocks(), lambda stop: bar.update(task, completed=stop - first_sample))
    write_page(target, page(heard, origin))
    about = {"out": str(target), **summary(heard, origin)}
    if as_json:
        typer.echo(json.dumps(about))
        return
    console.print(
        f"{target}: {about['duration_s']:.1f} s, {about['embeddings']} embeddings, {about['sounds']} sounds, "
        f"{about['losses']} losses",
        soft_wrap=True, markup=False,
    )  # fmt: skip


def _head(path: Path | None, model: "Model") -> "Head | None":
    """The head; without one that was asked for, the embedded one if it belongs to the model.

    Raises:
        MismatchError: the one that was asked for does not.
    """
    from streamdeep.heads.head import load_head

    head = load_head(path)
    if path is None and not head.accepts(model.digest):
        return None
    head.check(model.digest)
    return head


def _recorded(recording: "Recording", origin: "Origin") -> "tuple[Origin, int, int]":
    """What a recording says of itself, its first sample, and how many it goes over, losses included."""
    from streamdeep.recording.contents import contents

    about, held = recording.about, contents(recording)
    ended = "it goes on, or breaks off"
    if held.ended:
        ended = held.error or "the source came to its end"
    origin = replace(
        origin,
        name=about.stream,
        source=about.source,
        began_utc_ns=about.began_utc_ns,
        ended=ended,
    )
    lost = held.gap_samples + held.overflow_samples + held.unrecorded_samples
    return origin, about.first_sample, held.samples + lost
