"""Both ends of a pipe: a process of the benchmark, and whoever started it. Neither outlives the other."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from types import TracebackType
from typing import Any, Self

from streamdeep.errors import StreamdeepError


class BenchError(StreamdeepError):
    """A process of the benchmark failed; with the last thing it said."""


class Child:
    """One of our own modules, running; a line of JSON on its standard output at a time.

    Args:
        module: below ``streamdeep.bench``.
        arguments: of its ``main``.
        limit_s: it is killed when it takes longer.
    """

    def __init__(self, module: str, *arguments: str, limit_s: float) -> None:
        self._name = module
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(  # noqa: S603 - ourselves, without a shell
            [sys.executable, "-m", f"streamdeep.bench.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            start_new_session=True,  # Ctrl-C is the parent's affair, which ends this one
        )
        self._watchdog = threading.Timer(limit_s, self._process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watchdog.cancel()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._words):
            assert pipe is not None
            pipe.close()

    def told(self) -> dict[str, Any]:
        """The next line.

        Raises:
            BenchError: it ended without one.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._failure()
        found: dict[str, Any] = json.loads(line)
        return found

    def _failure(self) -> BenchError:
        code = self._process.wait()
        self._words.seek(0)
        said = self._words.read().decode(errors="replace").strip().splitlines()
        failure = BenchError(
            said[-1] if said else f"{self._name} ended with {code} and said nothing"
        )
        failure.exit_code = code if code > 0 else 1
        return failure


def tell(**content: object) -> None:
    """To be called in the child: one line for the parent."""
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def end_with_the_parent() -> None:
    """To be called in the child: it ends at once when the parent does, however that came."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
