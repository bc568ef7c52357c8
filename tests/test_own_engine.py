"""``classify SOURCE``: one line starts an engine and ends it, however it ends itself."""

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from test_classify import start as start
from test_engine import expected_for
from tiny import noise, tiny_model

from streamdeep.cli.child import Child
from streamdeep.heads.writing import write_linear_head


@pytest.fixture
def head_path(tmp_path):
    weights = np.random.default_rng(0).uniform(-1, 1, (2, tiny_model().contract.encoder.dim))
    write_linear_head(
        tmp_path / "head.onnx", weights, np.zeros(2), ("this", "that"), tiny_model().digest
    )
    return tmp_path / "head.onnx"


@pytest.fixture
def classify(start, head_path, model_path):
    def run(*arguments):
        return start("classify", *arguments, "--head", head_path, "--model", model_path, "--json")

    return run


def children_of(pid):
    found = subprocess.run(
        ["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True, check=False
    )
    return [int(line) for line in found.stdout.split()]


def wait_until_gone(pid):
    deadline = time.monotonic() + 20
    while (
        Path(f"/proc/{pid}").exists() and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    ):
        assert time.monotonic() < deadline, f"process {pid} lives on"
        time.sleep(0.02)


def test_a_file_is_labelled_from_its_first_segment_to_its_last(classify, sound_path):
    labels, err = classify(sound_path, "--gain-db", "6").communicate(timeout=60)
    found = [json.loads(line) for line in labels.splitlines()]
    expected = expected_for(sound_path)
    assert [(one["start_sample"], one["n_samples"]) for one in found] == [
        (record.start_sample, record.n_samples) for record in expected
    ]
    for one, record in zip(found, expected, strict=True):
        assert one["level_dbfs"] == pytest.approx(record.level_dbfs + 6, abs=0.02)
    assert f"{len(found)} embeddings received, 0 lost" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_both_and_what_was_heard_is_labelled(classify, write_sound, number):
    program = classify(write_sound("long.wav", noise(8000 * 60)))
    first = json.loads(program.stdout.readline())
    (engine,) = children_of(program.pid)
    program.send_signal(number)
    rest, err = program.communicate(timeout=30)
    assert program.returncode == 0, err
    last = json.loads(rest.splitlines()[-1])
    assert last["sequence"] > first["sequence"]
    assert f"{last['sequence'] + 1} embeddings received, 0 lost" in err
    wait_until_gone(engine)


def test_an_engine_does_not_outlive_a_classifier_that_was_killed(classify, write_sound):
    program = classify(write_sound("long.wav", noise(8000 * 60)))
    assert program.stdout.readline()
    (engine,) = children_of(program.pid)
    program.kill()
    wait_until_gone(engine)


def test_an_engine_that_dies_is_said_and_ends_the_classifier(classify, write_sound):
    program = classify(write_sound("long.wav", noise(8000 * 60)))
    assert program.stdout.readline()
    (engine,) = children_of(program.pid)
    os.kill(engine, signal.SIGKILL)
    _, err = program.communicate(timeout=30)
    assert program.returncode == 1
    assert err.splitlines()[-1] == "streamdeep: the other process was killed (Killed)"


def test_what_the_engine_refuses_is_one_line_with_its_exit_code(classify, tmp_path):
    for source, code, words in (
        (tmp_path / "none.wav", 66, "there is no file"),
        ("mic:3000", 66, "mic"),
    ):
        program = classify(source)
        out, err = program.communicate(timeout=30)
        if code == 66 and "PortAudio library" in err:
            code = 69  # this machine has none
        assert (program.returncode, out) == (code, "")
        assert err.count("\n") == 1
        assert words in err or "PortAudio" in err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("mic", "--connect", "tcp://127.0.0.1:1"), "leave one of them out"),
        (("-",), "`streamdeep run - --rate ...`"),
        (("--gain-db", "6"), "name a source to start one"),
        (("mic", "--stream", "one", "--stream", "two"), "name one --stream"),
    ],
)
def test_options_that_contradict_each_other_are_refused(command, options, words):
    code, _, err = command("classify", *options)
    assert (code, err.count("\n")) == (78, 1)
    assert words in err


def test_a_child_is_not_reached_by_ctrl_c_in_the_terminal(write_sound, model_path):
    """A program in a terminal of its own presses Ctrl-C; its engine still publishes its last."""
    sound = write_sound("long.wav", noise(8000 * 60))
    program, terminal = pty.fork()
    if program == 0:
        with Child("run", str(sound), "--model", str(model_path), "--bind", "tcp://127.0.0.1:*", "--json") as child:  # fmt: skip
            lines = child.lines()
            next(lines)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.write(1, b"ready\n")
            os.read(0, 1)  # the test presses Ctrl-C, then Enter
            child.stop()
            child.finish()
            os.write(1, json.dumps(list(lines)[-1]).encode() + b"\n")
        os._exit(0)
    told = b""
    while b"ready" not in told:
        told += os.read(terminal, 1024)
    os.write(terminal, b"\x03\n")
    while b"ledger" not in told:
        told += os.read(terminal, 4096)
    assert os.waitpid(program, 0)[1] == 0
    os.close(terminal)
