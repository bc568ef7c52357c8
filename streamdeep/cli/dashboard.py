"""``streamdeep dashboard``: a page that shows what all streams hear."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from streamdeep.cli.bridge_options import AsJson, Hosts, Insecure, TokenFile, Voice, stop_on_signals
from streamdeep.cli.options import Connect, HeadFile, Identity, OnlyStreams, addresses
from streamdeep.errors import ConfigurationError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("dashboard")(dashboard)


def dashboard(
    connect: Connect = None,
    identity: Identity = None,
    stream: OnlyStreams = None,
    head: HeadFile = None,
    model: Annotated[
        Path | None,
        typer.Option(
            envvar="STREAMDEEP_MODEL",
            help="The engine's model file, for the map. [default: the embedded]",
        ),
    ] = None,
    teach: Annotated[
        Path | None,
        typer.Option(
            help="Let browsers teach, and save what they taught to this head file; it goes on if it is there."
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Serve on this port of 127.0.0.1. [default: 8088]")
    ] = None,
    bind: Annotated[
        str | None,
        typer.Option(help="Serve on another address, like 192.168.1.5:8088; needs --token-file."),
    ] = None,
    token_file: TokenFile = None,
    host: Hosts = None,
    insecure: Insecure = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what all streams hear, live, on a page: spectrograms, labels, a map, latency, losses.

    One more subscriber, in a process of its own: it changes nothing. Spectrograms need `run --frames`.

    Example: streamdeep dashboard --open
    Example: streamdeep dashboard --teach my-head.onnx
    Example: streamdeep dashboard --connect tcp://127.0.0.1:5757 --head scene-head.onnx --port 8088
    """
    from streamdeep.bridges.access import Access, bind_from
    from streamdeep.bridges.broker import read_secret
    from streamdeep.bridges.serving import require_server
    from streamdeep.dashboard.chart import load_chart
    from streamdeep.dashboard.dashboard import KINDS, Dashboard
    from streamdeep.dashboard.desk import Desk
    from streamdeep.dashboard.scene import Scene
    from streamdeep.heads.head import load_head
    from streamdeep.heads.settings import DecisionSettings
    from streamdeep.wire.subscriber import Subscriber

    if port is not None and bind is not None:
        raise ConfigurationError("--port and --bind both say where to serve; give one of them")
    require_server()
    token = None if token_file is None else read_secret(token_file)
    advice = "give a --token-file, or pass --insecure to serve whoever asks; both in clear text"
    target = bind_from(
        bind or f"127.0.0.1:{8088 if port is None else port}",
        guarded=insecure or token is not None,
        advice=advice,
    )
    desk = None if teach is None else Desk(teach)
    # What was taught before is what one goes on with.
    found = desk.head if desk is not None and desk.head is not None else load_head(head)
    scene = Scene(found, DecisionSettings(), load_chart(model))
    say = Voice(as_json=as_json)
    listener, bound = target.open()
    with (
        listener,
        Subscriber(
            addresses(connect),
            streams=stream or (),
            kinds=KINDS,
            hold=False,
            identity=identity,
        ) as subscriber,
    ):
        access = Access(bound, hosts=host or (), token=token)
        page = Dashboard(subscriber, listener, access, scene, desk)
        stop_on_signals(page.stop)
        url = f"http://{bound}/"
        shown = url if token is None else f"{url}?token=... (the token in {token_file})"
        say.note("ready", f"open {shown} in a browser; Ctrl-C ends it", address=str(bound), url=url)
        if open_browser:
            webbrowser.open(url if token is None else f"{url}?token={token}")
        page.run()
