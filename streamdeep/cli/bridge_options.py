"""What the bridges' commands share: options, and what they say."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="Say what happens as JSON lines.")]

Hosts = Annotated[
    list[str] | None,
    typer.Option("--host", help="A further name under which clients know this server; repeatable."),
]
TokenFile = Annotated[
    Path | None, typer.Option(help="Holds a token that clients must present; mode 0600.")
]
Insecure = Annotated[
    bool,
    typer.Option("--insecure", help="Allow a bind that other machines can reach, in clear text."),
]


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Have the first SIGINT or SIGTERM end a bridge in good order."""

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        # The second signal ends the program at once, as if there were no handler.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        stop()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)


class Voice:
    """What a bridge says: sentences on standard error, or JSON lines on standard output."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def note(self, event: str, message: str, **fields: Any) -> None:
        """Say a sentence; as JSON with a word for it, and further values."""
        if self._json:
            line = {"time_utc_ns": time.time_ns(), "event": event, "message": message, **fields}
            typer.echo(json.dumps(line))
        else:
            self._console.print(message, markup=False)
