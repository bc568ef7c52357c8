"""``streamdeep watch``: how all streams are doing, on one screen."""

import json
import time
from collections.abc import Callable
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live

from streamdeep.cli.keyboard import Keyboard
from streamdeep.cli.options import Connect, Identity, OnlyStreams
from streamdeep.cli.stopping import Stopping
from streamdeep.cli.watch_screen import connection_line, plain_line, screen, summary, table
from streamdeep.errors import WireError
from streamdeep.watching.board import Board
from streamdeep.watching.row import Row
from streamdeep.wire.security import DEFAULT_ENDPOINT
from streamdeep.wire.subscriber import Subscriber

_KINDS: Final = ("embedding", "event", "status", "model", "label")
_SCREEN_S: Final = 0.5
_LINES_S: Final = 1.0
_LOOK_S: Final = 0.1
_FULL_S: Final = 2.5
"""After the first sign of a stream all others have said something too: a status comes once a second."""
_PIPE_WIDTH: Final = 200


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("watch")(watch)


def watch(
    connect: Connect = None,
    identity: Identity = None,
    stream: OnlyStreams = None,
    once: Annotated[
        bool, typer.Option("--once", help="Print one table of what there is, and end.")
    ] = False,
    wait: Annotated[
        float,
        typer.Option("--wait-s", min=0.0, help="How long --once waits for the first stream."),
    ] = 10.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON line per stream and second.")
    ] = False,
) -> None:
    """Show all streams: rates, age, latency, level, losses, last labels; those in trouble first.

    One more subscriber: it changes nothing. q or Ctrl-C ends it. Without a terminal it prints a line per stream and
    second.

    Example: streamdeep watch --connect tcp://127.0.0.1:5757 --connect tcp://127.0.0.1:5758
    """
    with (
        Stopping() as stopping,
        Subscriber(
            connect or (DEFAULT_ENDPOINT,),
            streams=stream or (),
            kinds=_KINDS,
            # Thousands of streams end their segments together.
            high_water_mark=10_000,
            hold=False,
            identity=identity,
        ) as subscriber,
    ):
        watcher = _Watcher(subscriber, lambda: stopping.asked)
        if once:
            watcher.once(wait, as_json=as_json)
        elif as_json or not Console().is_terminal:
            watcher.lines(as_json=as_json)
        else:
            watcher.screen()


class _Watcher:
    """Takes messages until it is time to show something."""

    def __init__(self, subscriber: Subscriber, ended: Callable[[], bool]) -> None:
        self._subscriber = subscriber
        self._ended = ended
        self._board = Board()

    def rows(self) -> list[Row]:
        topics = self._subscriber.statistics().topics
        return self._board.rows(topics, now_ns=time.monotonic_ns())

    def listen(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Take what comes for so long, or until something is so; it is asked ten times a second.

        Returns:
            Whether it was so.
        """
        deadline_s = time.monotonic() + seconds
        while not self._ended():
            if until():
                return True
            look_s = min(deadline_s, time.monotonic() + _LOOK_S)
            while (left_s := look_s - time.monotonic()) > 0:
                message = self._subscriber.receive(left_s)
                if message is not None:
                    self._board.push(message, now_ns=time.monotonic_ns())
            if look_s >= deadline_s:
                break
        return False

    def screen(self) -> None:
        console, quitting = Console(), False
        with Keyboard() as keyboard, Live(console=console, screen=True, auto_refresh=False) as live:
            while not (quitting or self._ended()):
                width, height = console.size
                connections = self._subscriber.connections()
                drawn = screen(self.rows(), connections, width=width, height=height)
                live.update(drawn, refresh=True)
                quitting = self.listen(_SCREEN_S, lambda: "q" in keyboard.pressed())

    def lines(self, *, as_json: bool) -> None:
        while not self._ended():
            self.listen(_LINES_S)
            self._print(self.rows(), as_json=as_json)

    def once(self, wait_s: float, *, as_json: bool) -> None:
        self.listen(wait_s, lambda: bool(self.rows()))
        if not self.rows():
            troubles = ", ".join(
                f"{one.endpoint}: {one.trouble or 'connected, but nothing is published'}"
                for one in self._subscriber.connections()
            )
            raise WireError(f"no stream within {wait_s:g} s; {troubles}")
        self.listen(_FULL_S)
        rows = self.rows()
        if as_json:
            self._print(rows, as_json=True)
            return
        console = Console()
        width = console.width if console.is_terminal else _PIPE_WIDTH
        console = Console(width=width)
        for one in self._subscriber.connections():
            console.print(connection_line(one))
        console.print(summary(rows), highlight=False)
        console.print(table(rows, width))

    def _print(self, rows: list[Row], *, as_json: bool) -> None:
        down = [one for one in self._subscriber.connections() if one.trouble]
        if as_json:
            now = {"time_utc_ns": time.time_ns()}
            for row in rows:
                typer.echo(json.dumps(now | row.as_dict()))
            for one in down:
                typer.echo(json.dumps(now | {"endpoint": one.endpoint, "trouble": one.trouble}))
            return
        clock = time.strftime("%H:%M:%S")
        for row in rows:
            typer.echo(f"{clock}  {plain_line(row)}")
        for one in down:
            typer.echo(f"{clock}  {one.endpoint}  {one.trouble}")
