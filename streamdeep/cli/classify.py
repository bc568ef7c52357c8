"""``streamdeep classify``: listen to an engine, or to a source through an engine of its own, and say what it hears.

What a sound is, and when it begins and ends, is decided in :mod:`streamdeep.labelling`; here it is taken from
one socket and given to a screen, files and another socket.
"""

import contextlib
import json
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from streamdeep.cli.classify_notices import Notices
from streamdeep.cli.classify_outlets import QUEUE, Outlets
from streamdeep.cli.classify_screen import as_dict, table
from streamdeep.cli.classify_settings import ClassifySettings, settings_from
from streamdeep.cli.completion import gains, sources
from streamdeep.cli.options import Connect, HeadFile, Identity, OnlyStreams
from streamdeep.cli.own_engine import OwnEngine, engine_for, options_of
from streamdeep.cli.stopping import Stopping
from streamdeep.cli.supervisor import Supervisor
from streamdeep.errors import ConfigurationError
from streamdeep.labelling.labeller import Labelled, Labeller
from streamdeep.wire.kinds import EventMessage
from streamdeep.wire.subscriber import Subscriber

_LOOK_S = 0.2
"""How often joiners of the label socket and streams gone silent are looked after when nothing comes."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("classify")(classify)


def classify(
    context: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(
            help="Start an engine for this: mic, mic:NAME, a file, an address; see `run`. [default: connect to one]",
            autocompletion=sources,
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            envvar="STREAMDEEP_MODEL", help="Of that engine: model file. [default: the embedded]"
        ),
    ] = None,
    gain: Annotated[
        str | None,
        typer.Option(
            "--gain-db",
            autocompletion=gains,
            help="Of that engine: dB by which the sound is made louder, or auto. [default: 0]",
        ),
    ] = None,
    head: HeadFile = None,
    connect: Connect = None,
    identity: Identity = None,
    stream: OnlyStreams = None,
    publish: Annotated[
        str | None, typer.Option(help="Publish labels here, like tcp://127.0.0.1:5758.")
    ] = None,
    allow: Annotated[
        Path | None,
        typer.Option(
            help="Encrypt what is published, for those whose public keys are in this folder."
        ),
    ] = None,
    insecure: Annotated[
        bool | None,
        typer.Option(
            "--insecure", help="Allow a --publish that other machines can reach, in clear text."
        ),
    ] = None,
    out: Annotated[
        list[str] | None,
        typer.Option(
            help="Append sounds to this file: .txt (Audacity), .csv or .jsonl; {stream} in it makes one per stream. Repeatable."
        ),
    ] = None,
    smoothing: Annotated[
        float | None,
        typer.Option(
            "--smoothing-s", help="Time constant of the mean over time; 0 is none. [default: 1]"
        ),
    ] = None,
    on: Annotated[
        float | None, typer.Option(help="Probability at which a sound begins. [default: 0.6]")
    ] = None,
    off: Annotated[
        float | None, typer.Option(help="Probability below which it ends. [default: 0.7 of --on]")
    ] = None,
    min_on: Annotated[
        float | None,
        typer.Option("--min-on-s", help="It must last so long to be told. [default: 0]"),
    ] = None,
    min_off: Annotated[
        float | None,
        typer.Option("--min-off-s", help="It must be away so long to have ended. [default: 0]"),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(help="LABEL=ON or LABEL=ON:OFF for one class. Repeatable."),
    ] = None,
    novelty_rate: Annotated[
        float | None,
        typer.Option(
            help="Call novel what sound like the training is so rarely; docs/novelty.md. [default: 0.01]"
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with these options, [decision] and [novelty]; docs/labels.md."
        ),
    ] = None,
    count: Annotated[int | None, typer.Option(help="Stop after so many labels.")] = None,
    until_stop: Annotated[
        bool, typer.Option("--until-stop", help="Stop when the stream ends.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON line per label.")] = False,
) -> None:
    """Label every embedding of an engine, live: sounds that begin and end.

    With a source it starts an engine of its own, that nobody else can listen to, and ends it; without one it connects to
    those that run. Prints a live table in a terminal, JSON lines otherwise.

    Example: streamdeep classify mic
    Example: streamdeep classify street.flac --out sounds.csv
    Example: streamdeep classify --publish tcp://127.0.0.1:5758 --out sounds.csv --threshold 'Dog bark=0.5'
    """
    if count is not None and count < 1:
        raise ConfigurationError(f"--count {count} must be at least 1")
    settings = settings_from(
        config,
        {
            "head": head, "connect": connect or None, "stream": stream or None,
            "identity": identity, "publish": publish, "allow": allow, "insecure": insecure, "out": out or None,
        },
        {"smoothing_s": smoothing, "on": on, "off": off, "min_on_s": min_on, "min_off_s": min_off},
        threshold or (),
        {"rate": novelty_rate},
    )  # fmt: skip
    options = options_of(context, source, model=model, gain=gain, streams=stream)
    errors = Console(stderr=True, highlight=False)
    with (
        Stopping() as stopping,
        Outlets(settings, errors) as outlets,
        engine_for(source, options, errors) as engine,
    ):
        if engine is not None:
            settings = settings.model_copy(update={"connect": (engine.endpoint,)})
        labels = _label(
            settings, outlets, stopping, errors, engine=engine, count=count, until_stop=until_stop
        )
        # Closed here, so that what goes on ends while there still is somewhere to say so.
        with contextlib.closing(labels):
            if as_json or not Console().is_terminal:
                for one in labels:
                    if not one.only_changes:
                        typer.echo(json.dumps(as_dict(one)))
            else:
                shown = settings.connect if engine is None else ("its own engine",)
                _show(labels, outlets.labeller, shown)
        if engine is not None:
            engine.finish()


def _label(
    settings: ClassifySettings,
    outlets: Outlets,
    stopping: Stopping,
    errors: Console,
    *,
    engine: OwnEngine | None,
    count: int | None,
    until_stop: bool,
) -> Generator[Labelled]:
    """Label embeddings as they come; at the end all sounds end.

    Raises:
        MismatchError: they come from another encoder than the head's.
    """
    labeller, n_made, ended = outlets.labeller, 0, False
    notices = Notices(
        labeller,
        settings.novelty,
        lambda line: errors.print(line, markup=False, soft_wrap=True),
    )
    with (
        Supervisor() as supervisor,
        Subscriber(
            settings.connect,
            streams=settings.stream,
            kinds=("embedding", "event", "model"),
            high_water_mark=QUEUE,
            identity=settings.identity,
        ) as subscriber,
    ):
        began_ns, heard = time.monotonic_ns(), engine is not None
        try:
            while not ended:
                if stopping.asked:
                    if engine is None:
                        break
                    engine.stop()  # what it has heard is still labelled, until its stream stops
                message = subscriber.receive(_LOOK_S)
                now_ns = time.monotonic_ns()
                made = labeller.tick(now_ns)
                if message is not None:
                    heard = True
                    made += labeller.push(message, now_ns=now_ns)
                    stopped = isinstance(message, EventMessage) and message.event == "stop"
                    ended = stopped and (until_stop or engine is not None)
                elif engine is not None and engine.ended:
                    break  # why is said at the end
                elif not heard:
                    notices.silence((now_ns - began_ns) / 1e9, subscriber.connections())
                for one in made:
                    outlets.take(one)
                    notices.take(one)
                    n_made += not one.only_changes
                    yield one
                ended = ended or (count is not None and n_made >= count)
                outlets.service()
                supervisor.alive(lambda: f"{n_made} embeddings labelled")  # noqa: B023 - called at once
        finally:
            for one in labeller.flush():
                outlets.take(one)
            statistics = subscriber.statistics()
            errors.print(
                f"{statistics.received_of('embedding')} embeddings received, "
                f"{statistics.lost_of('embedding')} lost on the wire"
            )
            for connection in statistics.connections:
                if connection.trouble:
                    errors.print(f"{connection.endpoint}: {connection.trouble}", markup=False)


def _show(labels: Iterator[Labelled], labeller: Labeller, connect: Sequence[str]) -> None:
    latest: dict[str, Labelled] = {}
    with Live(
        f"waiting for embeddings on {', '.join(connect)} ...", console=Console(), auto_refresh=False
    ) as live:
        for one in labels:
            latest[one.message.stream] = one
            live.update(table(latest, labeller.scale), refresh=True)
