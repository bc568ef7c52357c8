"""``streamdeep run``: sound in, embeddings out on the wire, until the sound ends or a signal comes."""

import json
import signal
import socket
import time
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal

import typer
from pydantic import Field, ValidationError
from rich import box
from rich.console import Console
from rich.table import Table

from streamdeep.config import (
    Strict,
    describe,
    hop_frames_from_seconds,
    length_frames_from_seconds,
    load_toml,
)
from streamdeep.errors import ConfigurationError, StreamdeepError
from streamdeep.records import Ledger


class RunSettings(Strict):
    """What belongs to an installation: the options of ``streamdeep run``, under the same names in TOML.

    Flags win over the environment (``STREAMDEEP_*``), the environment over the file, the file over these
    defaults.

    Attributes:
        source: see :mod:`streamdeep.audio.sources`.
        model: model file; None is the embedded one.
        bind: where to publish.
        stream: name on the wire; None is host and source.
        hop_s: seconds between segments; None is the model's.
        early_s: after how many seconds a segment also gives an early embedding.
        pace: of a file.
        block_size: samples per block.
        format: of raw PCM.
        rate: of raw PCM, or wanted of a sound card, in Hz.
        channels: of raw PCM or a sound card.
        insecure: allow a bind that other machines can reach, in clear text.
        wait: start a file only when somebody listens; None does so at ``pace`` max.
    """

    source: str
    model: Path | None = None
    bind: str = "tcp://127.0.0.1:5757"
    stream: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")
    hop_s: float | None = Field(default=None, gt=0)
    early_s: tuple[float, ...] = ()
    pace: Literal["realtime", "max"] = "realtime"
    block_size: int | None = None
    format: Literal["s16le", "f32le"] | None = None
    rate: int | None = None
    channels: int | None = None
    insecure: bool = False
    wait: bool | None = None


def settings_from(config: Path | None, given: dict[str, Any]) -> RunSettings:
    """Merge flags and environment over a TOML file.

    Raises:
        ConfigurationError: an unknown key, a value out of range, or no source at all; one line.
    """
    named = {name: value for name, value in given.items() if value is not None}
    base = load_toml(config, _PartialSettings).model_dump(exclude_none=True) if config else {}
    if "source" not in named | base:
        raise ConfigurationError(
            "no source: name a sound file, `mic`, or `-` for raw samples on standard input"
        )
    try:
        return RunSettings.model_validate(base | named)
    except ValidationError as error:
        raise ConfigurationError(describe(error)) from error


