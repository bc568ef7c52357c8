"""Subscribers behind the hub, in three languages: each a process, perhaps several lives one after the other."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.endurance.programs import ROOT, Program

NODE_FILES = ("client.mjs", "package.json", "package-lock.json")
C_FILES = ("client.c", "wire.h", "Makefile")


class Listener:
    """A subscriber that can be killed and started again.

    Attributes:
        name: its language.
        lives: its processes, in order.
    """

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name = name
        self._command, self._folder = command, folder
        self.lives: list[Program] = []
        self.start()

    @property
    def program(self) -> Program:
        """The one that runs."""
        return self.lives[-1]

    def start(self) -> None:
        """Begin a life."""
        self.lives.append(Program(self.name, self._command, self._folder))

    def has(self, kind: str, stream: str, sequence: int) -> bool:
        """Whether it received a message of at least this number."""
        return any(
            line.get("kind") == kind and line["stream"] == stream and line["sequence"] >= sequence
            for line in reversed(self.program.lines)
        )


def python_command(endpoint: str) -> list[str]:
    """Ours."""
    return [sys.executable, "-m", "bench.endurance.listener", endpoint]


def node_command(endpoint: str, folder: Path) -> list[str]:
    """``clients/node``, with its packages."""
    place = _copy("node", NODE_FILES, folder)
    _build(place, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    return ["node", str(place / "client.mjs"), endpoint]


def c_command(endpoint: str, folder: Path) -> list[str]:
    """``clients/c``, compiled."""
    place = _copy("c", C_FILES, folder)
    _build(place, "make")
    return [str(place / "client"), endpoint]


def _copy(language: str, names: tuple[str, ...], folder: Path) -> Path:
    place = folder / f"client-{language}"
    place.mkdir()
    for name in names:
        shutil.copy(ROOT / "clients" / language / name, place)
    return place


def _build(place: Path, *command: str) -> None:
    done = subprocess.run(
        command, cwd=place, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")


def by_topic(life: Program) -> dict[str, list[int]]:
    """Sequence numbers that a life received, by topic, in order."""
    found: dict[str, list[int]] = {}
    for line in list(life.lines):
        if "kind" in line:
            topic = f"{line['kind']}/{line['stream']}/"
            found.setdefault(topic, []).append(line["sequence"])
    return found


def claimed_lost(life: Program) -> int:
    """Messages that a Node or C client says it lost, over all streams."""
    newest: dict[str, Any] = {}
    for line in list(life.lines):
        if "lost" in line:
            newest[line["stream"]] = line["lost"]
    return sum(newest.values())
