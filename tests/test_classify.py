"""``streamdeep classify`` between real processes: what it publishes and writes is what was decided."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgpack
import numpy as np
import pytest
import soundfile
import zmq
from tiny import RATE_HZ, noise, tiny_content, tiny_model

from streamdeep.cli.classify_settings import settings_from
from streamdeep.heads.decision import Decider
from streamdeep.heads.scores import Scores
from streamdeep.heads.settings import DecisionSettings
from streamdeep.heads.smoothing import Smoother
from streamdeep.heads.writing import write_linear_head
from streamdeep.pipeline import Pipeline
from streamdeep.records import Block

PLAN = {"smoothing_s": 0.3, "on": 0.6, "off": 0.45, "min_on_s": 0.2, "min_off_s": 0.1}


def started_programs():
    """Start programs; whatever still runs at the end is killed."""
    started = []

    def run(*arguments):
        pipe = subprocess.PIPE
        command = [sys.executable, "-m", "streamdeep", *map(str, arguments)]
        started.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


start = pytest.fixture(started_programs)
start_for_all = pytest.fixture(started_programs, scope="module")


@pytest.fixture
def sound_path(tmp_path):
    """Noise and near silence, a second each in turn; it ends in noise."""
    path = tmp_path / "sound.wav"
    loud = noise(7 * RATE_HZ)
    loud[(np.arange(len(loud)) // RATE_HZ) % 2 == 1] *= 1e-3
    soundfile.write(path, loud, RATE_HZ, subtype="PCM_16")
    return path


def embeddings(path):
    samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    pipeline = Pipeline(tiny_model(), RATE_HZ, 1)
    return [*pipeline.push(Block(samples, 0)), *pipeline.flush()]


@pytest.fixture
def head(tmp_path, sound_path):
    """Tells loud from quiet."""
    found = embeddings(sound_path)
    vectors = np.stack([one.vector for one in found]).astype(np.float64)
    loud = np.array([one.level_dbfs for one in found]) > -20
    direction = vectors[loud].mean(axis=0) - vectors[~loud].mean(axis=0)
    direction *= 8.0 / (direction @ direction)
    middle = (vectors[loud].mean(axis=0) + vectors[~loud].mean(axis=0)) / 2
    return write_linear_head(
        tmp_path / "head.onnx",
        np.stack((direction, np.zeros_like(direction))),
        np.array([-direction @ middle, 0.0]),
        ("loud", "unknown"),
        tiny_model().digest,
    )


def decided(head, path):
    """Every embedding and what begins or ends with it, without any process."""
    decider = Decider(DecisionSettings(**PLAN).thresholds(head.contract.labels))
    smoother, changes = Smoother(PLAN["smoothing_s"]), []
    for one in embeddings(path):
        chances = head.probabilities(one.vector[None])[0].astype(np.float64)
        scores = Scores(one.start_sample, one.n_samples, one.sample_rate_hz, chances)
        changes += decider.push(smoother.push([scores]))
    return changes + decider.flush("stop")


def listen(endpoint):
    """A subscriber that knows only pyzmq, and is connected when this returns."""
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"label/")
    monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    socket.connect(endpoint)
    assert monitor.poll(20_000)
    socket.disable_monitor()
    monitor.close()
    return socket


def received(socket, n_most=10_000, timeout_ms=20_000):
    while n_most and socket.poll(timeout_ms):
        topic, header, payload = socket.recv_multipart()
        yield topic.decode(), msgpack.unpackb(header) | msgpack.unpackb(payload)
        n_most -= 1


def changes_in(messages):
    return [
        (s["state"], s["label"], s["start_sample"], s["n_samples"], s["reason"])
        for _, message in messages
        for s in message["sounds"]
        if s["state"] != "on"
    ]


def options(plan):
    names = {key: f"--{key.replace('_', '-')}" for key in plan}
    return [part for key, value in plan.items() for part in (names[key], value)]


def test_what_is_published_and_written_is_what_was_decided(
    start, tmp_path, sound_path, model_path, head
):
    engine_at, labels_at = f"ipc://{tmp_path}/engine", f"ipc://{tmp_path}/labels"
    outs = [tmp_path / f"sounds{suffix}" for suffix in (".txt", ".csv", ".jsonl")]
    classifier = start(
        "classify", "--head", tmp_path / "head.onnx", "--connect", engine_at,
        "--publish", labels_at, "--until-stop", *options(PLAN),
        *(part for out in outs for part in ("--out", out)),
    )  # fmt: skip
    assert labels_at in classifier.stderr.readline()
    socket = listen(labels_at)
    engine = start(
        "run", sound_path, "--model", model_path, "--bind", engine_at, "--stream", "room",
        "--pace", "max", "--json",
    )  # fmt: skip
    expected = decided(head, sound_path)
    assert len(expected) >= 6
    assert expected[-1].reason == "stop"
    found = []
    for topic, message in received(socket):
        found.append((topic, message))
        if len(changes_in(found)) == len(expected):
            break
    socket.close(0)
    out, err = classifier.communicate(timeout=20)
    assert (classifier.returncode, engine.wait(timeout=20)) == (0, 0), err

    assert {topic for topic, _ in found} == {"label/room/scene/"}
    assert [message["sequence"] for _, message in found] == list(range(len(found)))
    assert len({message["session"] for _, message in found}) == 1
    assert changes_in(found) == [
        (s.state, s.label, s.start_sample, s.n_samples, s.reason) for s in expected
    ]
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["decision"] for line in lines] == [m["label"] for _, m in found][:-1]
    assert {line["decision"] for line in lines} == {"loud", "unknown"}
    # What an engine says of novelty is what a pipeline of its own would, to the bit.
    assert [line["novelty"] for line in lines] == [one.novelty for one in embeddings(sound_path)]
    assert (
        {type(line["novel"]) for line in lines}
        == {type(line["drifting"]) for line in lines}
        == {bool}
    )
    for line, (_, message) in zip(lines, found[:-1], strict=True):
        for key in ("novelty", "novelty_rate", "novel", "drifting"):
            assert line[key] == message[key]
        assert line["start_sample"] == message["start_sample"]
        assert [sound["state"] for sound in line["sounds"]] == [
            sound["state"] for sound in message["sounds"]
        ]

    ends = [sound for sound in expected if sound.state == "end"]
    text, table, events = (out.read_text().splitlines() for out in outs)
    assert text == [
        f"{s.start_sample / RATE_HZ:.6f}\t{s.stop_sample / RATE_HZ:.6f}\tloud" for s in ends
    ]
    assert len(table) == 1 + len(ends)
    told = [json.loads(line) for line in events]
    assert [(t["event"], t["start_sample"], t["n_samples"]) for t in told] == [
        (s.state, s.start_sample, s.n_samples) for s in expected
    ]


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """Ten minutes of noise, a model, and a head that hears it all as one class."""
    folder = tmp_path_factory.mktemp("long")
    soundfile.write(folder / "long.wav", noise(RATE_HZ * 600), RATE_HZ)
    (folder / "tiny.onnx").write_bytes(tiny_content())
    bias = np.array([5.0, 0.0])
    write_linear_head(
        folder / "hum.onnx", np.zeros((2, 63)), bias, ("hum", "b"), tiny_model().digest
    )
    return folder


def an_engine(start, folder, bind):
    """On this noise, in real time."""
    return start(
        "run", folder / "long.wav", "--model", folder / "tiny.onnx", "--bind", bind, "--stream", "room", "--json"
    )  # fmt: skip


@pytest.fixture(scope="module")
def engine(start_for_all, long):
    """One for several tests, and where it publishes."""
    bind = f"ipc://{long}/engine"
    return an_engine(start_for_all, long, bind), bind


@pytest.fixture
def running(start, tmp_path, long, engine):
    """An engine, and a classifier that has heard something of it."""
    process, engine_at = engine
    labels_at, out = f"ipc://{tmp_path}/labels", tmp_path / "sounds.jsonl"
    classifier = start(
        "classify", "--head", long / "hum.onnx", "--connect", engine_at,
        "--publish", labels_at, "--out", out, "--smoothing-s", "0",
    )  # fmt: skip
    classifier.stderr.readline()
    assert json.loads(classifier.stdout.readline())["decision"] == "hum"
    return process, classifier, labels_at, out


def told_in(out):
    return [json.loads(line) for line in out.read_text().splitlines()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_what_goes_on_in_order(running, number):
    _, classifier, _, out = running
    assert [line["event"] for line in told_in(out)] == ["start"]
    classifier.send_signal(number)
    _, err = classifier.communicate(timeout=10)
    assert classifier.returncode == 0
    assert [(line["event"], line["reason"]) for line in told_in(out)] == [
        ("start", ""),
        ("end", "closed"),
    ]
    assert "0 lost on the wire" in err


def test_a_joiner_hears_from_one_message_what_goes_on(running):
    process, classifier, labels_at, out = running
    process.send_signal(signal.SIGSTOP)  # from now on nothing new can be said
    try:
        while classifier.stdout in select(classifier.stdout):
            os.read(classifier.stdout.fileno(), 65_536)
        socket = listen(labels_at)
        ((_, message),) = received(socket, 1)
        socket.close(0)
    finally:
        process.send_signal(signal.SIGCONT)
    assert message["flags"] & 32
    assert message["label"] == "hum"
    (sound,) = message["sounds"]
    assert sound["state"] in ("start", "on")
    assert sound["start_sample"] == told_in(out)[0]["start_sample"]


def select(stream, timeout_s=1.0):
    import select as operating_system

    return operating_system.select([stream], [], [], timeout_s)[0]


def test_an_engine_that_was_killed_ends_its_sounds(start, tmp_path, long):
    bind, out = f"ipc://{tmp_path}/engine", tmp_path / "sounds.jsonl"
    process = an_engine(start, long, bind)
    config = tmp_path / "classify.toml"
    config.write_text(
        f'head = "{long}/hum.onnx"\nconnect = ["{bind}"]\nout = ["{out}"]\n'
        "[decision]\nhold_s = 0.5\n"
    )
    classifier = start("classify", "--config", config)
    classifier.stdout.readline()
    process.kill()
    while not (told := told_in(out)) or told[-1]["reason"] != "silent":
        assert classifier.poll() is None
        select(classifier.stdout, 0.1)
    classifier.send_signal(signal.SIGTERM)
    classifier.communicate(timeout=10)
    assert classifier.returncode == 0


def test_who_waits_for_an_engine_that_does_not_run_is_told_how_to_start_one(start, tmp_path):
    classifier = start("classify", "--connect", f"ipc://{tmp_path}/nobody")
    told = classifier.stderr.readline()
    classifier.terminate()
    _, rest = classifier.communicate(timeout=10)
    assert told.startswith(f"nothing yet from ipc://{tmp_path}/nobody")
    assert "`streamdeep run mic`" in told
    assert "nothing yet" not in rest  # once is enough
    assert classifier.returncode == 0


def test_a_head_that_is_not_there_is_called_a_head(command):
    code, _, err = command("classify", "--head", "gone.onnx")
    assert code == 65
    assert err.startswith("streamdeep: cannot read the head gone.onnx: No such file")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--on", "2"], "decision.on"),
        (["--on", "0.3", "--off", "0.4"], "off 0.4 lies above on 0.3"),
        (["--threshold", "Dog bark"], "must be LABEL=ON"),
        (["--threshold", "Dog bark=loud"], "must be LABEL=ON"),
        (["--threshold", "Dog=0.5"], "no class 'Dog'; the nearest is 'Dog bark'"),
        (["--out", "labels.xml"], "must end in .txt"),
        (["--publish", "tcp://0.0.0.0:7000"], "other machines could connect"),
        (["--publish", "here"], "must begin with tcp://"),
    ],
)
def test_settings_that_cannot_be_are_one_line(command, arguments, says):
    code, out, err = command("classify", *arguments)
    assert (code, out) == (78, "")
    assert says in err
    assert err.count("\n") == 1


def test_the_documented_configuration_is_one(tmp_path):
    text = (Path(__file__).parents[1] / "docs" / "labels.md").read_text()
    path = tmp_path / "classify.toml"
    path.write_text(text.partition("```toml\n")[2].partition("```")[0])
    settings = settings_from(path, {"head": None, "publish": None}, {"on": 0.7}, ["Rain=0.5:0.2"])
    assert settings.out == ("sounds.csv", "{stream}.txt")
    found = settings.decision.thresholds(("Dog bark", "Rain", "Sea"))
    assert found.on.tolist() == [0.45, 0.5, 0.7]
    assert found.off.tolist() == [0.3, 0.2, 0.4]
    assert found.reported.tolist() == [True, False, True]


def test_a_configuration_with_an_unknown_key_is_one_line(command, tmp_path):
    path = tmp_path / "classify.toml"
    path.write_text("[decision]\nloudness = 1\n")
    code, _, err = command("classify", "--config", path)
    assert (code, err.count("\n")) == (78, 1)
    assert "unknown key 'decision.loudness'" in err
