"""Processes that say JSON lines: started, killed, frozen, and ended; what they said is kept."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Look until it is so.

    Raises:
        TimeoutError: it took too long.
    """
    deadline_s = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{what} took more than {seconds:g} s")
        time.sleep(0.02)


class Program:
    """One process; a thread reads what it says.

    Args:
        name: for people, and of the file that takes its standard error.
        command: program and arguments.
        folder: where that file lies.
        environment: None is ours.

    Attributes:
        lines: what it said so far, in order.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.lines: list[dict[str, Any]] = []
        self._error_path = folder / f"{name}.stderr"
        paths = os.pathsep.join([str(ROOT), str(ROOT / "trainer")])
        with self._error_path.open("ab") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env={**(environment or os.environ), "PYTHONPATH": paths},
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            if text.endswith(b"\n"):  # one that was killed may end in half a line
                self.lines.append(json.loads(text))

    def said(self, event: str) -> list[dict[str, Any]]:
        """All lines of one event."""
        return [line for line in list(self.lines) if line.get("event") == event]

    def wait_for(self, event: str, seconds: float = 60.0) -> dict[str, Any]:
        """The first line of this event."""

        def settled() -> bool:
            if not self.said(event) and self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended: {self._error_path.read_text()[-2000:]}")
            return bool(self.said(event))

        wait_until(settled, seconds, f"{self.name}: {event}")
        return self.said(event)[0]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self._join()

    def end(self, seconds: float = 60.0) -> int:
        """SIGTERM, and its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._join()
        return code

    def _join(self) -> None:
        self.process.wait()
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


def streamdeep(
    name: str,
    folder: Path,
    *arguments: object,
    environment: Mapping[str, str] | None = None,
    urgent: bool = False,
) -> Program:
    """A command of ours, saying JSON lines; ``urgent``: before other work of this machine, where that is allowed."""
    command = [sys.executable, "-m", "streamdeep", *map(str, arguments), "--json"]
    before = ["nice", "-n", "-10"] if urgent else []
    return Program(name, before + command, folder, environment)