class _PartialSettings(RunSettings):
    source: str | None = None  # type: ignore[assignment] # a file may leave it to the command line


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    source: Annotated[
        str | None, typer.Argument(help="mic, mic:NAME, a sound file, or - for raw samples.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(envvar="STREAMDEEP_MODEL", help="Model file. [default: the embedded]"),
    ] = None,
    bind: Annotated[
        str | None,
        typer.Option(
            envvar="STREAMDEEP_BIND", help="Publish here. [default: tcp://127.0.0.1:5757]"
        ),
    ] = None,
    stream: Annotated[
        str | None,
        typer.Option(envvar="STREAMDEEP_STREAM", help="Name on the wire. [default: host.source]"),
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option("--hop-s", help="Seconds between segments. [default: the model's]"),
    ] = None,
    early: Annotated[
        list[float] | None,
        typer.Option(
            "--early-s", help="Also publish after so many seconds of a segment; repeatable."
        ),
    ] = None,
    pace: Annotated[
        str | None, typer.Option(help="A file's pace: realtime or max. [default: realtime]")
    ] = None,
    block_size: Annotated[
        int | None, typer.Option(help="Samples per block; results do not depend on it.")
    ] = None,
    sample_format: Annotated[
        str | None, typer.Option("--format", help="Raw samples: s16le or f32le. [default: s16le]")
    ] = None,
    rate: Annotated[
        int | None, typer.Option(help="Rate of raw samples, or asked of a sound card, in Hz.")
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="Channels of raw samples or a sound card. [default: 1]")
    ] = None,
    insecure: Annotated[
        bool | None,
        typer.Option(
            "--insecure", help="Allow a bind that other machines can reach, in clear text."
        ),
    ] = None,
    wait: Annotated[
        bool | None,
        typer.Option(
            "--wait/--no-wait", help="Start only when somebody listens. [default: at pace max]"
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file with these options under the same names.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print events as JSON lines.")] = False,
) -> None:
    """Embed a live source and publish one embedding per segment.

    Example: streamdeep run mic
    Example: arecord -q -t raw -f S16_LE -r 16000 | streamdeep run - --rate 16000
    """
    settings = settings_from(
        config,
        {
            "source": source, "model": model, "bind": bind, "stream": stream, "hop_s": hop, "early_s": early or None, "pace": pace,
            "block_size": block_size, "format": sample_format, "rate": rate, "channels": channels,
            "insecure": insecure, "wait": wait,
        },
    )  # fmt: skip
    _run(settings, as_json=as_json)


def _run(settings: RunSettings, *, as_json: bool) -> None:
    from streamdeep.audio.sources import open_source
    from streamdeep.encoder.model import load_model
    from streamdeep.engine import Engine
    from streamdeep.frontend.logmel import warm_up
    from streamdeep.wire.publisher import Publisher
    from streamdeep.wire.topics import stream_name

    say = _Voice(as_json=as_json)
    model = load_model(settings.model)
    if model.complaint is not None:
        say.note("parity", model.complaint)
    frontend = model.contract.frontend
    hop_frames = (
        None if settings.hop_s is None else hop_frames_from_seconds(settings.hop_s, frontend)
    )
    early_frames = [length_frames_from_seconds(seconds, frontend) for seconds in settings.early_s]
    source = open_source(
        settings.source,
        model_rate_hz=frontend.sample_rate_hz,
        pace=settings.pace,
        block_samples=settings.block_size,
        sample_format=settings.format,
        sample_rate_hz=settings.rate,
        n_channels=settings.channels,
    )
    warm_up(frontend)
    name = settings.stream or stream_name(f"{socket.gethostname().split('.')[0]}.{source.name}")
    offline = settings.pace == "max"
    with Publisher(settings.bind, insecure=settings.insecure, lossless=offline) as publisher:
        engine = Engine(model, publisher, offline=offline)
        stream = engine.add(name, source, hop_frames=hop_frames, early_frames=early_frames)
        _stop_on_signals(engine.stop)
        say.ready(publisher.endpoint, name, model.contract.name, model.digest.hex())
        if settings.wait if settings.wait is not None else offline:
            say.note(
                "waiting",
                "waiting for a subscriber before the file begins (--no-wait begins at once)",
            )
            if not engine.wait_for_listener():
                return
        failure: StreamdeepError | None = None
        try:
            engine.run()
        except StreamdeepError as error:
            failure = error
        say.ledger(name, stream.ledger())
    if failure is not None:
        raise failure


def _stop_on_signals(stop: Any) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        # The second signal ends the program at once, as if there were no handler.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        stop()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)


class _Voice:
    """What ``run`` says: sentences on standard error, or JSON lines on standard output."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._console = Console(stderr=True, highlight=False)

    def _line(self, **fields: object) -> None:
        typer.echo(json.dumps({"time_utc_ns": time.time_ns(), **fields}))

    def ready(self, endpoint: str, stream: str, model: str, digest: str) -> None:
        if self._json:
            self._line(event="ready", endpoint=endpoint, stream=stream, model=model, digest=digest)
        else:
            self._console.print(
                f"publishing [bold]{stream}[/] on [bold]{endpoint}[/] with {model} ({digest[:16]})"
            )
            self._console.print("listen with: streamdeep classify --connect " + endpoint)

    def note(self, event: str, message: str) -> None:
        if self._json:
            self._line(event=event, message=message)
        else:
            self._console.print(message)

    def ledger(self, stream: str, ledger: Ledger) -> None:
        if self._json:
            self._line(event="ledger", stream=stream, **as_dict(ledger))
        else:
            show_ledger(self._console, stream, ledger)


def as_dict(ledger: Ledger) -> dict[str, Any]:
    """A ledger for JSON, with the identity's outcome."""
    fields = {name: getattr(ledger, name) for name in Ledger.__dataclass_fields__}
    return {**fields, "unaccounted": ledger.unaccounted}


def show_ledger(console: Console, stream: str, ledger: Ledger) -> None:
    """Where every sample went, for people."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("samples")
    table.add_column(justify="right")
    for label, count in (
        ("captured", ledger.captured),
        ("= embedded", ledger.embedded),
        ("+ skipped", ledger.skipped),
        *((f"+ dropped: {reason}", count) for reason, count in ledger.dropped.items()),
        ("+ in flight", ledger.in_flight),
        ("unaccounted", ledger.unaccounted),
        ("lost before capture", ledger.gap_samples),
        ("non-finite, replaced", ledger.nonfinite_samples),
        ("clipped", ledger.clipped_samples),
    ):
        table.add_row(label, f"{count:,}")
    summary = f"{ledger.embeddings} embeddings in {ledger.epochs} epoch(s)"
    console.print(f"{stream}: {summary}; where its samples are:")
    console.print(table)
