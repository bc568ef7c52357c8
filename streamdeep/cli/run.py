"""``streamdeep run``: sound in, embeddings out on the wire, until the sound ends or a signal comes."""

import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from streamdeep.audio.selection import parse_selection
from streamdeep.cli.arrivals import Arrivals
from streamdeep.cli.completion import gains, paces, sample_formats, sources
from streamdeep.cli.ledgers import describe_ledgers
from streamdeep.cli.options import HopSeconds, ModelFile
from streamdeep.cli.recorded import recorder_for
from streamdeep.cli.run_settings import RunSettings, settings_from
from streamdeep.cli.run_voice import Voice
from streamdeep.cli.site import Site
from streamdeep.cli.supervisor import Supervisor
from streamdeep.config import hop_frames_from_seconds, length_frames_from_seconds
from streamdeep.errors import StreamdeepError
from streamdeep.providers import ProviderName

if TYPE_CHECKING:
    from streamdeep.engine import Engine


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    source: Annotated[
        str | None,
        typer.Argument(
            help="mic, mic:NAME, a sound file, a recording, - for raw samples, or an address: "
            "http:// https:// rtsp:// rtmp:// udp:// rtp:// tcp-listen://.",
            autocompletion=sources,
        ),
    ] = None,
    model: ModelFile = None,
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
    hop: HopSeconds = None,
    early: Annotated[
        list[float] | None,
        typer.Option(
            "--early-s", help="Also publish after so many seconds of a segment; repeatable."
        ),
    ] = None,
    pace: Annotated[
        str | None,
        typer.Option(
            autocompletion=paces, help="A file's pace: realtime or max. [default: realtime]"
        ),
    ] = None,
    block_size: Annotated[
        int | None, typer.Option(help="Samples per block; results do not depend on it.")
    ] = None,
    sample_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            autocompletion=sample_formats,
            help="Raw samples: s16le or f32le. [default: s16le]",
        ),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(
            help="Rate of raw samples, asked of a sound card, or known of an address, in Hz."
        ),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(
            help="Channels of raw samples or a sound card (1 if not told), or known of an address."
        ),
    ] = None,
    audio_in: Annotated[
        str | None,
        typer.Option(
            envvar="STREAMDEEP_AUDIO_IN",
            help="Also take the sound that `streamdeep send` brings here, like tcp://127.0.0.1:5758.",
        ),
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(
            help="Channels to hear, counted from 1, as in 3,4: left, right. [default: all]"
        ),
    ] = None,
    frames: Annotated[
        bool | None,
        typer.Option(
            "--frames", help="Also publish log-Mel frames, five times a second, for `dashboard`."
        ),
    ] = None,
    gain: Annotated[
        str | None,
        typer.Option(
            "--gain-db",
            autocompletion=gains,
            help="Make the sound so many dB louder; auto listens for 10 s first. See `doctor`. [default: 0]",
        ),
    ] = None,
    insecure: Annotated[
        bool | None,
        typer.Option(
            "--insecure",
            help="Allow to publish, or to listen for sound, where other machines reach it, in clear text.",
        ),
    ] = None,
    identity: Annotated[
        Path | None,
        typer.Option(
            envvar="STREAMDEEP_IDENTITY", help="Encrypt, with this .key_secret; needs --allow."
        ),
    ] = None,
    allow: Annotated[
        Path | None,
        typer.Option(help="Folder with the public keys of those who may listen and send."),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(help="Also record what is heard into this folder; see `record`."),
    ] = None,
    keep_hours: Annotated[
        float | None, typer.Option(help="Delete what was recorded longer ago.")
    ] = None,
    keep_gb: Annotated[
        float | None, typer.Option(help="Delete the oldest recordings beyond so many gigabytes.")
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
    Example: streamdeep run mic --record recordings/ --keep-hours 48
    Example: streamdeep run mic:Interface --channels 8 --select 3,4
    Example: streamdeep run rtsp://joe:secret@192.168.1.20/stream1
    Example: streamdeep run https://example.org/street.flac --pace max
    Example: streamdeep run 'tcp-listen://127.0.0.1:7000?format=s16le&rate=16000&channels=1'
    Example: arecord -q -t raw -f S16_LE -r 16000 | streamdeep run - --rate 16000
    Example: streamdeep run --audio-in tcp://127.0.0.1:5758
    """
    given = {
        "source": source, "model": model, "provider": provider, "bind": bind, "stream": stream,
        "hop_s": hop, "early_s": early or None, "pace": pace, "block_size": block_size,
        "format": sample_format, "rate": rate, "channels": channels,
        "select": None if select is None else parse_selection(select), "audio_in": audio_in, "frames": frames,
        "gain_db": gain,
        "insecure": insecure, "identity": identity, "allow": allow, "wait": wait,
        "record": record, "keep_hours": keep_hours, "keep_gb": keep_gb,
    }  # fmt: skip
    run_settings(
        lambda: settings_from(config, given), reloadable=config is not None, as_json=as_json
    )


def run_settings(read: Callable[[], RunSettings], *, reloadable: bool, as_json: bool) -> None:
    """Run what the settings say until it ends.

    Args:
        read: reads the settings, now and when they are to be read again.
        reloadable: read them again on SIGHUP.
        as_json: print JSON lines.
    """
    from streamdeep.encoder.model import load_model
    from streamdeep.engine import Engine
    from streamdeep.frontend.kernels import are_compiled
    from streamdeep.frontend.rows import warm_up
    from streamdeep.wire.gate import Guard
    from streamdeep.wire.publisher import Publisher

    say, settings = Voice(as_json=as_json), read()
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
    keep = settings.keep_hours, settings.keep_gb
    recorder = recorder_for(settings.record, *keep, note=say.note) if settings.record else None
    site = Site(
        settings, read, model_rate_hz=frontend.sample_rate_hz, note=say.note, recorder=recorder
    )
    warm_up(frontend)
    offline = settings.pace == "max"
    guard = Guard.load(settings.identity, settings.allow)
    with (
        Supervisor() as supervisor,
        Publisher(
            settings.bind,
            insecure=settings.insecure,
            lossless=offline,
            # Streams that began together end their segments together.
            high_water_mark=max(64, 4 * (len(settings.sources) + settings.most_arrivals)),
            guard=guard,
        ) as publisher,
        Arrivals(
            settings, guard=guard, recorder=recorder, recorded=lambda one: say.recorded([one])
        ) as arrivals,
    ):
        engine = Engine(
            model,
            publisher,
            hop_frames=hop_frames,
            early_frames=early_frames,
            ring_s=site.ring_s,
            offline=offline,
            open_ended=settings.audio_in is not None,
            frames=settings.frames,
            heartbeat=lambda: _tell(supervisor, engine),
        )
        site.start(engine)
        stop_on_signals(engine.stop)
        if reloadable and hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, lambda *_: site.reload_soon())
        names = [stream.name for stream in engine.streams]
        say.ready(
            publisher.endpoint, names, model.contract.name, model.digest.hex(), arrivals.endpoint
        )
        if settings.wait if settings.wait is not None else offline:
            say.note(
                "waiting",
                "waiting for a subscriber before the file begins (--no-wait begins at once)",
            )
            if not engine.wait_for_listener():
                return
        failure: StreamdeepError | None = None
        try:
            arrivals.start(engine)
            engine.run()
        except StreamdeepError as error:
            failure = error
        say.ledgers(engine.ledgers())
        say.arrivals(arrivals.statistics)
    if recorder is not None:
        recorder.close()
        say.recorded(recorder.results())
    if failure is not None:
        raise failure


def _tell(supervisor: Supervisor, engine: "Engine") -> None:
    """Have whoever started us know how the engine is."""
    if engine.stopping:
        supervisor.stopping()
    supervisor.alive(lambda: describe_ledgers(engine.ledgers()))


def stop_on_signals(stop: Callable[[], object]) -> None:
    """Have the first Ctrl-C or SIGTERM call ``stop``; a second one ends the program at once."""

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        # The second signal ends the program at once, as if there were no handler.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        stop()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
