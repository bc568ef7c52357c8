"""What a newcomer types with a microphone: ``doctor mic``, ``run mic --gain-db auto``, ``classify mic``."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from pulse import RATE_HZ, feeder
from test_own_engine import children_of, wait_until_gone
from test_system_microphone import running
from test_system_microphone import server as server
from tiny import LEVEL, tiny_content, tiny_model

from streamdeep.heads.writing import write_linear_head

pytestmark = pytest.mark.system
SPOKEN_DBFS = 20 * np.log10(3000 / 32768)
"""What the feeder says, and by how much that is above the loudest half of the model's training."""
GAIN_DB = -np.ceil(SPOKEN_DBFS - LEVEL.dbfs_quantiles[3])


@pytest.fixture
def model_path(tmp_path):
    path = tmp_path / "levels.onnx"
    path.write_bytes(tiny_content(level=LEVEL))
    return path


@pytest.fixture
def head_path(tmp_path):
    model = tiny_model(level=LEVEL)
    weights = np.random.default_rng(0).uniform(-1, 1, (2, model.contract.encoder.dim))
    path = tmp_path / "head.onnx"
    write_linear_head(path, weights, np.zeros(2), ("this", "that"), model.digest)
    return path


def visit(server, model_path, head_path):
    done = subprocess.run(
        [sys.executable, "-m", "streamdeep", "doctor", "mic", "--model", model_path, "--head", head_path, "--json"],
        env=server.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, {one["check"]: one for one in map(json.loads, done.stdout.splitlines())}


def test_the_doctor_listens_to_a_microphone_and_recommends_a_gain(server, model_path, head_path):
    with feeder(server.fifo):
        code, found = visit(server, model_path, head_path)
    assert code == 0, found
    assert found["sound cards"]["state"] == found["head"]["state"] == "ok"
    assert found["level"]["level_dbfs"] == pytest.approx(SPOKEN_DBFS, abs=1)
    assert found["level"]["gain_db"] == GAIN_DB
    assert found["level"]["fix"] == f"streamdeep run mic --gain-db {GAIN_DB:g}"


def test_the_doctor_finds_a_muted_microphone(server, model_path, head_path):
    with feeder(server.fifo) as speaker:
        speaker.silent = True
        code, found = visit(server, model_path, head_path)
    assert code == 1
    assert found["sound"]["state"] == "broken"
    assert found["sound"]["fix"].startswith("pactl set-source-mute")


def test_a_gain_is_found_from_what_a_microphone_hears(server, model_path):
    with (
        feeder(server.fifo),
        running(server.environment, "mic", model_path, "--gain-db", "auto") as engine,
    ):
        engine.receive_until(
            lambda: engine.events("gain") and len(engine.embeddings(1)) >= 3, "the next epoch"
        )
        ledger, _ = engine.end()
    (event,) = engine.events("gain")
    assert event["at_sample"] == 10 * RATE_HZ
    assert event["reason"] == f"{GAIN_DB:+g} dB from here on"
    assert {
        header.get("gain_db", 0.0) for header, _ in engine.of("embedding") if header["epoch"] == 1
    } == {GAIN_DB}
    assert (ledger["unaccounted"], ledger["gap_samples"]) == (0, 0)


def test_classify_mic_is_one_line(server, model_path, head_path):
    with feeder(server.fifo):
        program = subprocess.Popen(
            [sys.executable, "-m", "streamdeep", "classify", "mic", "--model", model_path, "--head", head_path],
            env=server.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        labels = [json.loads(program.stdout.readline()) for _ in range(5)]
        (engine,) = children_of(program.pid)
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=30)
    assert program.returncode == 0, err
    assert {one["label"] for one in labels} <= {"this", "that"}
    assert labels[0]["level_dbfs"] == pytest.approx(SPOKEN_DBFS, abs=1)
    assert "0 lost on the wire" in err
    wait_until_gone(engine)


def test_the_demo_runs_where_nothing_has_been_compiled_yet(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-m", "streamdeep", "demo", "--count", "1"],
        env=environment | {"XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "compiles the front-end" in done.stdout
    assert "unaccounted" in done.stdout
