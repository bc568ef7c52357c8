"""The clients in other languages: against the conformance test, and listening to a live engine."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from tiny import noise, tiny_model

from streamdeep.pipeline import Pipeline
from streamdeep.records import Block

pytestmark = pytest.mark.system

CLIENTS = Path(__file__).resolve().parents[1] / "clients"


def need(tool, package):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is missing: needs the Debian package {package}")


def need_library(*names, package):
    if all(
        subprocess.run(["pkg-config", "--exists", name], check=False).returncode for name in names
    ):
        pytest.skip(f"needs the Debian package {package}")


NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH")


def built(folder, *command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    said = done.stdout + done.stderr
    if done.returncode and any(f"code {code}" in said for code in NO_NETWORK):
        pytest.skip("npm's registry cannot be reached")
    assert done.returncode == 0, said


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    need("node", "nodejs")
    need("npm", "npm")
    folder = tmp_path_factory.mktemp("node")
    for name in ("client.mjs", "package.json", "package-lock.json"):
        shutil.copy(CLIENTS / "node" / name, folder)
    # zeromq's package holds its binaries: its install script, which may compile, is not needed.
    built(folder, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    return ["node", str(folder / "client.mjs")]


@pytest.fixture(scope="module")
def c(tmp_path_factory):
    need("cc", "gcc")
    need("make", "make")
    need("pkg-config", "pkg-config")
    need_library("libzmq", package="libzmq3-dev")
    need_library("msgpack", "msgpack-c", package="libmsgpack-c-dev (Debian 12: libmsgpack-dev)")
    folder = tmp_path_factory.mktemp("c")
    for name in ("client.c", "wire.h", "Makefile"):
        shutil.copy(CLIENTS / "c" / name, folder)
    built(folder, "make")
    return [str(folder / "client")]


@pytest.fixture(params=["node", "c"])
def client(request):
    return request.getfixturevalue(request.param)


def test_a_client_passes_the_conformance_test(client):
    command = [sys.executable, "-m", "streamdeep", "conformance", "--json", "--", *client]
    done = subprocess.run(
        [*command, "{endpoint}"], capture_output=True, text=True, timeout=120, check=False
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one for one in found if not one["passed"]] == []
    assert len(found) > 30
    assert done.returncode == 0, done.stderr


def test_a_client_gets_embeds_vectors_from_a_live_engine(client, tmp_path, model_path):
    sound_path = tmp_path / "sound.wav"
    soundfile.write(sound_path, noise(33_000), 11025, subtype="PCM_16")
    run = [sys.executable, "-m", "streamdeep", "run", sound_path, "--model", model_path]
    options = ["--stream", "room", "--bind", "tcp://127.0.0.1:*", "--pace", "max", "--json"]
    engine = subprocess.Popen([*run, *options], stdout=subprocess.PIPE, text=True)
    listener = None
    lines = []
    try:
        endpoint = json.loads(engine.stdout.readline())["endpoint"]
        listener = subprocess.Popen([*client, endpoint], stdout=subprocess.PIPE, text=True)
        stopped = False
        for text in listener.stdout:
            lines.append(json.loads(text))
            stopped = stopped or lines[-1].get("event") == "stop"
            if stopped and lines[-1]["kind"] == "status":
                break
        assert engine.wait(timeout=20) == 0
    finally:
        for process in filter(None, (engine, listener)):
            process.kill()
            process.wait()
            process.stdout.close()
    samples, rate_hz = soundfile.read(sound_path, dtype="float32", always_2d=True)
    pipeline = Pipeline(tiny_model(), rate_hz, 1)
    expected = pipeline.push(Block(samples, 0)) + pipeline.flush()
    found = [line for line in lines if line["kind"] == "embedding"]
    assert [line["sequence"] for line in found] == list(range(len(expected)))
    for line, record in zip(found, expected, strict=True):
        assert line["start_sample"] == record.start_sample
        assert line["n_samples"] == record.n_samples
        assert line["dim"] == len(record.vector)
        assert line["values"] == pytest.approx(record.vector[:3].tolist(), rel=1e-6)
        assert line["stream"] == "room"
        assert 0 <= line["age_s"] < 60
    assert {"embedding", "event", "model", "status"} <= {line["kind"] for line in lines}
    assert (lines[-1]["lost"], lines[-1]["refused"]) == (0, 0)
