"""``streamdeep streams``: what an engine or a hub offers."""

import json
import time
from dataclasses import asdict, dataclass
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from streamdeep.cli.options import Identity
from streamdeep.wire.host import this_host
from streamdeep.wire.kinds import Message, ModelMessage, StatusMessage
from streamdeep.wire.security import DEFAULT_ENDPOINT
from streamdeep.wire.subscriber import Subscriber

_LOOK_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class _Seen:
    """A stream and, as far as they have come, its model and its status."""

    stream: str
    session: str
    model: str | None = None
    digest: str | None = None
    dim: int | None = None
    per_second: float | None = None
    rate_hz: int | None = None
    age_s: float | None = None
    embeddings: int | None = None
    live: bool | None = None
    host: str | None = None


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("streams")(streams)


def streams(
    connect: Annotated[
        str, typer.Option(envvar="STREAMDEEP_CONNECT", help="An engine or a hub.")
    ] = DEFAULT_ENDPOINT,
    wait: Annotated[float, typer.Option("--wait-s", min=0.1, help="How long to listen.")] = 2.0,
    identity: Identity = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON line per stream.")] = False,
) -> None:
    """List the streams that an engine or a hub offers: model, rate, age.

    Age is the time since the newest sample was captured, in seconds.

    Example: streamdeep streams --connect tcp://127.0.0.1:5858
    """
    found: dict[tuple[str, bytes], list[Message]] = {}
    with Subscriber(connect, kinds=("status", "model"), identity=identity) as subscriber:
        deadline_s = time.monotonic() + wait
        while time.monotonic() < deadline_s:
            message = subscriber.receive(_LOOK_S)
            if message is not None:
                found.setdefault((message.stream, message.session), []).append(message)
        (connection,) = subscriber.connections()
    seen = [_seen(messages) for _, messages in sorted(found.items())]
    if as_json:
        for each in seen:
            typer.echo(json.dumps(asdict(each)))
    elif seen:
        Console().print(_table(seen))
    if not seen:
        typer.echo(
            f"no stream within {wait:g} s on {connection.endpoint}"
            + (f": {connection.trouble}" if connection.trouble else ""),
            err=True,
        )
        raise typer.Exit(1)


def _seen(messages: list[Message]) -> _Seen:
    model = next((each for each in reversed(messages) if isinstance(each, ModelMessage)), None)
    status = next((each for each in reversed(messages) if isinstance(each, StatusMessage)), None)
    fields: dict[str, object] = {}
    if model is not None:
        hop_s = model.segment_hop_frames * model.hop_samples / model.sample_rate_hz
        fields |= {
            "model": model.name,
            "digest": model.digest.hex(),
            "dim": model.dim,
            "per_second": round(1 / hop_s, 3),
            "rate_hz": model.source_rate_hz,
        }
    if status is not None:
        count = status.counters.get("embeddings")
        fields |= {
            "age_s": _age_s(status),
            "embeddings": count if isinstance(count, int) else None,
            "live": status.live,
            "host": status.host,
        }
    return _Seen(messages[0].stream, messages[0].session.hex(), **fields)  # type: ignore[arg-type]


def _age_s(status: StatusMessage) -> float | None:
    """Since the newest sample was captured: exact on one host, elsewhere as exact as the clocks agree."""
    if not status.clock.monotonic_ns:
        return None
    if status.host == this_host():
        return round((time.monotonic_ns() - status.clock.monotonic_ns) / 1e9, 3)
    return round((time.time_ns() - status.clock.utc_ns) / 1e9, 3)


def _table(seen: list[_Seen]) -> Table:
    table = Table()
    for column in ("stream", "model", "dim", "per second", "source", "embeddings", "age", ""):
        table.add_column(column, no_wrap=True)
    for each in seen:
        table.add_row(
            each.stream,
            "" if each.digest is None else f"{each.model} ({each.digest[:8]})",
            _text(each.dim),
            _text(each.per_second),
            "" if each.rate_hz is None else f"{each.rate_hz} Hz",
            _text(each.embeddings),
            "" if each.age_s is None else f"{each.age_s:.1f} s",
            "" if each.live is not False else "file",
        )
    return table


def _text(value: object) -> str:
    return "" if value is None else str(value)
