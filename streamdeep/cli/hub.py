"""``streamdeep hub``: many engines and many subscribers at one address."""

import json
import signal
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console

from streamdeep.cli.supervisor import Supervisor
from streamdeep.wire.hub import DEFAULT_HUB_ENDPOINT
from streamdeep.wire.security import DEFAULT_ENDPOINT

if TYPE_CHECKING:
    from streamdeep.wire.hub import Hub
    from streamdeep.wire.hub_statistics import HubStatistics

_TURN_S: Final = 0.2  # how long an interrupt may take


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("hub")(hub)


def hub(
    connect: Annotated[
        list[str] | None,
        typer.Option(
            help=f"An engine's address, ?server-key=FILE behind it if it encrypts; repeatable. [default: {DEFAULT_ENDPOINT}]"
        ),
    ] = None,
    bind: Annotated[str, typer.Option(help="Where subscribers connect.")] = DEFAULT_HUB_ENDPOINT,
    history: Annotated[
        int, typer.Option(min=0, help="Hand joiners the last so many embeddings of each stream.")
    ] = 0,
    history_mb: Annotated[
        int, typer.Option("--history-mb", min=1, help="Of all streams together, in MiB.")
    ] = 64,
    queue: Annotated[
        int, typer.Option(min=1, help="Messages queued per subscriber; behind it, it loses some.")
    ] = 1_000,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure", help="Allow a bind that other machines can reach, in clear text."
        ),
    ] = False,
    identity: Annotated[
        Path | None,
        typer.Option(
            envvar="STREAMDEEP_IDENTITY",
            help="Our .key_secret: for engines that encrypt and, with --allow, to encrypt.",
        ),
    ] = None,
    allow: Annotated[
        Path | None, typer.Option(help="Folder with the public keys of those who may subscribe.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print counters as a JSON line each second.")
    ] = False,
) -> None:
    """Gather many engines at one address, and answer joiners at once.

    Messages pass through byte for byte. Who joins gets each stream's model, last status and, with --history, last
    embeddings at once, with the flag repeat.

    Example: streamdeep hub --connect tcp://127.0.0.1:5757 --history 10
    """
    from streamdeep.wire.gate import Guard
    from streamdeep.wire.hub import Hub
    from streamdeep.wire.keys import load_identity

    guard = None if allow is None else Guard.load(identity, allow)
    with (
        Supervisor() as supervisor,
        Hub(
            connect or [DEFAULT_ENDPOINT],
            bind,
            n_history=history,
            history_bytes=history_mb * 1024 * 1024,
            high_water_mark=queue,
            insecure=insecure,
            identity=None if identity is None else load_identity(identity),
            guard=guard,
        ) as running,
    ):
        _run(running, _Voice(as_json=as_json), supervisor)


def _run(hub: "Hub", voice: "_Voice", supervisor: Supervisor) -> None:
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        del number, frame
        # The second signal ends the program at once.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        stopping = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    voice.ready(hub)
    tell_at_s = time.monotonic() + 1.0
    while not stopping:
        hub.turn(_TURN_S)
        supervisor.alive(lambda: describe_hub(hub.statistics()))
        if time.monotonic() >= tell_at_s:
            tell_at_s = time.monotonic() + 1.0
            voice.second(hub.statistics())
    voice.end(hub.statistics())


class _Voice:
    """What ``hub`` says: sentences on standard error when something changes, or JSON lines each second."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._console = Console(stderr=True, highlight=False)
        self._told: dict[int, str] = {}
        self._rivals: set[str] = set()

    def ready(self, hub: "Hub") -> None:
        endpoints = [state.endpoint for state in hub.statistics().connections]
        if self._json:
            self._line(event="ready", endpoint=hub.endpoint, engines=endpoints)
        else:
            self._say(f"{hub.endpoint} gathers {', '.join(endpoints)}")
            self._say(f"listen with: streamdeep classify --connect {hub.endpoint}")

    def second(self, statistics: "HubStatistics") -> None:
        if self._json:
            self._line(event="counters", **_as_dict(statistics))
            return
        for index, state in enumerate(statistics.connections):
            if self._told.get(index) != state.trouble:
                self._told[index] = state.trouble
                self._say(f"{state.endpoint}: {state.trouble or 'connected'}")
        for stream in statistics.rivals.keys() - self._rivals:
            self._rivals.add(stream)
            self._say(
                f"two engines send a stream called {stream}: give one another name (run --stream)"
            )

    def end(self, statistics: "HubStatistics") -> None:
        if self._json:
            self._line(event="end", **_as_dict(statistics))
            return
        self._say(describe_hub(statistics))

    def _line(self, **fields: object) -> None:
        typer.echo(json.dumps({"time_utc_ns": time.time_ns(), **fields}))

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)


def describe_hub(statistics: "HubStatistics") -> str:
    """What became of all messages, in one line."""
    return (
        f"{statistics.received} received = {statistics.forwarded} forwarded + {statistics.duplicates} "
        f"duplicates + {sum(statistics.refused.values())} refused; {statistics.lost} lost before the hub, "
        f"{statistics.repeated} repeated for joiners"
    )


def _as_dict(statistics: "HubStatistics") -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(statistics)
