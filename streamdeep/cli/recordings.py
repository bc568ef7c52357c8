"""``streamdeep recordings`` and ``streamdeep pack``: what lies in a place, and one of them as one file."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from streamdeep.errors import ConfigurationError, SourceError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("recordings")(recordings)
    app.command("pack")(pack)


def recordings(
    place: Annotated[Path, typer.Argument(help="A folder with recordings, or one of them.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per recording.")
    ] = False,
) -> None:
    """List recordings: since when, how long, what is missing.

    Example: streamdeep recordings recordings/
    """
    from streamdeep.recording.files import is_recording, recordings_in

    if not place.exists():
        raise SourceError(f"there is no folder {place}")
    found = [place] if is_recording(place) else recordings_in(place) if place.is_dir() else []
    failures = 0
    rows: list[dict[str, Any]] = []
    for path in found:
        try:
            rows.append(_facts(path))
        except SourceError as error:
            failures += 1
            typer.echo(f"streamdeep: {error}", err=True)
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
    else:
        _show(rows)
    if failures:
        raise SourceError(f"{failures} of {len(found)} recordings cannot be read")


def _facts(path: Path) -> dict[str, Any]:
    from streamdeep.recording.contents import contents
    from streamdeep.recording.reader import Recording

    with Recording(path) as recording:
        about, held = recording.about, contents(recording)
    files = path.iterdir() if path.is_dir() else [path]
    return {
        "path": str(path),
        **about.model_dump(),
        **asdict(held),
        "bytes": sum(file.stat().st_size for file in files),
    }


def _show(rows: list[dict[str, Any]]) -> None:
    if not rows:
        typer.echo("no recordings here")
        return
    table = Table()
    table.add_column("recording", overflow="fold", min_width=30)
    for column in ("sound", "lost", "missing here", "size", ""):
        table.add_column(column)
    for row in rows:
        rate_hz = row["sample_rate_hz"]
        lost = row["gap_samples"] + row["overflow_samples"]
        table.add_row(
            Path(row["path"]).name,
            _duration(row["samples"] / rate_hz),
            f"{lost / rate_hz:.3f} s" if lost else "",
            f"{row['unrecorded_samples'] / rate_hz:.3f} s" if row["unrecorded_samples"] else "",
            f"{row['bytes'] / 1e6:,.1f} MB",
            "" if row["ended"] else "goes on, or breaks off",
        )
    Console().print(table)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{seconds:04.1f}"


def pack(
    recording: Annotated[
        Path, typer.Argument(help="A recording's folder, or the place it lies in.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The file. [default: the recording's name, .sdrec, here]")
    ] = None,
    last: Annotated[
        float | None,
        typer.Option("--last-s", help="Only the end: whole sound files that hold so many seconds."),
    ] = None,
) -> None:
    """Make one file of a recording, to be sent with a report and played with `replay`.

    It holds the sound itself: think of who will hear it.

    Example: streamdeep pack recordings/ --out bug.sdrec
    """
    from streamdeep.recording import archive
    from streamdeep.recording.files import ARCHIVE_SUFFIX, find_recording
    from streamdeep.recording.reader import Recording

    folder = find_recording(recording)
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is one file already")
    target = out or Path(folder.name + ARCHIVE_SUFFIX)
    if target.suffix != ARCHIVE_SUFFIX:
        raise ConfigurationError(f"--out {target} must end in {ARCHIVE_SUFFIX}")
    first = 1
    if last is not None:
        with Recording(folder) as opened:
            first = opened.segment_before_end(round(last * opened.about.sample_rate_hz))
    console = Console(stderr=True, highlight=False)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("packing", total=1.0)
        count = archive.pack(
            folder,
            target,
            first_segment=first,
            progress=lambda part: bar.update(task, completed=part),
        )
    console.print(
        f"{target}: {count} segment(s), {target.stat().st_size / 1e6:.1f} MB",
        soft_wrap=True, markup=False,
    )  # fmt: skip
