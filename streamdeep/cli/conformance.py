"""``streamdeep conformance``: does a client in any language understand the wire?"""

import json
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Annotated, Final, Self

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamdeep.errors import ConfigurationError
from streamdeep.wire.conformance.case import Case, Moment
from streamdeep.wire.conformance.cases import LAST, all_cases
from streamdeep.wire.conformance.judge import Verdict, judge
from streamdeep.wire.conformance.player import Player
from streamdeep.wire.host import this_host

_START_S: Final = 30.0
_SILENCE_S: Final = 5.0
_LINE_MOST: Final = 65_536
_LINES_MOST: Final = 10_000


class _Client:
    """A client that was started here: its lines on standard output as they come.

    Raises:
        ConfigurationError: it cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
            )
        except OSError as error:
            raise ConfigurationError(f"cannot start {command[0]!r}: {error.strerror}") from error
        self.lines: list[str] = []
        self._news = threading.Event()
        self._ended = threading.Event()
        self._reader = threading.Thread(target=self._read, name="client", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)

    def has_ended(self) -> bool:
        return self._ended.is_set()

    def wait_for_silence(self) -> None:
        """Until it has printed the last case's line, has ended, or has printed nothing for 5 s."""
        while not self._ended.is_set():
            self._news.clear()
            if self.lines and f'"{LAST}"' in self.lines[-1]:
                return
            if not self._news.wait(_SILENCE_S):
                return

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with stream:
            while len(self.lines) < _LINES_MOST and (line := stream.readline(_LINE_MOST)):
                self.lines.append(line.decode(errors="replace"))
                self._news.set()
        self._ended.set()
        self._news.set()


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("conformance")(conformance)


def conformance(
    command: Annotated[
        list[str] | None,
        typer.Argument(help="After --: how to start the client; {endpoint} becomes the address."),
    ] = None,
    bind: Annotated[str, typer.Option(help="Where to play.")] = "tcp://127.0.0.1:*",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON line per case instead.")
    ] = False,
) -> None:
    """Play every kind of message, odd ones included, at a client, and judge what it prints.

    The client writes JSON lines as docs/conformance.md says; exit code 0 if all are right, else 1. Without a
    client to start, the cases are played once to whoever connects, and what a correct client prints is shown.

    Example: streamdeep conformance -- node clients/node/client.mjs {endpoint}
    """
    with Player(bind) as player:
        if not command:
            typer.echo(f"waiting on {player.endpoint} for a client that subscribes", err=True)
            player.wait_for_client(None, lambda: False)
            cases = _play(player)
            for case in cases:
                _show_expected(case, as_json=as_json)
            return
        with _Client([part.replace("{endpoint}", player.endpoint) for part in command]) as client:
            if not player.wait_for_client(_START_S, client.has_ended):
                why = "ended" if client.has_ended() else f"took more than {_START_S:.0f} s"
                raise ConfigurationError(
                    f"the client {why} before it had subscribed to status/; does it connect to {{endpoint}}?"
                )
            cases = _play(player)
            client.wait_for_silence()
        verdicts = judge(cases, client.lines)
    _show_verdicts(verdicts, as_json=as_json)
    if any(verdict.fault for verdict in verdicts):
        raise typer.Exit(1)


def _play(player: Player) -> list[Case]:
    cases = all_cases(Moment(host=this_host(), monotonic_ns=time.monotonic_ns()))
    if n_given_up := player.play(cases):
        typer.echo(f"{n_given_up} messages were not taken within 15 s", err=True)
    return cases


def _show_expected(case: Case, *, as_json: bool) -> None:
    lines = [
        dict(line.values) | ({} if line.age_s is None else {"age_s": line.age_s})
        for line in case.lines
    ]
    if as_json:
        about = {"case": case.name, "about": case.about, "refused": case.refused, "lines": lines}
        typer.echo(json.dumps(about))
        return
    typer.echo(f"\n{case.name}: {case.about}")
    if case.refused:
        typer.echo(f"  refused: {case.refused}")
    for line, values in zip(case.lines, lines, strict=True):
        typer.echo(f"  {json.dumps(values)}{'  (may be missing)' if line.optional else ''}")


def _show_verdicts(verdicts: Sequence[Verdict], *, as_json: bool) -> None:
    if as_json:
        for verdict in verdicts:
            found = {"case": verdict.case, "passed": not verdict.fault, "fault": verdict.fault}
            typer.echo(json.dumps(found))
        return
    table = Table()
    for column in ("case", "", "what is wrong"):
        table.add_column(column)
    for verdict in verdicts:
        result = Text("FAIL", "red") if verdict.fault else Text("pass", "green")
        table.add_row(verdict.case, result, Text(verdict.fault))
    Console().print(table)
    n_passed = sum(not verdict.fault for verdict in verdicts)
    typer.echo(f"{n_passed} of {len(verdicts)} passed")
