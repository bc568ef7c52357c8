"""A service manager hears that a program is ready, that it lives while it works, and that it stops."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import soundfile
from tiny import noise, tiny_model

from streamdeep.audio.pcm import PcmSource
from streamdeep.cli.supervisor import Supervisor
from streamdeep.engine import Engine
from streamdeep.wire.publisher import Publisher

PERIOD_S = 0.25
PATIENCE_S = 20.0
"""How long one waits for what must come, on a busy machine."""
WATCHDOG = {"WATCHDOG_USEC": str(round(4e6 * PERIOD_S))}


class Manager:
    """The socket of a service manager, and what it was told."""

    def __init__(self, address):
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def environment(self, **more):
        return {"NOTIFY_SOCKET": self.address, **WATCHDOG, **more}

    def hear(self, timeout_s=PATIENCE_S):
        """The next message as a dictionary; None if none comes."""
        self._socket.settimeout(timeout_s)
        try:
            lines = self._socket.recv(4096).decode().splitlines()
        except TimeoutError:
            return None
        return dict(line.split("=", 1) for line in lines)

    def hear_all(self):
        """What has come so far."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.setblocking(False)
                found.append(self._socket.recv(4096).decode())
        return found

    def close(self):
        self._socket.close()


@pytest.fixture
def manager(tmp_path):
    with contextlib.closing(Manager(str(tmp_path / "notify"))) as found:
        yield found


