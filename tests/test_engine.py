"""Real processes, real sockets: what a listener receives is what `embed` computes, and nothing is lost."""

import json
import os
import signal
import subprocess
import sys

import msgpack
import numpy as np
import pytest
import soundfile
import zmq
from tiny import noise, tiny_model

from streamdeep.heads.writing import write_linear_head
from streamdeep.pipeline import Pipeline
from streamdeep.records import Block


@pytest.fixture
def program():
    """Start programs; whatever still runs at the end of the test is killed."""
    started = []

    def start(*arguments, **options):
        command = [sys.executable, "-m", "streamdeep", *map(str, arguments)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def ready(engine):
    line = engine.stdout.readline()
    assert line, engine.stderr.read()
    return json.loads(line)


class Listener:
    """A subscriber that knows pyzmq and msgpack, and nothing of streamdeep."""

    def __init__(self, endpoint):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.SUBSCRIBE, b"")
        self.socket.connect(endpoint)

    def until_stop(self, timeout_ms=30_000, *, last=True):
        messages = []
        while self.socket.poll(timeout_ms):
            topic, header, payload = self.socket.recv_multipart()
            header = msgpack.unpackb(header)
            messages.append((topic.decode(), header, payload))
            kind = topic.split(b"/")[0]
            if kind == b"event" and msgpack.unpackb(payload)["event"] == "stop":
                break
        while last and self.socket.poll(1000):  # the last status follows the stop
            topic, header, payload = self.socket.recv_multipart()
            messages.append((topic.decode(), msgpack.unpackb(header), payload))
            if topic.startswith(b"status/"):
                break
        if last:
            self.close()
        return messages

    def close(self):
        self.socket.close(0)
        self.context.term()


def embeddings(messages):
    return [
        (header, np.frombuffer(payload, "<f4"))
        for topic, header, payload in messages
        if topic.startswith("embedding/")
    ]


def expected_for(path):
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    pipeline = Pipeline(tiny_model(), rate_hz, samples.shape[1])
    return pipeline.push(Block(samples, 0)) + pipeline.flush()


@pytest.mark.parametrize("block_size", [37, 4096, 65536])
def test_a_bare_subscriber_gets_embeds_vectors_byte_for_byte(
    program, sound_path, model_path, block_size
):
    engine = program(
        "run", sound_path, "--model", model_path, "--bind", "tcp://127.0.0.1:*", "--pace", "max",
        "--block-size", block_size, "--json",
    )  # fmt: skip
    messages = Listener(ready(engine)["endpoint"]).until_stop()
    found, expected = embeddings(messages), expected_for(sound_path)
    out, err = engine.communicate(timeout=20)
    assert engine.returncode == 0, err
    assert [vector.tobytes() for _, vector in found] == [
        record.vector.tobytes() for record in expected
    ]
    assert [header["sequence"] for header, _ in found] == list(range(len(expected)))
    for (header, _), record in zip(found, expected, strict=True):
        assert (header["start_sample"], header["n_samples"]) == (
            record.start_sample,
            record.n_samples,
        )
        assert header["sample_rate_hz"] == 11025
        assert header["model"] == tiny_model().short_digest
    ledger = json.loads(out.splitlines()[-1])
    assert ledger["captured"] == 33_000
    assert ledger["unaccounted"] == ledger["in_flight"] == 0
    kinds = {topic.split("/")[0] for topic, *_ in messages}
    assert kinds == {"embedding", "event", "model", "status"}
    status = [
        msgpack.unpackb(payload) for topic, _, payload in messages if topic.startswith("status/")
    ][-1]
    assert status["counters"]["captured"] == 33_000
    assert (
        status["sequences"][next(t for t, *_ in messages if t.startswith("embedding/"))]
        == len(expected) - 1
    )


