"""Help that says what was written: in ours, brackets are brackets and no markup of rich's."""

from typing import Any

from rich.markup import escape


def literal(command: Any) -> None:
    """Have a command, its options and all below it shown as they were written.

    rich would take ``[default: 1]`` and ``[[streams]]`` for styles that it does not know, and leave them out.

    Args:
        command: as typer makes it, not yet run.
    """
    command.help = command.help and escape(command.help)
    for parameter in command.params:
        if getattr(parameter, "help", None):
            parameter.help = escape(parameter.help)
    for below in getattr(command, "commands", {}).values():
        literal(below)
