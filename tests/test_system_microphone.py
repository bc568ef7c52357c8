"""A real microphone path without hardware: PortAudio on PulseAudio, whose source is a FIFO that we fill.

What goes into the FIFO is what the microphone hears, sample by sample.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgpack
import numpy as np
import pytest
import zmq
from tiny import noise, tiny_model

from streamdeep.pipeline import Pipeline
from streamdeep.records import Block

pytestmark = pytest.mark.system

RATE_HZ = 8000


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} took more than {seconds} s"
        time.sleep(0.02)


@pytest.fixture
def fifo_microphone(tmp_path):
    """A private PulseAudio daemon with a FIFO as its default source: the environment, and the FIFO's path."""
    if shutil.which("pulseaudio") is None or shutil.which("pactl") is None:
        pytest.skip(
            "needs the Debian packages pulseaudio, pulseaudio-utils, libasound2-plugins, libportaudio2"
        )
    folder = tmp_path / "pulse"
    folder.mkdir(mode=0o700)
    server = f"unix:{folder}/native"
    environment = {
        **os.environ,
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "PULSE_RUNTIME_PATH": str(folder),
        "PULSE_STATE_PATH": str(folder / "state"),
        "PULSE_COOKIE": str(folder / "cookie"),
        "PULSE_SERVER": server,
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
    }
    fifo = folder / "microphone"
    daemon = subprocess.Popen(
        [
            "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes", "--use-pid-file=no",
            "--realtime=no", "--high-priority=no", f"--log-target=file:{folder}/log",
            "-L", f"module-native-protocol-unix auth-anonymous=1 socket={folder}/native",
            "-L", f"module-pipe-source source_name=fifo file={fifo} format=s16le rate={RATE_HZ} channels=1",
        ],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        wait_until(
            lambda: (
                subprocess.run(
                    ["pactl", "info"], env=environment, capture_output=True, check=False
                ).returncode
                == 0
            ),
            10,
            "PulseAudio's start",
        )
        subprocess.run(["pactl", "set-default-source", "fifo"], env=environment, check=True)
        yield environment, fifo
    finally:
        daemon.terminate()
        daemon.wait()


def test_a_microphone_is_embedded_sample_by_sample(fifo_microphone, model_path):
    environment, fifo = fifo_microphone
    command = [sys.executable, "-m", "streamdeep"]
    listed = subprocess.run(
        [*command, "devices", "--json"], env=environment, capture_output=True, text=True, check=True
    )
    assert "pulse" in {device["name"] for device in json.loads(listed.stdout)}

    with subprocess.Popen(
        [*command, "run", "mic:pulse", "--model", str(model_path), "--bind", "tcp://127.0.0.1:*", "--wait", "--json"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as engine, zmq.Context() as context, context.socket(zmq.SUB) as listener:  # fmt: skip
        line = engine.stdout.readline()
        assert line, engine.stderr.read()
        listener.setsockopt(zmq.SUBSCRIBE, b"")
        listener.connect(json.loads(line)["endpoint"])
        samples = (noise(4 * RATE_HZ) * 32767).astype("<i2")
        with fifo.open("wb") as microphone:
            wait_for_start(listener)
            # A second of silence behind it, so that no sound server's buffer keeps the end back.
            microphone.write(samples.tobytes() + bytes(2 * RATE_HZ))
            microphone.flush()
            vectors, headers = [], []
            expected = expected_for(samples)
            deadline = time.monotonic() + 20
            while len(vectors) < len(expected):
                assert listener.poll(20_000)
                assert time.monotonic() < deadline, (
                    f"{len(vectors)} of {len(expected)} embeddings came"
                )
                topic, header, payload = listener.recv_multipart()
                if topic.startswith(b"embedding/"):
                    vectors.append(payload)
                    headers.append(msgpack.unpackb(header))
        engine.send_signal(signal.SIGTERM)
        out, err = engine.communicate(timeout=20)
        assert engine.returncode == 0, err
    assert vectors == [record.vector.tobytes() for record in expected]
    assert [header["epoch"] for header in headers] == [0] * len(headers)
    ledger = json.loads(out.splitlines()[-1])
    assert ledger["unaccounted"] == ledger["in_flight"] == 0
    assert ledger["captured"] >= len(samples)


def wait_for_start(listener):
    """The engine says `start` when the capture is open; a source without a listener throws its sound away."""
    while listener.poll(20_000):
        if listener.recv_multipart()[0].startswith(b"event/"):
            return
    raise AssertionError("the engine did not start")


def expected_for(samples):
    pipeline = Pipeline(tiny_model(), RATE_HZ, 1)
    return pipeline.push(Block(samples.astype(np.float32) / np.float32(32768), 0))


def test_a_device_that_is_not_there_is_refused_with_the_list(fifo_microphone, model_path):
    environment, _ = fifo_microphone
    outcome = subprocess.run(
        [sys.executable, "-m", "streamdeep", "run", "mic:theremin", "--model", str(model_path)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert outcome.returncode == 66
    last = outcome.stderr.strip().splitlines()[-1]
    assert "mic:theremin is no input device" in last
    assert "'pulse'" in last
    assert "Traceback" not in outcome.stderr
