"""One of our own programs as a second process, and its lines of JSON. Neither outlives the other.

    python -m streamdeep.cli.child ARGUMENTS...      what is started: the program, with a lifeline

The lifeline is its standard input, a pipe that nothing is ever written into. When the other end is closed, because
the parent asks for an end or because it died, however that came, the child sends itself SIGTERM and ends in order.
Signals of the terminal do not reach the child: Ctrl-C is the parent's affair.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from streamdeep.errors import StreamdeepError

END_LIMIT_S = 10.0
"""A child that takes longer to end is killed."""


class ChildError(StreamdeepError):
    """The other process failed; its own message says why, and its exit code is kept."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Child:
    """``streamdeep ARGUMENTS``, running.

    Args:
        arguments: of the program.

    Attributes:
        pid: the process.
    """

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - ourselves, without a shell
            [sys.executable, "-m", "streamdeep.cli.child", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._words: list[str] = []
        # Drained while it runs, or a full pipe would stop it.
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        self._words.extend(line.strip() for line in self._process.stderr if line.strip())

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def lines(self) -> Iterator[dict[str, Any]]:
        """What it prints, as it prints it."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield json.loads(line)

    def until_ready(self, tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Wait until it is ready, as an engine says it.

        Args:
            tell: told what it says before, such as that a first start compiles.

        Returns:
            The line that says so.

        Raises:
            ChildError: it ended before; with its message and exit code.
        """
        for line in self.lines():
            if line["event"] == "ready":
                return line
            tell(line)
        self.finish()
        raise ChildError("the engine ended before it was ready")

    def stop(self) -> None:
        """Ask it to end in order; once is enough."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def finish(self) -> None:
        """Wait for its end.

        Raises:
            ChildError: it failed; with the last thing it said.
        """
        code = self._process.wait()
        if code == 0:
            return
        self._reader.join()
        said = self._words[-1].removeprefix("streamdeep: ") if self._words else ""
        if code < 0:
            said = said or f"the other process was killed ({signal.strsignal(-code)})"
        raise ChildError(said or f"the other process ended with {code}", code if code > 0 else 1)

    def close(self) -> None:
        """Have it end, in order if it does that in time, and let go of its pipes."""
        self.stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_LIMIT_S)
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()


def _hold_the_lifeline() -> None:
    def wait() -> None:
        os.read(sys.stdin.fileno(), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


if __name__ == "__main__":
    from streamdeep.cli import main

    _hold_the_lifeline()
    main()
