"""An engine of one's own: ``streamdeep run`` in a second process, for ``classify SOURCE``.

A process and not a thread: drawing a table then never takes the interpreter from the frames, what runs is exactly
what ``run`` runs, and its exit code is ours. It publishes on a socket in a folder that only this user can enter: no port can
be taken, and nobody else can listen. It waits for the first subscriber, so no sound is missed.
"""

import contextlib
import json
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import typer
from rich.console import Console
from rich.markup import escape

from streamdeep.cli.child import Child
from streamdeep.errors import ConfigurationError

_QUIET = {"waiting", "ledger", "recorded", "audio_in"}
"""What the engine says that whoever listens knows already, or did not ask for."""


class OwnEngine:
    """The engine, from entering to leaving.

    Args:
        source: as of ``run``.
        options: further arguments of ``run``.
        note: told what the engine says, from a thread of its own.

    Attributes:
        endpoint: where it publishes.
        stopping: it was asked to end.

    Raises:
        ChildError: it did not come up; with its message and exit code.
    """

    def __init__(self, source: str, options: list[str], note: Callable[[str], None]) -> None:
        self._note = note
        self.stopping = False
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="streamdeep-"))
            # Windows has no such sockets.
            bind = f"ipc://{folder}/engine" if os.name == "posix" else "tcp://127.0.0.1:*"
            self._child = stack.enter_context(
                Child(
                    "run", "--bind", bind, "--wait", "--json", *options, "--", source,
                )
            )  # fmt: skip
            self.endpoint = str(self._child.until_ready(self._say)["endpoint"])
            self._relay = threading.Thread(target=self._relay_notes, daemon=True)
            self._relay.start()
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._child.stop()
        self._relay.join()  # until it has said its last
        self._stack.close()

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._child.ended

    def stop(self) -> None:
        """Ask it to end: what was captured is still published, and then that its stream has stopped."""
        self.stopping = True
        self._child.stop()

    def finish(self) -> None:
        """Have it end, and wait for that.

        Raises:
            ChildError: it failed; with its message and exit code.
        """
        self._child.stop()
        self._child.finish()

    def _relay_notes(self) -> None:
        with contextlib.suppress(json.JSONDecodeError, ValueError):  # a line cut off by its end
            for line in self._child.lines():
                self._say(line)

    def _say(self, line: dict[str, Any]) -> None:
        if "message" in line and line["event"] not in _QUIET:
            self._note(str(line["message"]))


def options_of(
    context: typer.Context,
    source: str | None,
    *,
    model: Path | None,
    gain: str | None,
    streams: list[str] | None,
) -> list[str]:
    """What the engine of a command with ``--connect`` is told; nothing without a source.

    Raises:
        ConfigurationError: options that contradict each other.
    """
    if source is None:
        if gain is not None:
            raise ConfigurationError(
                "--gain-db belongs to the engine: name a source to start one, or give it to `streamdeep run`"
            )
        return []
    if source == "-":
        raise ConfigurationError(
            "raw samples need an engine that is told what they are: `streamdeep run - --rate ...`, and "
            "`streamdeep classify` beside it"
        )
    given = context.get_parameter_source("connect")
    if given is not None and given.name == "COMMANDLINE":
        raise ConfigurationError(
            f"{source} starts an engine of its own, and --connect listens to another: leave one of them out"
        )
    if streams is not None and len(streams) > 1:
        raise ConfigurationError("one source is one stream; name one --stream")
    options = [] if model is None else ["--model", str(model)]
    options += [] if gain is None else ["--gain-db", gain]
    return options + (["--stream", streams[0]] if streams else [])


def engine_for(
    source: str | None, options: list[str], errors: Console
) -> contextlib.AbstractContextManager[OwnEngine | None]:
    """An engine of one's own for a source; none without."""
    if source is None:
        return contextlib.nullcontext()
    with errors.status(f"starting an engine for {escape(source)}"):
        return OwnEngine(
            source, options, lambda text: errors.print(text, markup=False, soft_wrap=True)
        )
