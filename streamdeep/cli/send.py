"""``streamdeep send``: a device's sound to an engine elsewhere, until the sound ends or a signal comes."""

import json
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import Annotated, Literal

import typer
from rich.console import Console

from streamdeep.cli.completion import sources
from streamdeep.cli.options import Identity
from streamdeep.errors import ConfigurationError, WireError

DEFAULT_RATE_HZ = 44_100


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("send")(send)


def send(
    source: Annotated[
        str,
        typer.Argument(
            help="mic, mic:NAME, a sound file, or - for raw samples.", autocompletion=sources
        ),
    ],
    connect: Annotated[
        str, typer.Option(envvar="STREAMDEEP_AUDIO_IN", help="The engine's --audio-in.")
    ] = "tcp://127.0.0.1:5758",
    identity: Identity = None,
    stream: Annotated[
        str | None,
        typer.Option(envvar="STREAMDEEP_STREAM", help="Name on the wire. [default: host.source]"),
    ] = None,
    sample_format: Annotated[
        Literal["f32le", "s16le"],
        typer.Option(
            "--format", help="s16le is half the bytes, and exact only where the sound has 16 bits."
        ),
    ] = "f32le",
    buffer: Annotated[
        float, typer.Option("--buffer-s", help="Seconds kept while the engine is away.")
    ] = 30.0,
    block: Annotated[float, typer.Option("--block-ms", help="Sound per message.")] = 20.0,
    linger: Annotated[
        float, typer.Option("--linger-s", help="Wait so long at the end for what is kept.")
    ] = 10.0,
    pace: Annotated[
        Literal["realtime", "max"], typer.Option(help="A file's pace; max waits for the engine.")
    ] = "realtime",
    rate: Annotated[
        int | None, typer.Option(help="Rate of raw samples, or asked of a sound card, in Hz.")
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="Channels of raw samples or a sound card. [default: 1]")
    ] = None,
    raw_format: Annotated[
        Literal["s16le", "f32le"], typer.Option(help="Of raw samples on standard input.")
    ] = "s16le",
    as_json: Annotated[bool, typer.Option("--json", help="Print events as JSON lines.")] = False,
) -> None:
    """Ship sound to an engine that runs with --audio-in; it embeds many such streams.

    What the engine cannot take, or misses while it is away, is kept for --buffer-s seconds; what does not fit is counted,
    and the engine says where it is missing. The ledger at the end: captured = taken + given up + waiting.

    Example: streamdeep send mic --connect tcp://127.0.0.1:5758 --stream kitchen
    Example: streamdeep send mic --connect 'tcp://hall:5758?server-key=engine.key' --identity kitchen.key_secret
    Example: arecord -q -t raw -f S16_LE -r 16000 | streamdeep send - --rate 16000 --format s16le
    """
    from streamdeep.intake.opening import open_source
    from streamdeep.intake.sending import Sender
    from streamdeep.wire.keys import load_identity, split_address
    from streamdeep.wire.topics import is_name, stream_name

    if not 1 <= buffer <= 3600:
        raise ConfigurationError(f"--buffer-s {buffer:g} is out of range; 1 to 3600 will do")
    if not 1 <= block <= 500:
        raise ConfigurationError(f"--block-ms {block:g} is out of range; 1 to 500 will do")
    if not 0 <= linger <= 3600:
        raise ConfigurationError(f"--linger-s {linger:g} is out of range; 0 to 3600 will do")
    if stream is not None and not is_name(stream):
        raise ConfigurationError(
            f"{stream!r} is no stream name: small letters, digits and _ . - only, at most 64"
        )
    opened = open_source(
        source,
        model_rate_hz=DEFAULT_RATE_HZ,
        pace=pace,
        sample_format=raw_format,
        sample_rate_hz=rate,
        n_channels=channels,
    )
    name = stream or stream_name(f"{socket.gethostname().split('.')[0]}.{opened.name}")
    console = Console(stderr=True, highlight=False)

    def say(event: str, sentence: str, **fields: object) -> None:
        if as_json:
            line = {"time_utc_ns": time.time_ns(), "event": event, "stream": name, **fields}
            typer.echo(json.dumps(line if fields else line | {"message": sentence}))
        else:
            console.print(f"{name}: {sentence}")

    sender = Sender(
        opened,
        connect,
        stream=name,
        sample_format=sample_format,
        buffer_s=buffer,
        block_ms=block,
        offline=pace == "max",
        notice=say,
        identity=None if identity is None else load_identity(identity),
    )
    _stop_on_signals(sender.stop)
    try:
        sender.run(linger_s=linger)
    finally:
        found = sender.ledger()
        say(
            "ledger",
            f"{found.captured:,} samples captured = {found.taken:,} taken + {found.given_up:,} given up "
            f"+ {found.waiting:,} waiting; {found.gap_samples:,} lost before capture",
            captured=found.captured,
            taken=found.taken,
            given_up=found.given_up,
            waiting=found.waiting,
            gap_samples=found.gap_samples,
        )
    if found.waiting:
        why = sender.trouble or f"look whether one runs with --audio-in {split_address(connect)[0]}"
        raise WireError(f"no engine took the last {found.waiting:,} samples; {why}")


def _stop_on_signals(stop: Callable[[], None]) -> None:
    def handle(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # the second one ends the program at once
        stop()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
