"""``streamdeep embed``: files and folders to one table of embeddings, through the same pipeline as ``run``."""

import json
import os
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from streamdeep.audio.selection import EVERY_CHANNEL, Selection, parse_selection
from streamdeep.cli.completion import gains
from streamdeep.cli.embed_table import SUFFIXES, Table, write_table
from streamdeep.cli.options import HopSeconds, ModelFile
from streamdeep.cli.sound_files import embeddings_of, sound_files
from streamdeep.config import hop_frames_from_seconds
from streamdeep.encoder.model import Model
from streamdeep.errors import ConfigurationError, SourceError, StreamdeepError
from streamdeep.frontend.gain import GainDb, parse_gain
from streamdeep.providers import ProviderName
from streamdeep.records import Embedding
from streamdeep.tables import require_pyarrow
from streamdeep.writable import refuse_unwritable


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("embed")(embed)


def embed(
    paths: Annotated[
        list[Path], typer.Argument(help="Sound files, recordings, or folders searched for them.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Where to write: .npz, .csv or .parquet.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw a map, a dot an embedding, coloured by folder: .html or .png."),
    ] = None,
    model: ModelFile = None,
    hop: HopSeconds = None,
    select: Annotated[
        str | None,
        typer.Option(
            help="Channels to hear, counted from 1, as in 3,4: left, right. [default: all]"
        ),
    ] = None,
    gain: Annotated[
        str | None,
        typer.Option(
            "--gain-db",
            autocompletion=gains,
            help="Make the sound so many dB louder; auto listens to each file's first 10 s. [default: 0, or a recording's]",
        ),
    ] = None,
    provider: Annotated[ProviderName, typer.Option(help="What runs the model.")] = "cpu",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a summary as one JSON object.")
    ] = False,
) -> None:
    """Embed sound files: one row per segment, equal to what `run` publishes for the same file.

    Example: streamdeep embed recordings/ --out embeddings.npz

    Example: streamdeep embed recordings/ --plot map.html
    """
    from streamdeep.encoder.model import load_model

    _refuse_unfit(out, plot)  # before the work, not after it
    gain_db = None if gain is None else _gain(gain)
    selection = EVERY_CHANNEL if select is None else Selection(parse_selection(select))
    loaded = load_model(model, provider=provider)
    if provider != "cpu":  # there a single step costs about as much as a batch of whole segments
        loaded.incremental = False
    hop_frames = None if hop is None else hop_frames_from_seconds(hop, loaded.contract.frontend)
    files = list(sound_files(paths))
    console = Console(stderr=True, highlight=False)
    rows: list[tuple[Path, Embedding]] = []
    failures: dict[str, str] = {}
    quiet = as_json or not console.is_terminal
    for path in track(files, "embedding", console=console, disable=quiet, transient=True):
        try:
            found = embeddings_of(path, loaded, hop_frames, selection, gain_db)
            rows += [(path, one) for one in found]
        except (StreamdeepError, OSError) as error:  # one file of thousands ends nothing
            reason = str(error) if str(path) in str(error) else f"{path}: {error}"
            if len(files) == 1:
                raise SourceError(reason) from error
            failures[str(path)] = reason
            console.print(f"skipped: {reason}", soft_wrap=True, markup=False)
    if not rows:
        raise SourceError("no file could be embedded; nothing was written")
    table = Table(
        np.stack([one.vector for _, one in rows]),
        np.array([str(path) for path, _ in rows]),
        np.array([one.start_sample for _, one in rows], dtype=np.int64),
        np.array([one.n_samples for _, one in rows], dtype=np.int64),
        np.array([one.novelty for _, one in rows], dtype=np.float64),  # None becomes NaN
    )
    if out is not None:
        write_table(out, table)
    if plot is not None:
        _draw(plot, rows, loaded)
    written = ", ".join(str(path) for path in (out, plot) if path is not None)
    summary = {
        "out": None if out is None else str(out), "plot": None if plot is None else str(plot),
        "embeddings": len(rows), "dim": table.embedding.shape[1],
        "files": len(files) - len(failures), "failed": list(failures),
        "reasons": list(failures.values()), "model": loaded.digest.hex(),
    }  # fmt: skip
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        console.print(
            f"{written}: {len(rows)} embeddings of {table.embedding.shape[1]} from {len(files) - len(failures)} files"
        )
    if failures:
        raise SourceError(
            f"{len(failures)} of {len(files)} files could not be embedded; the others were written"
        )


def _gain(text: str) -> GainDb:
    try:
        return parse_gain(text)
    except ValueError as error:
        raise ConfigurationError(f"--gain-db: {error}") from error


def _refuse_unfit(out: Path | None, plot: Path | None) -> None:
    if out is None and plot is None:
        raise ConfigurationError(
            "say where to write: --out embeddings.npz, --plot map.html, or both"
        )
    if out is not None:
        if out.suffix not in SUFFIXES:
            raise ConfigurationError(f"--out {out} must end in .npz, .csv or .parquet")
        if out.suffix == ".parquet":
            require_pyarrow()
        refuse_unwritable(out, "--out")
    if plot is not None:
        from streamdeep.pages.scatter import refuse_other_suffixes

        refuse_other_suffixes([plot])
        refuse_unwritable(plot, "--plot")


def _draw(path: Path, rows: list[tuple[Path, Embedding]], model: Model) -> None:
    """The map: places by the model's projection if it has one, names by file and time, colours by folder."""
    from streamdeep.pages.plane import plane
    from streamdeep.pages.scatter import draw
    from streamdeep.pages.timeline import clock

    projection = model.contract.projection
    vectors = np.stack([one.vector for _, one in rows])
    points, axes = plane(vectors, None if projection is None else projection.array())
    parents = [file.absolute().parent for file, _ in rows]
    top = Path(os.path.commonpath(set(parents)))
    folders = [parent.relative_to(top).as_posix() for parent in parents]
    draw(
        path,
        points,
        names=[
            f"{file.name}, {clock(one.start_sample / one.sample_rate_hz, 0.1)}"
            for file, one in rows
        ],
        labels=[top.name if folder == "." else folder for folder in folders],
        title=f"{len(points):,} embeddings by {model.contract.name}",
        note=axes,
    )