@contextlib.contextmanager
def program(manager, *arguments, **environment):
    """A process that was started by this manager."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streamdeep", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **manager.environment(**environment)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()


@pytest.fixture
def long_sound(tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, noise(8000 * 120), 8000, subtype="PCM_16")
    return path


def test_an_engine_is_ready_alive_silent_while_it_hangs_and_then_stops(
    manager, model_path, long_sound
):
    with program(
        manager, "run", long_sound, "--model", model_path, "--bind", "tcp://127.0.0.1:*"
    ) as engine:
        first = manager.hear()
        assert first["READY"] == first["WATCHDOG"] == "1"
        assert first["STATUS"].startswith("1 stream, ")
        for _ in range(3):
            told = manager.hear()
            assert "READY" not in told
            assert told["WATCHDOG"] == "1"
        engine.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, engine.pid, os.WSTOPPED)
        manager.hear_all()
        assert manager.hear(4 * PERIOD_S) is None
        engine.send_signal(signal.SIGCONT)
        assert manager.hear()["WATCHDOG"] == "1"
        engine.send_signal(signal.SIGTERM)
        told = manager.hear()
        while "STOPPING" not in told:
            told = manager.hear()
        assert engine.wait(timeout=PATIENCE_S) == 0
    assert not any("READY" in text for text in manager.hear_all())


def test_an_engine_that_waits_for_its_first_listener_is_ready(manager, model_path, long_sound):
    arguments = ("run", long_sound, "--model", model_path, "--bind", "tcp://127.0.0.1:*", "--wait")
    with program(manager, *arguments):
        assert manager.hear()["READY"] == "1"
        assert manager.hear()["WATCHDOG"] == "1"


def test_an_engine_whose_source_cannot_be_had_is_never_ready(manager, model_path, tmp_path):
    with program(manager, "run", tmp_path / "none.wav", "--model", model_path) as engine:
        assert engine.wait(timeout=PATIENCE_S) == 66
    assert not any("READY" in text for text in manager.hear_all())


@pytest.mark.parametrize(
    "arguments", [("hub", "--bind", "tcp://127.0.0.1:*"), ("classify", "--json")]
)
def test_hub_and_classifier_are_ready_alive_and_stop(manager, arguments):
    with program(manager, *arguments, STREAMDEEP_CONNECT="tcp://127.0.0.1:9") as process:
        assert manager.hear()["READY"] == "1"
        assert manager.hear()["WATCHDOG"] == "1"
        process.send_signal(signal.SIGTERM)
        told = manager.hear()
        while "STOPPING" not in told:
            told = manager.hear()
        assert process.wait(timeout=PATIENCE_S) == 0


# --- what alive means ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def running(heartbeat):
    """An engine in a thread that is fed as much sound as one writes."""
    reader, writer = os.pipe()
    os.write(writer, bytes(2))  # an input without a single sample is an error
    with Publisher("tcp://127.0.0.1:*") as publisher:
        engine = Engine(tiny_model(), publisher, heartbeat=heartbeat)
        source = PcmSource(
            sample_format="s16le", sample_rate_hz=8000, n_channels=1, descriptor=reader
        )
        engine.add("a", source)
        thread = threading.Thread(target=engine.run)
        thread.start()
        try:
            yield engine, lambda samples: os.write(writer, samples.tobytes())
        finally:
            engine.stop()
            os.close(writer)
            thread.join()
            os.close(reader)


def eventually(condition):
    limit_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit_s
        time.sleep(0.01)


def test_a_hung_loop_has_no_heartbeat():
    beats, release, hung = [], threading.Event(), threading.Event()

    def hang():
        hung.set()
        release.wait()

    with running(lambda: beats.append(1)) as (engine, _):
        eventually(lambda: beats)
        engine.post(hang)
        assert hung.wait(PATIENCE_S)
        n_beats = len(beats)
        assert not release.wait(1.2)  # longer than it ever sleeps
        assert len(beats) == n_beats
        release.set()
        eventually(lambda: len(beats) > n_beats)


def test_rounds_that_leave_the_sound_where_it_is_are_no_life(monkeypatch):
    monkeypatch.setattr("streamdeep.engine.STALLED_S", 0.3)
    beats, n_turns = [], 0

    def turn(outlook, now_ns):
        nonlocal n_turns
        n_turns += 1
        time.sleep(0.005)
        return []

    with (
        running(lambda: beats.append(time.monotonic())) as (engine, write),
        monkeypatch.context() as broken,
    ):
        eventually(lambda: beats)
        broken.setattr(engine._rack, "turn", turn)
        write((1000 * noise(8000)).astype(np.int16))
        eventually(lambda: n_turns > 10 and time.monotonic() - beats[-1] > 0.5)
        n_then, n_beats = n_turns, len(beats)
        eventually(lambda: n_turns > n_then + 50)
        assert len(beats) == n_beats
        broken.undo()
        eventually(lambda: len(beats) > n_beats)


# --- what is told ----------------------------------------------------------------------------------------------


def test_without_a_manager_nothing_is_told_and_no_state_is_asked_for(monkeypatch):
    for address in ("", "relative", "/nowhere/at/all"):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        with Supervisor() as supervisor:
            supervisor.alive(lambda: pytest.fail("asked"))


@pytest.mark.skipif(sys.platform != "linux", reason="names outside the file system are Linux's")
def test_a_manager_may_listen_outside_the_file_system(monkeypatch):
    with contextlib.closing(Manager(f"@streamdeep-{secrets.token_hex(8)}")) as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
        with Supervisor() as supervisor:
            supervisor.alive(lambda: "well")
            assert manager.hear() == {"READY": "1", "WATCHDOG": "1", "STATUS": "well"}
        assert manager.hear() == {"STOPPING": "1"}


def test_a_manager_that_goes_away_ends_nothing(monkeypatch, tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    for name, value in manager.environment(WATCHDOG_USEC="1").items():
        monkeypatch.setenv(name, value)
    with Supervisor() as supervisor:
        supervisor.alive(lambda: "one\nline")
        assert manager.hear()["STATUS"] == "one line"
        manager.close()
        supervisor.alive(lambda: "two")
        for _ in range(1000):
            supervisor.alive(lambda: "more than a socket holds")


@pytest.mark.parametrize(
    ("environment", "n_told"),
    [
        ({"WATCHDOG_USEC": "4000"}, 2),
        ({"WATCHDOG_USEC": "4000", "WATCHDOG_PID": "1"}, 1),  # another process is watched
        ({"WATCHDOG_USEC": "soon"}, 1),
        ({"WATCHDOG_USEC": "0"}, 1),
    ],
)
def test_it_is_told_four_times_as_often_as_the_watchdog_asks(
    monkeypatch, tmp_path, environment, n_told
):
    manager = Manager(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with contextlib.closing(manager), Supervisor() as supervisor:
        supervisor.alive(lambda: "first")
        supervisor.alive(lambda: "too soon")
        time.sleep(0.002)
        supervisor.alive(lambda: "second")
        told = manager.hear_all()
    assert len(told) == n_told
