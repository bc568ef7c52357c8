"""``streamdeep teach`` and ``similar`` as programs: between real processes, from files, with keys, and what they refuse."""

import json
import os
import pty
import select
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
from tiny import RATE_HZ, noise, tiny_content

from streamdeep.cli.teach_keys import Keys
from streamdeep.cli.teach_orders import parse_order
from streamdeep.errors import ConfigurationError
from streamdeep.teaching.headfile import load_taught


@pytest.fixture
def start():
    """Start programs; whatever still runs at the end is killed."""
    started = []

    def run(*arguments, **options):
        pipe = subprocess.PIPE
        options = {
            "stdin": subprocess.DEVNULL,
            "stdout": pipe,
            "stderr": pipe,
            "text": True,
        } | options
        command = [sys.executable, "-m", "streamdeep", *map(str, arguments)]
        started.append(subprocess.Popen(command, **options))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def sounds(kind, n_samples, seed):
    """Hiss, a low hum, or next to nothing."""
    random = np.random.default_rng(seed)
    time_s = np.arange(n_samples) / RATE_HZ
    hum = 0.3 * np.sin(2 * np.pi * 200 * time_s + random.uniform(0, 6))
    hiss = noise(n_samples, seed=seed)[:, 0]
    return {"hiss": hiss, "hum": hum + 0.01 * hiss, "unknown": 1e-3 * hiss}[kind]


@pytest.fixture
def clips(tmp_path):
    """Three short clips of each kind."""
    for kind in ("hiss", "hum", "unknown"):
        (tmp_path / "clips" / kind).mkdir(parents=True)
        for seed in range(3):
            path = tmp_path / "clips" / kind / f"{seed}.wav"
            soundfile.write(path, sounds(kind, 2 * RATE_HZ, seed), RATE_HZ)
    return tmp_path / "clips"


PLAN = ["hiss", "unknown", "hum", "unknown"] * 3 + ["hum", "hiss"]


@pytest.fixture
def sound_path(tmp_path):
    """Kinds in turn, two seconds each; the last two are not taught."""
    path = tmp_path / "turns.wav"
    parts = [sounds(kind, 2 * RATE_HZ, 10 + seed) for seed, kind in enumerate(PLAN)]
    soundfile.write(path, np.concatenate(parts), RATE_HZ, subtype="FLOAT")
    return path