@pytest.mark.parametrize(("sample_format", "n_channels"), [("s16le", 1), ("f32le", 2)])
def test_raw_samples_on_standard_input_give_the_same_as_the_file(
    program, tmp_path, model_path, sample_format, n_channels
):
    path = tmp_path / "sound.wav"
    subtype = "PCM_16" if sample_format == "s16le" else "FLOAT"
    soundfile.write(path, noise(20_000, n_channels), 8000, subtype=subtype)
    dtype = "int16" if sample_format == "s16le" else "float32"
    raw = soundfile.read(path, dtype=dtype, always_2d=True)[0].tobytes()
    engine = program(
        "run", "-", "--rate", 8000, "--format", sample_format, "--channels", n_channels, "--model", model_path,
        "--bind", "tcp://127.0.0.1:*", "--wait", "--json", stdin=subprocess.PIPE,
    )  # fmt: skip
    listener = Listener(ready(engine)["endpoint"])
    engine.stdin.buffer.write(raw[:1001])  # no whole number of samples
    engine.stdin.buffer.flush()
    engine.stdin.buffer.write(raw[1001:])
    engine.stdin.close()
    found = embeddings(listener.until_stop())
    assert engine.wait(timeout=20) == 0
    assert [v.tobytes() for _, v in found] == [
        record.vector.tobytes() for record in expected_for(path)
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_in_order_and_loses_nothing(program, tmp_path, model_path, number):
    path = tmp_path / "long.wav"
    soundfile.write(path, noise(8000 * 600), 8000)
    engine = program(
        "run", path, "--model", model_path, "--bind", "tcp://127.0.0.1:*", "--wait", "--json"
    )
    listener = Listener(ready(engine)["endpoint"])
    assert listener.socket.poll(20_000)
    for _ in range(10):  # it runs
        listener.socket.recv_multipart()
    engine.send_signal(number)
    messages = listener.until_stop()
    out, err = engine.communicate(timeout=10)
    assert engine.returncode == 0, err
    ledger = json.loads(out.splitlines()[-1])
    assert 0 < ledger["captured"] < 8000 * 600
    assert ledger["unaccounted"] == ledger["in_flight"] == 0
    assert [topic for topic, *_ in messages if topic.startswith("event/")]


def test_latencies_of_a_file_in_real_time_are_those_of_a_live_source(program, tmp_path, model_path):
    path = tmp_path / "sound.wav"
    soundfile.write(path, noise(8000 * 2), 8000)
    engine = program(
        "run", path, "--model", model_path, "--bind", "tcp://127.0.0.1:*", "--wait", "--json"
    )
    found = embeddings(Listener(ready(engine)["endpoint"]).until_stop())
    assert engine.wait(timeout=20) == 0
    for header, _ in found[:-1]:
        # Its last sample was due 0 to 10 ms (a block) before the block that holds it.
        assert 0 < header["latency_ns"] < 2_000_000_000
        # What no stage claims is the hand-over between them.
        assert sum(header["stages_ns"].values()) <= header["latency_ns"]
    span_s = (found[-2][0]["captured_utc_ns"] - found[0][0]["captured_utc_ns"]) / 1e9
    samples = found[-2][0]["start_sample"] - found[0][0]["start_sample"]
    assert span_s == pytest.approx(samples / 8000, abs=0.05)


def test_early_embeddings_travel_on_their_own_topic(program, sound_path, model_path):
    engine = program(
        "run", sound_path, "--model", model_path, "--bind", "tcp://127.0.0.1:*", "--pace", "max", "--json",
        "--early-s", 0.1, "--early-s", 0.2,
    )  # fmt: skip
    messages = Listener(ready(engine)["endpoint"]).until_stop()
    assert engine.wait(timeout=20) == 0
    early = [header for topic, header, _ in messages if topic.startswith("early/")]
    full = [header for header, _ in embeddings(messages)]
    assert [header["sequence"] for header in early] == list(range(len(early)))
    assert {round(header["n_samples"] / 11025, 3) for header in early} == {0.1, 0.2}
    assert [h["start_sample"] for h in full] == [
        record.start_sample for record in expected_for(sound_path)
    ]


def test_classify_labels_every_embedding_and_stops_with_the_stream(
    program, tmp_path, sound_path, model_path
):
    head_path = tmp_path / "head.onnx"
    random = np.random.default_rng(0)
    head = write_linear_head(
        head_path,
        random.standard_normal((3, 63)),
        np.zeros(3),
        ("dog", "rain", "sea"),
        tiny_model().digest,
    )
    engine = program(
        "run",
        sound_path,
        "--model",
        model_path,
        "--bind",
        "tcp://127.0.0.1:*",
        "--pace",
        "max",
        "--json",
    )
    classifier = program(
        "classify", "--head", head_path, "--connect", ready(engine)["endpoint"], "--until-stop"
    )
    out, err = classifier.communicate(timeout=30)
    assert classifier.returncode == 0, err
    assert engine.wait(timeout=20) == 0
    lines = [json.loads(line) for line in out.splitlines()]
    expected = expected_for(sound_path)
    chances = head.probabilities(np.stack([record.vector for record in expected]))
    assert [line["start_sample"] for line in lines] == [record.start_sample for record in expected]
    for line, row in zip(lines, chances, strict=True):
        assert line["label"] == head.contract.labels[int(row.argmax())]
        assert line["probability"] == pytest.approx(float(row.max()), abs=1e-6)
    assert f"{len(expected)} embeddings received, 0 lost" in err


def test_classify_counts_and_leaves_the_engine_running(program, tmp_path, model_path):
    head_path = tmp_path / "head.onnx"
    write_linear_head(head_path, np.zeros((2, 63)), np.zeros(2), ("a", "b"), tiny_model().digest)
    path = tmp_path / "long.wav"
    soundfile.write(path, noise(8000 * 600), 8000)
    engine = program(
        "run", path, "--model", model_path, "--bind", "tcp://127.0.0.1:*", "--wait", "--json"
    )
    classifier = program(
        "classify",
        "--head",
        head_path,
        "--connect",
        ready(engine)["endpoint"],
        "--json",
        "--count",
        3,
    )
    out, err = classifier.communicate(timeout=30)
    assert classifier.returncode == 0, err
    assert len(out.splitlines()) == 3
    assert engine.poll() is None
    engine.send_signal(signal.SIGTERM)
    assert engine.wait(timeout=10) == 0


def test_a_head_for_another_encoder_is_refused_in_one_line(
    program, tmp_path, sound_path, model_path
):
    head_path = tmp_path / "head.onnx"
    write_linear_head(head_path, np.zeros((2, 63)), np.zeros(2), ("a", "b"), bytes(32))
    engine = program(
        "run", sound_path, "--model", model_path, "--bind", "tcp://127.0.0.1:*", "--wait", "--json"
    )
    classifier = program(
        "classify", "--head", head_path, "--connect", ready(engine)["endpoint"], "--json"
    )
    _, err = classifier.communicate(timeout=30)
    engine.kill()
    engine.communicate()
    assert classifier.returncode == 65
    complaints = [line for line in err.splitlines() if line.startswith("streamdeep: ")]
    assert len(complaints) == 1
    assert "trained for the encoder 0000000000000000" in complaints[0]
    assert "Traceback" not in err


def test_an_engine_without_a_writable_cache_still_runs(program, tmp_path, sound_path, model_path):
    environment = {**os.environ, "XDG_CACHE_HOME": "/dev/null/nowhere"}
    environment.pop("NUMBA_CACHE_DIR", None)
    engine = program(
        "run", sound_path, "--model", model_path, "--bind", "tcp://127.0.0.1:*", "--pace", "max", "--no-wait", "--json",
        env=environment,
    )  # fmt: skip
    out, err = engine.communicate(timeout=120)
    assert engine.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["unaccounted"] == 0


def test_several_sources_of_one_file_share_an_engine_and_keep_their_bits(
    program, model_path, tmp_path
):
    paths, tables = [], ""
    for number, (rate_hz, n_channels) in enumerate(((8000, 1), (11025, 2), (8000, 1), (44100, 1))):
        paths.append(tmp_path / f"{number}.wav")
        soundfile.write(paths[-1], noise(3 * rate_hz + 77, n_channels, seed=number), rate_hz)
        tables += f'[[streams]]\nsource = "{paths[-1]}"\nstream = "room{number}"\n'
    site = tmp_path / "site.toml"
    site.write_text(f'bind = "tcp://127.0.0.1:*"\npace = "max"\n{tables}')
    engine = program("run", "--config", site, "--model", model_path, "--json")
    about = ready(engine)
    assert about["streams"] == ["room0", "room1", "room2", "room3"]
    listener = Listener(about["endpoint"])
    messages = [message for _ in paths for message in listener.until_stop(last=False)]
    listener.close()
    out, err = engine.communicate(timeout=20)
    assert engine.returncode == 0, err
    for number, path in enumerate(paths):
        found = [
            np.frombuffer(payload, "<f4").tobytes()
            for topic, _, payload in messages
            if topic == f"embedding/room{number}/"
        ]
        assert found == [record.vector.tobytes() for record in expected_for(path)]
    ledgers = [json.loads(line) for line in out.splitlines() if '"ledger"' in line]
    assert [ledger["stream"] for ledger in ledgers] == about["streams"]
    assert {ledger["unaccounted"] for ledger in ledgers} == {0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('source = "a.wav"\n[[streams]]\nsource = "b.wav"\n', "source stands beside"),
        ('[[streams]]\nsource = "missing.wav"\n', "there is no file"),
        ('[[streams]]\nstream = "x"\n', "source"),
        ('[[streams]]\nsource = "-"\nrate = 8000\nloud = true\n', "unknown key"),
    ],
)
def test_a_site_that_cannot_be_is_one_line(program, model_path, tmp_path, text, said):
    site = tmp_path / "site.toml"
    site.write_text(text)
    engine = program("run", "--config", site, "--model", model_path)
    _, err = engine.communicate(timeout=60)
    assert engine.returncode in (66, 78)
    assert said in err
    assert "Traceback" not in err


