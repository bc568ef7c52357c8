"""``streamdeep run``: sound in, embeddings out on the wire, until the sound ends or a signal comes."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console

from streamdeep.audio.selection import parse_selection
from streamdeep.cli.ledgers import as_dict, show_ledger, show_ledgers
from streamdeep.cli.run_settings import RunSettings, settings_from
from streamdeep.cli.site import Site
from streamdeep.config import hop_frames_from_seconds, length_frames_from_seconds
from streamdeep.errors import StreamdeepError
from streamdeep.providers import ProviderName
from streamdeep.records import Ledger


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
    provider: Annotated[
        ProviderName | None, typer.Option(help="What runs the model. [default: cpu]")
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
    select: Annotated[
        str | None,
        typer.Option(
            help="Channels to hear, counted from 1, as in 3,4: left, right. [default: all]"
        ),
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
        Path | None,
        typer.Option(
            help="TOML file with these options under the same names; [[streams]] for several sources."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print events as JSON lines.")] = False,
) -> None:
    """Embed a live source and publish one embedding per segment.

    Example: streamdeep run mic
    A config with [[streams]] is read again on SIGHUP: new sources begin, those that are gone end, the others go on.

    Example: streamdeep run --config site.toml
    Example: streamdeep run mic:Interface --channels 8 --select 3,4
    Example: arecord -q -t raw -f S16_LE -r 16000 | streamdeep run - --rate 16000
    """
    given = {
        "source": source, "model": model, "provider": provider, "bind": bind, "stream": stream,
        "hop_s": hop, "early_s": early or None, "pace": pace, "block_size": block_size,
        "format": sample_format, "rate": rate, "channels": channels,
        "select": None if select is None else parse_selection(select),
        "insecure": insecure, "wait": wait,
    }  # fmt: skip
    _run(lambda: settings_from(config, given), reloadable=config is not None, as_json=as_json)


def _run(read: Callable[[], RunSettings], *, reloadable: bool, as_json: bool) -> None:
    from streamdeep.encoder.model import load_model
    from streamdeep.engine import Engine
    from streamdeep.frontend.kernels import are_compiled
    from streamdeep.frontend.rows import warm_up
    from streamdeep.wire.publisher import Publisher

    say, settings = _Voice(as_json=as_json), read()
    if not are_compiled():
        say.note(
            "compiling", "the first start on this machine compiles the front-end: some seconds"
        )
    model = load_model(settings.model, provider=settings.provider)
    if model.complaint is not None:
        say.note("parity", model.complaint)
    frontend = model.contract.frontend
    hop_frames = (
        None if settings.hop_s is None else hop_frames_from_seconds(settings.hop_s, frontend)
    )
    early_frames = [length_frames_from_seconds(seconds, frontend) for seconds in settings.early_s]
    site = Site(settings, read, model_rate_hz=frontend.sample_rate_hz, note=say.note)
    warm_up(frontend)
    offline = settings.pace == "max"
    with Publisher(
        settings.bind,
        insecure=settings.insecure,
        lossless=offline,
        # Streams that began together end their segments together.
        high_water_mark=max(64, 4 * len(settings.sources)),
    ) as publisher:
        engine = Engine(
            model,
            publisher,
            hop_frames=hop_frames,
            early_frames=early_frames,
            ring_s=site.ring_s,
            offline=offline,
        )
        site.start(engine)
        _stop_on_signals(engine.stop)
        if reloadable and hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, lambda *_: site.reload_soon())
        names = [stream.name for stream in engine.streams]
        say.ready(publisher.endpoint, names, model.contract.name, model.digest.hex())
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
        say.ledgers({stream.name: stream.ledger() for stream in engine.streams})
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

    def ready(self, endpoint: str, streams: list[str], model: str, digest: str) -> None:
        if self._json:
            self._line(
                event="ready", endpoint=endpoint, stream=streams[0], streams=streams,
                model=model, digest=digest,
            )  # fmt: skip
            return
        more = f" and {len(streams) - 1} more" if len(streams) > 1 else ""
        self._console.print(
            f"publishing [bold]{streams[0]}[/]{more} on [bold]{endpoint}[/] with {model} ({digest[:16]})"
        )
        self._console.print("listen with: streamdeep classify --connect " + endpoint)

    def note(self, event: str, message: str) -> None:
        if self._json:
            self._line(event=event, message=message)
        else:
            self._console.print(message)

    def ledgers(self, ledgers: dict[str, Ledger]) -> None:
        if self._json:
            for name, ledger in ledgers.items():
                self._line(event="ledger", stream=name, **as_dict(ledger))
        elif len(ledgers) == 1:
            for name, ledger in ledgers.items():
                show_ledger(self._console, name, ledger)
        else:
            show_ledgers(self._console, ledgers)
