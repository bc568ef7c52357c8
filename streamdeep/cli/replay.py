"""``streamdeep replay``: a recording through the engine again, with the same embeddings."""

from pathlib import Path
from typing import Annotated

import typer

from streamdeep.cli.completion import gains, paces
from streamdeep.cli.options import HopSeconds, ModelFile
from streamdeep.cli.run import run_settings
from streamdeep.cli.run_settings import settings_from
from streamdeep.providers import ProviderName


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay")(replay)


def replay(
    recording: Annotated[
        Path,
        typer.Argument(help="A recording: its folder, a .sdrec file, or the place it lies in."),
    ],
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
        typer.Option(
            envvar="STREAMDEEP_STREAM", help="Name on the wire. [default: the recorded stream's]"
        ),
    ] = None,
    hop: HopSeconds = None,
    early: Annotated[
        list[float] | None,
        typer.Option(
            "--early-s", help="Also publish after so many seconds of a segment; repeatable."
        ),
    ] = None,
    gain: Annotated[
        str | None,
        typer.Option(
            "--gain-db",
            autocompletion=gains,
            help="Another gain than it was heard with. [default: as it was heard]",
        ),
    ] = None,
    pace: Annotated[
        str | None,
        typer.Option(
            autocompletion=paces,
            help="realtime: as if it came now. max: as fast as it goes, with its own times. [default: realtime]",
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
    as_json: Annotated[bool, typer.Option("--json", help="Print events as JSON lines.")] = False,
) -> None:
    """Publish a recording's embeddings: the same bits, epochs and samples as when it was recorded.

    Example: streamdeep replay recordings/ --pace max
    """
    from streamdeep.recording.files import find_recording
    from streamdeep.recording.reader import Recording

    path = find_recording(recording)
    with Recording(path) as opened:
        recorded_stream = opened.about.stream
    given = {
        "source": str(path), "model": model, "provider": provider, "bind": bind,
        "stream": stream or recorded_stream, "hop_s": hop, "early_s": early or None, "pace": pace,
        "gain_db": gain,
        "insecure": insecure, "wait": wait,
    }  # fmt: skip
    run_settings(lambda: settings_from(None, given), reloadable=False, as_json=as_json)
