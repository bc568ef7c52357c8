"""``streamdeep similar``: the sounds that are nearest to a sound, in what was embedded or recorded."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from streamdeep.cli.options import ModelFile
from streamdeep.errors import ConfigurationError, SourceError

if TYPE_CHECKING:
    from streamdeep.encoder.model import Model

_TABLES: Final = (".npz", ".parquet")
_SAMPLE_COLUMNS: Final = ("file", "start_sample", "n_samples")


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Vectors of one file that was searched, and where they lie.

    Attributes:
        vectors: ``(rows, dim)`` float32.
        file: of each row.
        start_sample: of each row.
        n_samples: of each row.
        rate_hz: that they count in; 0 where a table does not say.
    """

    vectors: NDArray[np.float32]
    file: list[str]
    start_sample: list[int]
    n_samples: list[int]
    rate_hz: int


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("similar")(similar)


def similar(
    query: Annotated[
        str,
        typer.Argument(
            help="A sound file or recording; FILE@SECONDS is the segment around a time."
        ),
    ],
    recorded: Annotated[
        list[Path],
        typer.Argument(
            help="Tables of `embed` (.npz, .parquet), recordings, sound files, or folders of these two."
        ),
    ],
    count: Annotated[int, typer.Option("--n", min=1, max=10_000, help="How many.")] = 10,
    model: ModelFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON line per sound.")] = False,
) -> None:
    """Find the segments most like a sound: exact, by the cosine between embeddings.

    A file without a time is compared by the mean of its segments. A table must come from the same model.

    Example: streamdeep similar doorbell.wav@2.5 recordings/ embeddings.npz --n 5
    """
    from streamdeep.encoder.model import load_model
    from streamdeep.teaching.similar import nearest_to

    loaded = load_model(model)
    wanted = _query(query, loaded)
    searched: list[Places] = []

    def tables() -> Iterator[NDArray[np.float32]]:
        for places in _search(recorded, loaded):
            yield places.vectors
            searched.append(_without_vectors(places))

    found = nearest_to(wanted, tables(), count)
    if not found.looked_at:
        raise SourceError("there is nothing to search: no embeddings were found")
    rows = [
        {"similarity": round(similarity, 6), **_row(searched, index)}
        for index, similarity in zip(found.indices, found.similarities, strict=True)
    ]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
    else:
        _show(rows)
    summary = f"{len(rows)} of {found.looked_at} segments"
    if found.ties:
        summary += (
            f"; {found.ties} more are exactly as near as the last: see them with a larger --n"
        )
    Console(stderr=True, highlight=False).print(summary, soft_wrap=True)


def _query(text: str, model: "Model") -> NDArray[np.float32]:
    from streamdeep.cli.sound_files import embeddings_of
    from streamdeep.teaching.example import Place
    from streamdeep.teaching.stretch import segments_in

    name, separator, time = text.rpartition("@")
    path, at_s = Path(text), None
    if separator and not path.exists():
        path = Path(name)
        try:
            at_s = float(time)
        except ValueError:
            at_s = math.nan
        if not 0.0 <= at_s < math.inf:
            raise ConfigurationError(f"{text}: after @ stand seconds, like {name or 'FILE'}@12.5")
    found = embeddings_of(path, model, None)
    if at_s is None:
        mean: NDArray[np.float32] = np.mean([one.vector for one in found], axis=0, dtype=np.float32)
        return mean
    sample = round(at_s * found[0].sample_rate_hz)
    places = [Place("", "", one.start_sample, one.n_samples, one.sample_rate_hz) for one in found]
    inside = segments_in(sample, sample + 1, places)
    if not inside:
        raise SourceError(f"{path} holds no segment at {at_s:g} s")
    return found[inside[0]].vector


def _search(paths: list[Path], model: "Model") -> Iterator[Places]:
    from streamdeep.cli.sound_files import embeddings_of, sound_files

    for path in paths:
        if path.suffix in _TABLES and path.is_file():
            yield _table(path)
            continue
        for file in sound_files([path]):
            found = embeddings_of(file, model, None)
            yield Places(
                np.stack([one.vector for one in found]),
                [str(file)] * len(found),
                [one.start_sample for one in found],
                [one.n_samples for one in found],
                found[0].sample_rate_hz,
            )


def _table(path: Path) -> Places:
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                columns = {name: archive[name] for name in ("embedding", *_SAMPLE_COLUMNS)}
        else:
            columns = _parquet_columns(path)
        vectors = np.asarray(columns["embedding"], dtype=np.float32)
        others = [columns[name].tolist() for name in _SAMPLE_COLUMNS]
        if vectors.ndim != 2 or {len(one) for one in others} != {len(vectors)}:
            raise ValueError("its columns do not fit together")
    except Exception as error:  # whatever the readers of damaged archives raise
        raise SourceError(
            f"{path} is no table of embeddings, as `streamdeep embed` writes it: {error}"
        ) from error
    file, start_sample, n_samples = others
    return Places(vectors, file, start_sample, n_samples, 0)


def _parquet_columns(path: Path) -> dict[str, NDArray[Any]]:
    from streamdeep.tables import require_pyarrow

    table = require_pyarrow().parquet.read_table(path, columns=["embedding", *_SAMPLE_COLUMNS])
    columns = {name: np.asarray(table[name].to_pylist()) for name in _SAMPLE_COLUMNS}
    chunks = table["embedding"].combine_chunks()
    columns["embedding"] = np.asarray(chunks.flatten()).reshape(len(chunks), -1)
    return columns


def _without_vectors(places: Places) -> Places:
    nothing = np.empty((len(places.vectors), 0), dtype=np.float32)
    return Places(nothing, places.file, places.start_sample, places.n_samples, places.rate_hz)


def _row(searched: list[Places], index: int) -> dict[str, Any]:
    for places in searched:
        if index < len(places.file):
            start, n_samples, rate_hz = (
                places.start_sample[index], places.n_samples[index], places.rate_hz,
            )  # fmt: skip
            seconds = (
                {"start_s": round(start / rate_hz, 6), "stop_s": round((start + n_samples) / rate_hz, 6)}
                if rate_hz
                else {}
            )  # fmt: skip
            return {
                "file": places.file[index],
                "start_sample": start,
                "n_samples": n_samples,
                **seconds,
            }
        index -= len(places.file)
    raise IndexError(index)


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("similarity", "where", "file"):
        table.add_column(column, overflow="fold")
    for row in rows:
        where = (
            f"{row['start_s']:.2f} to {row['stop_s']:.2f} s"
            if "start_s" in row
            else f"from sample {row['start_sample']}"
        )
        table.add_row(f"{row['similarity']:.4f}", where, row["file"])
    Console().print(table)
