"""``streamdeep-train``: from sound files to a model file and a head, one command per step.

The commands are in the modules that are registered here. Mistakes are one line on standard
error and an exit code; Ctrl-C leaves a usable checkpoint and ends with 130. A command that had to do without
some clips names them, does its work, and ends with 66.
"""

import sys

import typer

from streamdeep.errors import ConfigurationError, StreamdeepError
from streamdeep_trainer import (
    compare_command,
    evaluate_commands,
    live_command,
    model_commands,
    robustness_command,
    shrink_command,
    spectrogram_commands,
    table_commands,
    training_commands,
    tune_command,
    wrap_command,
)
from streamdeep_trainer.writing import reason_of

_INTERRUPTED = 130

app = typer.Typer(
    help="Train a streaming audio encoder on your own sound and export it as one ONNX file.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for commands in (
    training_commands,
    model_commands,
    evaluate_commands,
    live_command,
    shrink_command,
    spectrogram_commands,
    table_commands,
    tune_command,
    compare_command,
    robustness_command,
    wrap_command,
):
    commands.register(app)


def main() -> None:
    """Run the program; a mistake is one line and an exit code."""
    try:
        app()
    except StreamdeepError as error:
        typer.echo(f"streamdeep-train: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        # a full disk, a folder that went away: nothing that a step foresaw
        where = f"{error.filename}: " if error.filename is not None else ""
        typer.echo(f"streamdeep-train: {where}{reason_of(error)}", err=True)
        sys.exit(ConfigurationError.exit_code)
    except SystemExit as stop:
        if stop.code == _INTERRUPTED:  # typer has caught the KeyboardInterrupt and said nothing
            typer.echo("streamdeep-train: interrupted; what was written is whole", err=True)
        raise