def test_a_changed_site_is_taken_up_without_a_restart(program, model_path, tmp_path):
    site = tmp_path / "site.toml"

    def name(*rooms):
        tables = [
            f'[[streams]]\nsource = "{tmp_path / room}.wav"\nstream = "{room}"\n' for room in rooms
        ]
        site.write_text('bind = "tcp://127.0.0.1:*"\n' + "".join(tables))

    for room in ("hall", "yard", "attic"):
        soundfile.write(tmp_path / f"{room}.wav", noise(120 * 8000), 8000)
    name("hall", "yard")
    engine = program("run", "--config", site, "--model", model_path, "--json")
    listener = Listener(ready(engine)["endpoint"])

    def until(topic, event=None):
        while listener.socket.poll(20_000):
            found, _, payload = listener.socket.recv_multipart()
            about = msgpack.unpackb(payload).get("event") if found.startswith(b"event/") else None
            if found == topic.encode() and about == event:
                return True
        return False

    assert until("embedding/yard/")
    name("hall", "attic", "cellar")
    engine.send_signal(signal.SIGHUP)
    assert until("event/yard/", "stop")
    assert until("embedding/attic/")
    assert until("embedding/hall/")
    site.write_text("loud = true")
    engine.send_signal(signal.SIGHUP)
    notes = ""
    while "nothing was changed" not in notes:
        notes += engine.stdout.readline()
    assert "there is no file" in notes
    assert until("embedding/hall/")
    listener.close()
    engine.send_signal(signal.SIGTERM)
    out, err = engine.communicate(timeout=20)
    assert engine.returncode == 0, err
    ledgers = [json.loads(line) for line in out.splitlines() if '"ledger"' in line]
    assert [ledger["stream"] for ledger in ledgers] == ["hall", "yard", "attic"]
    assert {ledger["unaccounted"] for ledger in ledgers} == {0}
