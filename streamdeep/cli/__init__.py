"""The commands a user types; the only place that prints.

One module per command. Bad input ends in one line on standard error and an exit code after ``sysexits.h``
(see :mod:`streamdeep.errors`); a wrong option ends with 2, an interrupt with 130.
"""

import os
import sys
from importlib import import_module

import typer

from streamdeep import __version__
from streamdeep.cli.completion import command_line
from streamdeep.cli.help import literal
from streamdeep.errors import StreamdeepError

app = typer.Typer(
    name="streamdeep",
    help="Streaming real-time audio embeddings: sound in, an embedding per segment out over ZeroMQ.\n\n"
    "Start with: streamdeep demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"streamdeep {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    pass


COMMANDS = (
    "demo", "run", "classify", "watch", "dashboard", "teach", "similar", "embed", "record", "replay", "recordings", "report",
    "inspect", "devices", "send",
    "keys", "hub", "streams", "bridge", "bench", "conformance", "doctor",
)  # fmt: skip
"""Each is a module beside this one, and adds the command or commands of its name to ``app``."""


def _register() -> None:
    # Only what is asked for is imported: what runs for months should not hold all that the others need.
    named = [word for word in (command_line() or sys.argv)[1:2] if word in COMMANDS]
    for name in named or COMMANDS:
        import_module(f"streamdeep.cli.{name}").register(app)


def main() -> None:
    """Entry point of the program ``streamdeep``."""
    _register()
    command = typer.main.get_command(app)
    literal(command)
    try:
        command()
    except StreamdeepError as error:
        typer.echo(f"streamdeep: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output has gone, as `| head` does; there is nobody left to tell.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - or Python complains while it closes it
        sys.exit(141)
