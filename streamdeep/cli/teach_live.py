"""``streamdeep teach`` on live streams: messages from one socket, orders from keys or from lines of JSON."""

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final

import typer
from rich.console import Console
from rich.live import Live

from streamdeep.cli.keyboard import Keyboard
from streamdeep.cli.teach_keys import Keys
from streamdeep.cli.teach_lesson import Lesson
from streamdeep.cli.teach_orders import LINE_LETTERS_MOST, Order, parse_order
from streamdeep.cli.teach_screen import as_dict, screen
from streamdeep.errors import ConfigurationError
from streamdeep.wire.subscriber import Subscriber

_KINDS: Final = ("embedding", "event", "model")
_LOOK_S: Final = 0.05
_SHOW_S: Final = 0.2
_LINES_MOST: Final = 10_000
_QUEUE: Final = 4096


class LiveTeaching:
    """Takes messages until it is told to end.

    Args:
        lesson: what is taught.
        connect: where engines publish.
        streams: only these; empty for all.
        identity: our ``.key_secret``, for engines that encrypt.
        asked_to_end: whether a signal came.
    """

    def __init__(
        self,
        lesson: Lesson,
        connect: Sequence[str],
        streams: Sequence[str],
        identity: Path | None,
        asked_to_end: Callable[[], bool],
    ) -> None:
        self._lesson = lesson
        self._asked_to_end = asked_to_end
        self._subscriber = Subscriber(
            connect, streams=streams, kinds=_KINDS, high_water_mark=_QUEUE, identity=identity
        )

    def by_keys(self, last_s: float) -> None:
        """With a screen and single keys, until `q` or a signal; what was said is saved at the end."""
        lesson, keys, said, shown_s = self._lesson, Keys(last_s), "", 0.0
        with (
            self._subscriber,
            Keyboard() as keyboard,
            Live(console=Console(), screen=True, auto_refresh=False) as live,
        ):
            while True:
                self._listen(_LOOK_S)
                now_s = time.monotonic()
                orders = keys.push(keyboard.pressed(), lesson.classes, now_s=now_s)
                if self._asked_to_end():
                    orders.append(Order(do="quit"))
                for order in orders:
                    said = self._done(order)
                lesson.relearn()
                if lesson.ended and (refused := self._kept_from_ending()):
                    said = refused
                if lesson.ended:
                    return
                if orders or now_s - shown_s > _SHOW_S:
                    shown_s = now_s
                    connections = self._subscriber.connections()
                    live.update(
                        screen(lesson, connections, said, keys.prompt, last_s), refresh=True
                    )

    def by_lines(self, file: IO[str]) -> None:
        """Orders from lines of JSON, a line of JSON for each, until its end, `quit` or a signal.

        Orders wait until something was heard; after the last one, the stretches that were named are heard out.

        Raises:
            ConfigurationError: the head could not be saved at the end.
        """
        lesson, lines = self._lesson, _Lines(file)
        with self._subscriber:
            while not (lesson.ended or self._asked_to_end()):
                self._listen(_LOOK_S)
                if lesson.stream is None:
                    continue
                while (line := lines.next()) is not None and not lesson.ended:
                    self._tell(line)
                if lines.ended and not lesson.teacher.waiting():
                    break
            lesson.teacher.flush()
            typer.echo(
                json.dumps({"event": "saved", "text": lesson.save(), "out": str(lesson.out)})
            )
            assert lesson.learnt is not None, "it was just learnt"
            typer.echo(json.dumps({"event": "learnt", **as_dict(lesson.learnt)}))

    def _listen(self, seconds: float) -> None:
        deadline_s = time.monotonic() + seconds
        while (left_s := deadline_s - time.monotonic()) > 0:
            message = self._subscriber.receive(left_s)
            if message is not None:
                self._lesson.take(message, now_ns=time.monotonic_ns())

    def _done(self, order: Order) -> str:
        try:
            return self._lesson.obey(order, now_ns=time.monotonic_ns())
        except ConfigurationError as error:
            return str(error)

    def _kept_from_ending(self) -> str:
        """Why not to end: what was said would be lost. Asked for once more, it ends."""
        lesson = self._lesson
        if not lesson.unsaved:
            return ""
        lesson.teacher.flush()
        try:
            lesson.save()
        except ConfigurationError as error:
            lesson.ended = lesson.unsaved = False
            return f"not saved: {error}; q once more ends without it"
        return ""

    def _tell(self, line: str) -> None:
        try:
            order = parse_order(line)
            text = self._lesson.obey(order, now_ns=time.monotonic_ns())
            typer.echo(json.dumps({"event": order.do, "text": text}))
        except ConfigurationError as error:
            typer.echo(json.dumps({"event": "refused", "text": str(error)}))


class _Lines:
    """Lines of a file as they come, read by a thread of their own; reading waits where too many wait already."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._waiting: deque[str] = deque()
        self._room = threading.Semaphore(_LINES_MOST)
        self._read = False
        # A daemon: nothing can interrupt it while it waits for a line that never comes.
        threading.Thread(target=self._run, name="orders", daemon=True).start()

    @property
    def ended(self) -> bool:
        """No line waits, and none will come."""
        return self._read and not self._waiting

    def next(self) -> str | None:
        """The next line, without waiting."""
        while self._waiting:
            line = self._waiting.popleft()
            self._room.release()
            if line.strip():
                return line
        return None

    def _run(self) -> None:
        try:
            while line := self._file.readline(LINE_LETTERS_MOST + 2):
                self._room.acquire()
                self._waiting.append(line)
        except (OSError, ValueError):
            sys.stderr.write("the orders cannot be read any further\n")
        self._read = True
