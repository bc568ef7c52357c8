"""``streamdeep embed``: files and folders to one table of embeddings, through the same pipeline as ``run``."""

import csv
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from streamdeep.audio.selection import EVERY_CHANNEL, Selection, parse_selection
from streamdeep.cli.completion import gains
from streamdeep.config import hop_frames_from_seconds
from streamdeep.encoder.model import BATCH_SEGMENTS, Model
from streamdeep.errors import ConfigurationError, SourceError, StreamdeepError
from streamdeep.frontend.gain import GainDb, parse_gain
from streamdeep.providers import ProviderName
from streamdeep.tables import fixed_size_lists, require_pyarrow

SUFFIXES = frozenset(
    (
        ".wav .flac .ogg .oga .opus .mp3 .aiff .aif .aifc .au .caf .w64 .rf64 .voc .snd .sdrec "
        ".m4a .aac .mka .webm .wma .wv"  # by FFmpeg
    ).split()
)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Embeddings of several files, a row each.

    Attributes:
        embedding: ``(n, dim)`` float32.
        file: ``(n,)`` text, as the file was found.
        start_sample: ``(n,)`` int64, at the file's rate.
        n_samples: ``(n,)`` int64.
    """

    embedding: NDArray[np.float32]
    file: NDArray[np.str_]
    start_sample: NDArray[np.int64]
    n_samples: NDArray[np.int64]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("embed")(embed)


def embed(
    paths: Annotated[
        list[Path], typer.Argument(help="Sound files, recordings, or folders searched for them.")
    ],
    out: Annotated[Path, typer.Option(help="Where to write: .npz, .csv or .parquet.")],
    model: Annotated[
        Path | None,
        typer.Option(envvar="STREAMDEEP_MODEL", help="Model file. [default: the embedded]"),
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option("--hop-s", help="Seconds between segments. [default: the model's]"),
    ] = None,
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
    """
    from streamdeep.encoder.model import load_model

    if out.suffix not in (".npz", ".csv", ".parquet"):
        raise ConfigurationError(f"--out {out} must end in .npz, .csv or .parquet")
    if out.suffix == ".parquet":
        require_pyarrow()  # before the work, not after it
    _refuse_unwritable(out)
    gain_db = None if gain is None else _gain(gain)
    selection = EVERY_CHANNEL if select is None else Selection(parse_selection(select))
    loaded = load_model(model, provider=provider)
    if provider != "cpu":  # there a single step costs about as much as a batch of whole segments
        loaded.incremental = False
    hop_frames = None if hop is None else hop_frames_from_seconds(hop, loaded.contract.frontend)
    files = list(_files(paths))
    console = Console(stderr=True, highlight=False)
    rows: list[tuple[str, int, int, NDArray[np.float32]]] = []
    failures: dict[str, str] = {}
    quiet = as_json or not console.is_terminal
    for path in track(files, "embedding", console=console, disable=quiet, transient=True):
        try:
            found = embed_file(path, loaded, hop_frames, selection, gain_db)
            rows += [(str(path), *row) for row in found]
        except (StreamdeepError, OSError) as error:  # one file of thousands ends nothing
            reason = str(error) if str(path) in str(error) else f"{path}: {error}"
            if len(files) == 1:
                raise SourceError(reason) from error
            failures[str(path)] = reason
            console.print(f"skipped: {reason}", soft_wrap=True, markup=False)
    if not rows:
        raise SourceError("no file could be embedded; nothing was written")
    table = Table(
        np.stack([vector for *_, vector in rows]),
        np.array([name for name, *_ in rows]),
        np.array([start for _, start, *_ in rows], dtype=np.int64),
        np.array([length for _, _, length, _ in rows], dtype=np.int64),
    )
    write_table(out, table)
    summary = {
        "out": str(out), "embeddings": len(rows), "dim": table.embedding.shape[1],
        "files": len(files) - len(failures), "failed": list(failures),
        "reasons": list(failures.values()), "model": loaded.digest.hex(),
    }  # fmt: skip
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        console.print(
            f"{out}: {len(rows)} embeddings of {table.embedding.shape[1]} from {len(files) - len(failures)} files"
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


def _files(paths: list[Path]) -> Iterator[Path]:
    from streamdeep.recording.files import is_recording

    def is_sound(path: Path) -> bool:
        if path.is_dir():
            return is_recording(path)
        # The files of a recording are no sound of their own.
        return path.suffix.lower() in SUFFIXES and path.is_file() and not is_recording(path.parent)

    for path in paths:
        if not path.is_dir() or is_recording(path):
            yield path
            continue
        found = sorted(
            file
            for file in path.rglob("*")
            if is_sound(file)
            and not any(part.startswith(".") for part in file.relative_to(path).parts)
        )
        if not found:
            raise SourceError(
                f"the folder {path} holds no sound files ({' '.join(sorted(SUFFIXES))})"
            )
        yield from found


def embed_file(
    path: Path,
    model: Model,
    hop_frames: int | None,
    selection: Selection = EVERY_CHANNEL,
    gain_db: GainDb | None = None,
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """Embed one file or recording.

    Yields:
        First sample, number of samples, vector.

    Raises:
        SourceError: it cannot be read, lacks a selected channel, or is shorter than one frame.
    """
    from streamdeep.intake.opening import open_sound
    from streamdeep.pipeline import Pipeline
    from streamdeep.recording.reader import Recording

    with open_sound(path, selection) as file:
        if gain_db is None:
            gain_db = file.about.gain_db if isinstance(file, Recording) else 0.0
        pipeline = Pipeline(
            model, file.sample_rate_hz, file.n_channels, hop_frames=hop_frames, gain_db=gain_db
        )
        if model.provider == "cpu":
            blocks = file.blocks()
        else:
            batch = BATCH_SEGMENTS * pipeline.segment.hop_frames
            hop_s = model.contract.frontend.hop_samples / model.contract.frontend.sample_rate_hz
            blocks = file.blocks(int(batch * hop_s * file.sample_rate_hz))
        found = [embedding for block in blocks for embedding in pipeline.push(block)]
        found += pipeline.flush()
        if not found:
            frontend = model.contract.frontend
            raise SourceError(
                f"{path} has {1000 * pipeline.ledger().captured / file.sample_rate_hz:.0f} ms of sound; the model "
                f"needs {1000 * frontend.longest_window_samples / frontend.sample_rate_hz:.0f} ms for one frame"
            )
    for embedding in found:
        yield embedding.start_sample, embedding.n_samples, embedding.vector


def write_table(path: Path, table: Table) -> None:
    """Write a table in the format its name asks for; an old file stays whole until the new one is."""
    draft = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".npz":
            _write_npz(draft, table)
        elif path.suffix == ".csv":
            _write_csv(draft, table)
        else:
            _write_parquet(draft, table)
        draft.replace(path)
    except OSError as error:
        if draft.is_file():
            draft.unlink()
        raise ConfigurationError(f"cannot write {path}: {error.strerror or error}") from error


def _refuse_unwritable(path: Path) -> None:
    """Before hours of work, not after them."""
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {path}: {error.strerror or error}; choose another --out"
        ) from error


def _write_npz(path: Path, table: Table) -> None:
    # numpy.savez cannot write an array called `file`: that is the name of its first argument.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for field in fields(Table):
            with archive.open(f"{field.name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, getattr(table, field.name), allow_pickle=False)


def _write_csv(path: Path, table: Table) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        columns = [f"embedding_{index}" for index in range(table.embedding.shape[1])]
        writer.writerow(["file", "start_sample", "n_samples", *columns])
        for name, start, length, vector in zip(
            table.file, table.start_sample, table.n_samples, table.embedding, strict=True
        ):
            # The shortest text that reads back as the same float32.
            writer.writerow([name, start, length, *(str(value) for value in vector)])


def _write_parquet(path: Path, table: Table) -> None:
    pyarrow = require_pyarrow()
    columns = {
        "file": pyarrow.array(table.file.tolist()),
        "start_sample": pyarrow.array(table.start_sample),
        "n_samples": pyarrow.array(table.n_samples),
        "embedding": fixed_size_lists(table.embedding),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
