"""The run: everything is started, goes through its faults, and is ended; then its books are read."""

import contextlib
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.endurance import listeners
from bench.endurance.broker import Broker
from bench.endurance.faults import FILE_ENDS_AT, inject, plan
from bench.endurance.listeners import Listener
from bench.endurance.programs import Program, streamdeep, wait_until
from bench.endurance.resources import Resources, resources
from bench.endurance.sounds import STREAMS, Microphone, Radio, Sender, Site, free_port
from bench.endurance.witness import Witness

HUB_QUEUE = 16
SETTLED_AT = 0.10
"""When the engine's resources are looked at first, as a part of the run: all streams are there."""


class Show:
    """All processes of a run; a context, which leaves none behind.

    Args:
        folder: empty; everything is written there.
        length_s: of the run.

    Attributes:
        hubs: every life of the hub.
        looks: the engine's resources, once a second.
        ended: exit codes of what was ended with SIGTERM.
    """

    def __init__(self, folder: Path, length_s: float) -> None:
        self.folder, self.length_s = folder, length_s
        self.hubs: list[Program] = []
        self.looks: list[Resources] = []
        self.ended: dict[str, int] = {}
        self.sender_ledger: dict[str, Any] = {}
        self.witness_books: dict[str, int] = {}
        self.faults = plan()
        self._began_s = time.monotonic()
        self._to_close: list[Callable[[], object]] = []

    @property
    def at_s(self) -> float:
        """Seconds since everything runs."""
        return time.monotonic() - self._began_s

    @property
    def hub(self) -> Program:
        """The one that runs."""
        return self.hubs[-1]

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """All subscribers behind the hub that say what they receive."""
        return self.python, self.node, self.c

    def __enter__(self) -> "Show":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for close in reversed(self._to_close):
            with contextlib.suppress(Exception):
                close()

    def _start(self) -> None:
        folder, length_s = self.folder, self.length_s
        # Built first: nothing else may wait for a compiler.
        self._hub_endpoint = f"tcp://127.0.0.1:{free_port()}"
        node = listeners.node_command(self._hub_endpoint, folder)
        c = listeners.c_command(self._hub_endpoint, folder)
        self.microphone = self._closing(Microphone(folder))
        self.radio = Radio(folder)
        self._killing(lambda: [self.radio.program])
        self.broker = self._closing(Broker(folder))
        self.site = Site(
            folder, self.radio.address, first_s=FILE_ENDS_AT * length_s, second_s=2 * length_s
        )
        self.engine = streamdeep(
            "engine", folder, "run", "--config", self.site.path, "--record", folder / "recordings",
            "--bind", "tcp://127.0.0.1:*", "--audio-in", "tcp://127.0.0.1:*",
            environment=self.microphone.environment, urgent=True,
        )  # fmt: skip
        self._killing(lambda: [self.engine])
        ready = self.engine.wait_for("ready")
        self.endpoint, hub = ready["endpoint"], self._hub_endpoint
        self.python = Listener("python", listeners.python_command(hub), folder)
        self._killing(lambda: self.python.lives)
        self.node = Listener("node", node, folder)
        self._killing(lambda: self.node.lives)
        self.c = Listener("c", c, folder)
        self._killing(lambda: self.c.lives)
        self.bridge = streamdeep(
            "bridge", folder, "bridge", "mqtt", "--broker", f"mqtt://127.0.0.1:{self.broker.port}",
            "--connect", hub, "--embeddings", "json",
        )  # fmt: skip
        self._killing(lambda: [self.bridge])
        self.bridge.wait_for("connected")
        self.python.program.wait_for("ready")
        self.sender = Sender(folder, ready["audio_in"], 2 * length_s)
        self._killing(lambda: [self.sender.program])
        # The sound begins when somebody listens: when all the others have done what takes time.
        self.witness = Witness(self.endpoint)
        self.start_hub()
        self._killing(lambda: self.hubs)
        wait_until(lambda: set(self.witness.embeddings) == set(STREAMS), 60, "all streams")
        self._began_s = time.monotonic()

    def _closing(self, part: Any) -> Any:
        self._to_close.append(part.close)
        return part

    def _killing(self, programs: Callable[[], list[Program]]) -> None:
        self._to_close.append(
            lambda: [found.kill() for found in programs() if found.process.poll() is None]
        )

    def start_hub(self) -> None:
        """Begin a life of the hub, at the address it had."""
        self.hubs.append(
            streamdeep(
                "hub", self.folder, "hub", "--connect", self.endpoint, "--bind", self._hub_endpoint,
                "--queue", HUB_QUEUE,
            )
        )  # fmt: skip
        self.hub.wait_for("ready")

    def go_through(self) -> None:
        """Let it run, and every fault happen."""
        waiting = sorted(self.faults, key=lambda fault: fault.at)
        threads, look_s = [], SETTLED_AT * self.length_s
        while self.at_s < self.length_s:
            if waiting and self.at_s >= waiting[0].at * self.length_s:
                threads.append(inject(waiting.pop(0), self))
            if self.at_s >= look_s:
                self.looks.append(resources(self.engine.process.pid, self.at_s))
                look_s = self.at_s + 1
            time.sleep(0.05)
        for thread in threads:
            thread.join(120)
        self.looks.append(resources(self.engine.process.pid, self.at_s))

    def end(self) -> None:
        """End all, from the sound to the listeners; nobody goes before the last message has come."""
        self.sender_ledger = self.sender.end()
        self.ended["sender"] = self.sender_ledger["exit_code"]
        self.ended["engine"] = self.engine.end()
        self.witness_books = self.witness.close()
        for listener in self.listeners:
            # What does not come is missing in the books, and shows there.
            with contextlib.suppress(TimeoutError):
                wait_until(
                    lambda listener=listener: self._all_came(listener), 15, "the last status"
                )
        time.sleep(1.0)  # the bridge's confirmations
        self.ended["bridge"] = self.bridge.end()
        self.ended["python"] = self.python.program.end()
        self.ended["hub"] = self.hub.end()
        for listener in (self.node, self.c):
            listener.program.process.send_signal(signal.SIGTERM)
            listener.program.kill()

    def _all_came(self, listener: Listener) -> bool:
        return all(
            listener.has("status", stream, self.witness.published[f"status/{stream}/"] - 1)
            for stream in STREAMS
        )


def run_show(folder: Path, length_s: float) -> dict[str, Any]:
    """Everything, and what came of it."""
    from bench.endurance.accounts import account
    from bench.endurance.replays import replay_all

    folder.mkdir(parents=True, exist_ok=True)
    with Show(folder, length_s) as show:
        print(f"everything runs, for {length_s:g} s; files in {folder}", file=sys.stderr)
        show.go_through()
        show.end()
        print("ended; every recording is replayed", file=sys.stderr)
        found = account(show)
    found["replays"] = replay_all(show.witness, show.engine.said("recorded"), folder)
    return found