def test_a_head_taught_live_runs_in_classify(start, tmp_path, model_path, sound_path):
    """Taught over the wire by one process, run over the wire by another, on sound that it was not taught."""
    teach_at, classify_at = f"ipc://{tmp_path}/a", f"ipc://{tmp_path}/b"
    orders = [
        {
            "do": "stretch",
            "label": kind,
            "start_sample": (2 * i) * RATE_HZ,
            "n_samples": 2 * RATE_HZ,
        }
        for i, kind in enumerate(PLAN[:-2])
    ]
    (tmp_path / "orders.jsonl").write_text("".join(json.dumps(one) + "\n" for one in orders))
    head, engine = tmp_path / "my-head.onnx", ("--model", model_path, "--stream", "room", "--json")
    teacher = start(
        "teach", "--connect", teach_at, "--out", head, "--script", tmp_path / "orders.jsonl", "--json"
    )  # fmt: skip
    start("run", sound_path, *engine, "--bind", teach_at, "--pace", "max", "--wait")
    out, err = teacher.communicate(timeout=60)
    assert teacher.returncode == 0, err
    told = [json.loads(line) for line in out.splitlines()]
    assert [line["event"] for line in told] == ["stretch"] * len(orders) + ["saved", "learnt"]
    assert told[-1]["labels"] == ["hiss", "hum", "unknown"]
    assert told[-1]["accuracy"] > 0.9

    classifier = start(
        "classify", "--head", head, "--connect", classify_at, "--json", "--until-stop",
        "--smoothing-s", 0, "--on", 0.5,
    )  # fmt: skip
    start("run", sound_path, *engine, "--bind", classify_at, "--pace", "max", "--wait")
    out, err = classifier.communicate(timeout=60)
    assert classifier.returncode == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    within = [  # segments that hold one kind alone
        line for line in lines
        if int(line["start_s"] // 2) == int((line["stop_s"] - 1e-3) // 2) >= len(PLAN) - 2
    ]  # fmt: skip
    assert len(within) > 10
    right = [line["decision"] == PLAN[int(line["start_s"] // 2)] for line in within]
    assert np.mean(right) > 0.9


def test_folders_teach_a_head_that_goes_on(command, clips, tmp_path, model_path):
    out, options = tmp_path / "h.onnx", ("--model", model_path, "--json")
    code, text, _ = command("teach", clips, "--out", out, *options)
    first = json.loads(text)
    assert (code, first["labels"], first["head"]) == (0, ["hiss", "hum", "unknown"], "h")
    assert [one["takes"] for one in first["classes"]] == [3, 3, 3]
    assert first["accuracy"] == 1.0
    soundfile.write(clips / "hum" / "3.wav", sounds("hum", 2 * RATE_HZ, 3), RATE_HZ)
    code, text, _ = command("teach", clips, "--head", out, *options)
    assert (code, [one["takes"] for one in json.loads(text)["classes"]]) == (0, [3, 4, 3])
    code, _, err = command("teach", clips, "--out", out, *options)
    assert (code, "--head" in err, err.count("\n")) == (78, True, 1)


def test_labels_teach_what_they_say_of_a_recording(command, sound_path, tmp_path, model_path):
    lines = [f"{2 * i}\t{2 * i + 2}\t{k}\n" for i, k in enumerate(PLAN) if k != "unknown"]
    (tmp_path / "l.txt").write_text("".join(lines))
    code, text, err = command(
        "teach", "--recording", sound_path, "--labels", tmp_path / "l.txt", "--rest-unknown",
        "--out", tmp_path / "h.onnx", "--model", model_path, "--json", "--without-examples",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(text)["labels"] == ["hiss", "hum", "unknown"]
    assert load_taught(tmp_path / "h.onnx")[1] is None


def test_what_cannot_be_taught_is_said_in_one_line(command, clips, tmp_path, model_path):
    model = ("--model", model_path)
    (tmp_path / "other.onnx").write_bytes(tiny_content(seed=1))
    head, out = tmp_path / "h.onnx", tmp_path / "new.onnx"
    assert command("teach", clips, "--out", head, *model)[0] == 0
    (tmp_path / "one" / "hum").mkdir(parents=True)
    (tmp_path / "l.txt").write_text("0\t1\thum\n")
    empty = tmp_path / "one" / "hum"
    clip = clips / "hum" / "0.wav"
    for arguments, code, words in (
        ((clips,), 78, "--out is needed"),
        ((clips, "--out", tmp_path / "h.txt"), 78, "must end in .onnx"),
        ((clips, "--out", "/proc/h.onnx"), 78, "cannot write"),
        ((clips, "--out", tmp_path / "l.txt" / "h.onnx"), 78, "cannot write"),
        ((tmp_path / "one", "--out", out), 66, "no sound files"),
        ((tmp_path / "nothing", "--out", out), 66, "cannot read the folder"),
        ((clips, "--head", head, "--model", tmp_path / "other.onnx"), 65, "teach another head"),
        ((clips, "--head", model_path, "--out", out), 65, "a head is needed"),
        ((clips, "--out", out, "--name", "Not A Name"), 78, "cannot name a head"),
        ((clips, "--out", out, "--labels", tmp_path / "l.txt"), 78, "belong together"),
        (("--recording", clip, "--labels", tmp_path / "l.txt", "--out", out), 78, "two are needed"),
        (("--class", "x" * 99, "--out", out), 78, "99 letters"),
    ):
        ended, _, err = command("teach", *(() if "--model" in arguments else model), *arguments)
        assert (ended, words in err, err.count("\n")) == (code, True, 1), err
    assert not any(empty.iterdir())
    assert not out.exists()
    soundfile.write(empty / "a.wav", sounds("hum", RATE_HZ, 0), RATE_HZ)
    assert command("teach", tmp_path / "one", "--out", out, *model)[0] == 78


def test_similar_sounds_are_found_in_tables_and_sounds_alike(command, clips, tmp_path, model_path):
    model, table = ("--model", model_path), tmp_path / "t.npz"
    assert command("embed", clips, "--out", table, *model, "--json")[0] == 0
    query = f"{clips}/hum/1.wav@1.0"
    found = {}
    for where in (table, clips):
        code, out, err = command("similar", query, where, "--n", 12, "--json", *model)
        assert code == 0, err
        found[where] = [json.loads(line) for line in out.splitlines()]
    names = [
        [(r["file"], r["start_sample"], r["similarity"]) for r in rows] for rows in found.values()
    ]
    assert names[0] == names[1]
    assert len(names[0]) == 12
    assert names[0][0][0] == f"{clips}/hum/1.wav"
    assert all("/hum/" in name for name, *_ in names[0])
    assert found[clips][0]["start_s"] < 1.0 < found[clips][0]["stop_s"]
    code, _, err = command("similar", query, table, clips, "--n", 1, *model)
    assert "1 more are exactly as near" in err
    (tmp_path / "bad.npz").write_bytes(b"PK")
    for arguments, code, words in (
        ((query, tmp_path / "bad.npz"), 66, "no table of embeddings"),
        ((f"{clips}/hum/1.wav@99", table), 66, "no segment at 99 s"),
        ((f"{clips}/hum/1.wav@x", table), 78, "stand seconds"),
        ((f"{tmp_path}/no.wav", table), 66, "no.wav"),
    ):
        ended, _, err = command("similar", *arguments, *model)
        assert (ended, words in err, err.count("\n")) == (code, True, 1), err


# --- keys and orders ---------------------------------------------------------------------------------------------


def done(orders):
    return [(one.do, one.label, one.negative) for one in orders]


def test_a_key_begins_and_once_more_ends():
    keys = Keys(3.0)
    assert done(keys.push("1", ["a", "b"], now_s=0.0)) == [("begin", "a", False)]
    assert keys.push("", ["a", "b"], now_s=5.0) == []
    assert done(keys.push("1", ["a", "b"], now_s=6.0)) == [("end", None, False)]
    assert done(keys.push("2", ["a", "b"], now_s=7.0)) == [("begin", "b", False)]
    assert done(keys.push("0", ["a", "b"], now_s=9.0)) == [("begin", "unknown", False)]
    assert keys.push("3x", ["a", "b"], now_s=9.1) == []


def test_a_key_that_is_held_ends_when_it_is_no_longer_repeated():
    keys = Keys(3.0)
    times = [0.0, 0.6, *np.arange(0.63, 2.0, 0.03)]
    assert [len(keys.push("1", ["a"], now_s=t)) for t in times] == [1] + [0] * (len(times) - 1)
    assert keys.push("", ["a"], now_s=2.1) == []
    assert done(keys.push("", ["a"], now_s=2.4)) == [("end", None, False)]
    assert keys.push("", ["a"], now_s=9.0) == []


def test_prefixes_text_and_mistakes():
    keys, classes = Keys(2.0), ["a"]
    assert done(keys.push("l1", classes, now_s=0)) == [("last", "a", False)]
    assert done(keys.push("r0", classes, now_s=0)) == [("relabel", "unknown", False)]
    assert done(keys.push("n1", classes, now_s=0)) == [("begin", "a", True)]
    assert done(keys.push("u", classes, now_s=1)) == [("end", None, False), ("undo", None, False)]
    assert keys.push("cdoog\x7f\x7fg", classes, now_s=2) == []
    assert "dog_" in keys.prompt
    assert done(keys.push("\r", classes, now_s=2)) == [("class", "dog", False)]
    assert keys.push("\x1b[A", classes, now_s=3) == []
    assert done(keys.push("q", classes, now_s=3)) == [("quit", None, False)]


@pytest.mark.parametrize(
    "line", ["", "[]", "{", '{"do":"fly"}', '{"do":"begin"}', '{"do":"stretch","label":"a"}', "[" * 5000,
             '{"do":"last","label":"a","seconds":NaN}', '{"do":"end","more":1}']
)  # fmt: skip
def test_what_is_no_order_is_refused_in_one_line(line):
    with pytest.raises(ConfigurationError) as refused:
        parse_order(line)
    assert "\n" not in str(refused.value)


def test_in_a_terminal_keys_name_what_is_heard(start, tmp_path, model_path, sound_path):
    """A real terminal, an engine in real time: begin and end by keys, the last seconds, save and end."""
    at, head = f"ipc://{tmp_path}/a", tmp_path / "h.onnx"
    ours, theirs = pty.openpty()
    teacher = start(
        "teach", "--connect", at, "--class", "hiss", "--class", "hum", "--out", head, "--last-s", 1,
        stdin=theirs, stdout=theirs, env=os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "40"},
    )  # fmt: skip
    os.close(theirs)
    shown, until_s = "", time.monotonic() + 60

    def see(text):
        nonlocal shown
        while text not in shown:
            assert time.monotonic() < until_s, shown[-2000:]
            if select.select([ours], [], [], 0.2)[0]:
                shown += os.read(ours, 65536).decode(errors="replace")
        shown = ""

    see("waiting for embeddings")
    start(
        "run", sound_path, "--model", model_path, "--stream", "room", "--bind", at,
        "--pace", "realtime", "--json",
    )  # fmt: skip
    see("room")
    os.write(ours, b"l2")
    see("hum: the last 1 s")
    os.write(ours, b"r0")
    see("the last naming is unknown")
    os.write(ours, b"1")
    see("naming: hiss")
    time.sleep(0.8)  # later than a held key would be repeated
    os.write(ours, b"1")
    see("ended")
    os.write(ours, b"q")
    while teacher.poll() is None:
        assert time.monotonic() < until_s
        if select.select([ours], [], [], 0.2)[0]:
            try:
                os.read(ours, 65536)
            except OSError:
                break
    os.close(ours)
    assert teacher.wait(timeout=20) == 0, teacher.stderr.read()
    meanings = [str(one) for one in load_taught(head)[1].takes.values()]
    assert meanings == ["unknown", "hiss"]
