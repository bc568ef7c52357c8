"""``streamdeep watch`` beside a real publisher: a table, lines, a screen that a key ends."""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

import numpy as np
import pytest

from streamdeep.records import Embedding, Sound
from streamdeep.wire.kinds import ClockPoint, EmbeddingMessage
from streamdeep.wire.publisher import Publisher

DIGEST = bytes(range(32))


class Engine(threading.Thread):
    """Publishes like an engine and a classifier in one, ten times as fast, until it is told to stop."""

    def __init__(self, bind, streams=("hall", "yard")):
        super().__init__(daemon=True)
        self.publisher = Publisher(bind)
        self.streams = streams
        self.ending = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *reason):
        self.ending.set()
        self.join()

    def run(self):
        for stream in self.streams:
            self.publisher.announce(
                stream, digest=DIGEST, name="scene", dim=4, sample_rate_hz=1000, hop_samples=10, window_samples=20,
                segment_frames=50, segment_hop_frames=10, source_rate_hz=1000, source_channels=1,
                incremental=True, frontend_json="{}", version="0",
            )  # fmt: skip
        count = 0
        while not self.ending.is_set():
            for stream in self.streams:
                self.one(stream, count)
            self.publisher.service()
            count += 1
            self.ending.wait(0.1)
        self.publisher.close()

    def one(self, stream, count):
        embedding = Embedding(np.zeros(4, np.float32), 0, count * 100, 500, 1000, -20.0, -3.0)
        now_ns = time.monotonic_ns()
        self.publisher.publish_embedding(
            stream, embedding, model=DIGEST[:8], captured_monotonic_ns=now_ns - 2_000_000, stages_ns={}
        )  # fmt: skip
        about = EmbeddingMessage(
            stream=stream, session=bytes(16), sequence=0, published_utc_ns=0, published_monotonic_ns=0, epoch=0,
            start_sample=count * 100, n_samples=500, sample_rate_hz=1000, captured_utc_ns=0, latency_ns=0, stages_ns={},
            gap_samples=0, model=DIGEST[:8], level_dbfs=0.0, peak_dbfs=0.0, vector=np.zeros(4, np.float32),
        )  # fmt: skip
        sounds = [Sound("on", "dog", 0, count * 100, 0.9)]
        self.publisher.publish_label(
            about, head="scene", label="dog", probabilities={"dog": 0.9}, sounds=sounds
        )
        self.publisher.publish_status(
            stream, counters={"gap_samples": 0, "dropped": {}}, clock=ClockPoint(1, now_ns, 1, 1000),
            uptime_s=count / 10, live=True,
        )  # fmt: skip


def watching(*arguments, **options):
    command = [sys.executable, "-m", "streamdeep", "watch", *map(str, arguments)]
    return subprocess.Popen(command, text=True, **options)


@pytest.fixture
def endpoint(tmp_path):
    return f"ipc://{tmp_path}/engine"


def test_once_prints_a_table_and_ends(endpoint):
    with Engine(endpoint) as engine, watching("--connect", endpoint, "--once", stdout=subprocess.PIPE) as watch:  # fmt: skip
        out, _ = watch.communicate(timeout=30)
        assert engine.is_alive()
    assert watch.returncode == 0
    lines = out.splitlines()
    assert lines[0].startswith(f"● {endpoint}")
    assert lines[1].startswith("2 streams: 2 live; ")
    assert [line.split()[:2] for line in lines[3:]] == [["hall", "live"], ["yard", "live"]]
    assert all("dog 90%" in line and "scene" in line for line in lines[3:])


def test_json_lines_come_every_second_until_a_signal(endpoint):
    pipe = subprocess.PIPE
    with Engine(endpoint, ["hall"]), watching("--connect", endpoint, "--connect", f"{endpoint}-none", "--json", stdout=pipe, stderr=pipe) as watch:  # fmt: skip
        found = [json.loads(watch.stdout.readline()) for _ in range(4)]
        watch.send_signal(signal.SIGTERM)
        _, err = watch.communicate(timeout=10)
    assert (watch.returncode, err) == (0, "")
    rows = [line for line in found if "stream" in line]
    assert [row["stream"] for row in rows] == ["hall"] * 2
    assert rows[1]["time_utc_ns"] - rows[0]["time_utc_ns"] >= 900_000_000
    assert rows[1]["state"] == "live"
    assert rows[1]["embeddings_per_s"] == pytest.approx(10, rel=0.3)
    assert rows[1]["latency_p50_ms"] >= 2.0
    assert rows[1]["labels"][0]["label"] == "dog"
    down = [line for line in found if "endpoint" in line]
    assert all(line["endpoint"] == f"{endpoint}-none" and line["trouble"] for line in down)


def test_without_a_terminal_it_prints_plain_lines(endpoint):
    with Engine(endpoint, ["hall"]), watching("--connect", endpoint, stdout=subprocess.PIPE) as watch:  # fmt: skip
        line = watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        watch.communicate(timeout=10)
    assert watch.returncode == 0
    assert "  hall  live  age " in line
    assert "\x1b" not in line


@pytest.mark.parametrize("key", ["q", None])
def test_a_screen_shows_streams_and_ends_with_a_key_or_a_signal(endpoint, key):
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 100, 0, 0))
    before = termios.tcgetattr(terminal)
    environment = os.environ | {"TERM": "xterm-256color"}
    with Engine(endpoint), watching("--connect", endpoint, stdin=terminal, stdout=terminal, env=environment) as watch:  # fmt: skip
        shown = read_until(screen, b"yard", b"dog")
        if key:
            os.write(screen, key.encode())
        else:
            watch.send_signal(signal.SIGINT)
        rest = read_until(screen, b"\x1b[?1049l")  # the terminal's own screen is back
        assert watch.wait(timeout=10) == 0
    assert b"hall" in shown
    assert b"\x1b[?1049h" in shown
    assert b"Traceback" not in shown + rest
    assert termios.tcgetattr(terminal) == before
    os.close(screen)
    os.close(terminal)


def read_until(screen, *wanted, timeout_s=30):
    found = b""
    while not all(text in found for text in wanted):
        assert select.select([screen], [], [], timeout_s)[0], found[-500:]
        found += os.read(screen, 65_536)
    return found


def test_where_nobody_publishes_once_is_one_line(command, endpoint):
    code, out, err = command("watch", "--connect", endpoint, "--once", "--wait-s", 0.2)
    assert (code, out, err.count("\n")) == (69, "", 1)
    assert f"no stream within 0.2 s; {endpoint}: " in err


def test_help_has_a_runnable_example(command):
    code, out, _ = command("watch", "--help")
    assert code == 0
    assert "Example: streamdeep watch" in out
