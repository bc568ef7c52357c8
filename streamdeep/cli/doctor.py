"""``streamdeep doctor``: what could be in the way of a first run, and the command that mends it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from streamdeep.cli.completion import sources
from streamdeep.cli.options import HeadFile, ModelFile
from streamdeep.cli.stopping import Stopping
from streamdeep.doctor.finding import Finding
from streamdeep.errors import StreamdeepError
from streamdeep.wire.security import DEFAULT_ENDPOINT

if TYPE_CHECKING:
    from rich.status import Status

    from streamdeep.encoder.contract import Contract

_COLOURS: Final = {"ok": "green", "look here": "yellow", "broken": "red"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    source: Annotated[
        str | None,
        typer.Argument(
            help="Also listen for 10 s to this: mic, mic:NAME, a file, an address.",
            autocompletion=sources,
        ),
    ] = None,
    model: ModelFile = None,
    head: HeadFile = None,
    connect: Annotated[
        str,
        typer.Option(envvar="STREAMDEEP_CONNECT", help="Where an engine publishes, or is to."),
    ] = DEFAULT_ENDPOINT,
    identity: Annotated[
        Path | None,
        typer.Option(envvar="STREAMDEEP_IDENTITY", help="Our .key_secret, if it encrypts."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON line per finding.")] = False,
) -> None:
    """Look at this machine, the model, and how a source sounds to it; a line per finding, with the command that mends it.

    Ends with 0 if nothing is broken, else with 1.

    Example: streamdeep doctor
    Example: streamdeep doctor mic
    """
    from streamdeep.doctor import installation, models
    from streamdeep.doctor.sound_cards import sound_cards

    with Stopping() as stopping:
        voice, clocks = _Voice(as_json=as_json), installation.Clocks()
        voice.tell(installation.python(), *installation.libraries(), installation.descriptors())
        microphone = source is not None and source.split(":")[0] == "mic"
        cards = sound_cards(needed=microphone)
        voice.tell(cards)
        with voice.at_work("asking who is at the address"):
            voice.tell(installation.address(connect, identity))
        with voice.at_work("loading the model"):
            found, loaded = models.model(model)
            voice.tell(found)
        if loaded is not None and not stopping.asked:
            voice.tell(models.head(head, loaded))
            with voice.at_work("compiling the front-end"):
                cache = installation.compiler_cache(loaded.contract.frontend)
            voice.tell(cache)
            if cache.state != "broken" and not stopping.asked:
                seconds = models.seconds_of_sound(loaded)
                with voice.at_work(f"measuring the speed: {seconds:.0f} s"):
                    voice.tell(models.speed(loaded, model))
        silent = source is None or (microphone and cards.state == "broken")
        if source is not None and not silent and loaded is not None and not stopping.asked:
            _listen(voice, source, loaded.contract, stopping)
        voice.tell(clocks.look())
    if stopping.asked:
        raise typer.Exit(130)
    raise typer.Exit(voice.end())


def _listen(voice: "_Voice", source: str, contract: "Contract", stopping: Stopping) -> None:
    from streamdeep.doctor.listening import LISTEN_S, listen

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} s"),
        console=voice.console,
        transient=True,
        disable=not voice.console.is_terminal,
    ) as progress:
        task = progress.add_task(f"listening to {escape(source)}: make the sounds you are after", total=LISTEN_S)  # fmt: skip
        try:
            findings = listen(
                source,
                contract,
                progress=lambda seconds: progress.update(task, completed=seconds),
                stopped=lambda: stopping.asked,
            )
        except StreamdeepError as error:
            findings = [Finding("sound", "broken", str(error), "streamdeep devices")]
    voice.tell(*findings)


class _Voice:
    """Lines for people on standard output, or JSON lines; what is at work on standard error."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._out = Console(highlight=False)
        self.console = Console(stderr=True, highlight=False, quiet=as_json)
        self._found: list[Finding] = []

    def at_work(self, what: str) -> "Status":
        """Show what takes a while, in a terminal."""
        return self.console.status(what)

    def tell(self, *findings: Finding) -> None:
        """One line each, and one more where something is to be done."""
        for one in findings:
            self._found.append(one)
            if self._json:
                line = {"check": one.check, "state": one.state, "message": one.message}
                typer.echo(json.dumps({**line, "fix": one.fix or None, **one.values}))
                continue
            self._out.print(
                f"[{_COLOURS[one.state]}]{one.state:<9}[/]  [bold]{one.check}[/]: {escape(one.message)}",
                soft_wrap=True,
            )
            if one.fix:
                self._out.print(f"           → {one.fix}", soft_wrap=True, markup=False)

    def end(self) -> int:
        """Sum up; the exit code."""
        broken, look = _named(self._found, "broken"), _named(self._found, "look here")
        if not self._json:
            told = [f"broken: {broken}"] if broken else ["nothing is broken"]
            told += [f"look at: {look}"] if look else []
            self._out.print("; ".join(told), soft_wrap=True)
        return 1 if broken else 0


def _named(findings: Iterable[Finding], state: str) -> str:
    return ", ".join(one.check for one in findings if one.state == state)
