"""Real processes and sockets: sound that is sent gives the embeddings of the file, through restarts of either end."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time

import msgpack
import numpy as np
import pytest
import soundfile
import zmq
from tiny import noise, tiny_content, tiny_model

from streamdeep.pipeline import Pipeline
from streamdeep.records import Block

DEADLINE_S = 30.0


def started_programs():
    """Start programs; whatever still runs at the end is killed."""
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


program = pytest.fixture(started_programs)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """What an engine says when it is ready, that many tests send sound to."""
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    path.write_bytes(tiny_content())
    programs = started_programs()
    process = next(programs)(
        "run", "--audio-in", "tcp://127.0.0.1:*", "--model", path, "--bind", "tcp://127.0.0.1:*", "--json"
    )  # fmt: skip
    yield line_with(process, "ready") | {"process": process}
    process.send_signal(signal.SIGTERM)
    ledgers = finished(process)
    assert {ledger["unaccounted"] for ledger in ledgers.values()} == {0}
    next(programs, None)


def line_with(process, event):
    """The next line of the program that tells of this event."""
    for line in process.stdout:
        found = json.loads(line)
        if found["event"] == event:
            return found
    raise AssertionError(process.stderr.read())


@pytest.fixture
def engine(program, model_path):
    def start(audio_in="tcp://127.0.0.1:*", **options):
        process = program(
            "run", "--audio-in", audio_in, "--model", model_path, "--bind", "tcp://127.0.0.1:*", "--json",
            **options,
        )  # fmt: skip
        return process, line_with(process, "ready")

    return start


def finished(process):
    """What an engine or a sender says at its end, by stream."""
    out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    return {line["stream"]: line for line in lines if line["event"] == "ledger"}


def a_free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


class Listener:
    """A subscriber that knows pyzmq and msgpack, and nothing of streamdeep."""

    def __init__(self, endpoint):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.RCVHWM, 0)
        self.socket.setsockopt(zmq.SUBSCRIBE, b"")
        self.socket.connect(endpoint)
        self.messages = []

    def until(self, wanted):
        deadline_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline_s:
            if not self.socket.poll(1000):
                continue
            topic, header, payload = self.socket.recv_multipart()
            message = topic.decode(), msgpack.unpackb(header), payload
            self.messages.append(message)
            if wanted(*message):
                return message
        raise AssertionError([topic for topic, *_ in self.messages])

    def until_event(self, name, stream="hall"):
        def wanted(topic, _, payload):
            return topic == f"event/{stream}/" and msgpack.unpackb(payload)["event"] == name

        return msgpack.unpackb(self.until(wanted)[2])

    def until_the_end(self, stream="hall"):
        """Its stop, and the counters of its last status."""
        self.until_event("stop", stream)
        return msgpack.unpackb(self.until(lambda topic, *_: topic == f"status/{stream}/")[2])[
            "counters"
        ]

    def vectors(self, stream="hall"):
        return [p for topic, _, p in self.messages if topic == f"embedding/{stream}/"]

    def close(self):
        self.socket.close(0)
        self.context.term()


@pytest.fixture
def listener():
    opened = []

    def listen(endpoint):
        opened.append(Listener(endpoint))
        return opened[-1]

    yield listen
    for found in opened:
        found.close()


def expected_for(path):
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    pipeline = Pipeline(tiny_model(), rate_hz, samples.shape[1])
    return [
        record.vector.tobytes() for record in pipeline.push(Block(samples, 0)) + pipeline.flush()
    ]


@pytest.mark.parametrize(
    ("rate_hz", "n_channels", "subtype", "options"),
    [
        (11025, 2, "FLOAT", ("--pace", "max")),
        (8000, 1, "FLOAT", ("--block-ms", "7")),
        (8000, 1, "PCM_16", ("--pace", "max", "--format", "s16le", "--block-ms", "33")),
    ],
    ids=["resampled", "realtime", "s16le"],
)
def test_a_file_that_is_sent_gives_the_embeddings_of_the_file_bit_for_bit(
    program, shared, listener, tmp_path, rate_hz, n_channels, subtype, options
):
    path, stream = tmp_path / "sound.wav", f"{subtype.lower()}{rate_hz}"
    soundfile.write(path, noise(2 * rate_hz + 77, n_channels), rate_hz, subtype=subtype)
    heard = listener(shared["endpoint"])
    sender = program(
        "send", path, "--connect", shared["audio_in"], "--stream", stream, "--json", *options
    )
    counters = heard.until_the_end(stream)
    assert heard.vectors(stream) == expected_for(path)
    sent = finished(sender)[stream]
    assert sent["captured"] == sent["taken"] == counters["captured"] == 2 * rate_hz + 77
    assert sent["given_up"] == sent["waiting"] == counters["gap_samples"] == 0


@pytest.mark.system  # two engines start, and five seconds of sound take five seconds
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_an_engines_restart_loses_nothing_that_the_buffer_holds(
    program, engine, listener, tmp_path, end
):
    path = tmp_path / "long.wav"
    soundfile.write(path, noise(8000 * 5), 8000)
    address = a_free_address()
    first, about = engine(address)
    heard = listener(about["endpoint"])
    sender = program(
        "send", path, "--connect", address, "--stream", "hall", "--json", "--linger-s", 60
    )  # fmt: skip
    for _ in range(8):
        heard.until(lambda topic, *_: topic == "embedding/hall/")
    first.send_signal(end)
    first.wait(timeout=DEADLINE_S)
    line_with(sender, "away")
    second, about = engine(address)
    heard = listener(about["endpoint"])
    started = heard.until_event("start")
    heard.until_event("stop")
    sent = finished(sender)["hall"]
    assert sent["captured"] == sent["taken"] == 8000 * 5
    assert sent["given_up"] == 0
    second.send_signal(signal.SIGTERM)
    ledger = finished(second)["hall"]
    began = int(started["reason"].rpartition("from its sample ")[2])
    assert 0 < began < 8000 * 5
    assert ledger["captured"] == 8000 * 5 - began
    assert ledger["gap_samples"] == ledger["unaccounted"] == 0
    if end == signal.SIGTERM:
        # What the first one had captured is all embedded, and the second begins right behind.
        assert finished(first)["hall"]["captured"] == began


def test_a_buffer_that_is_too_small_for_an_absence_counts_what_is_missing_at_both_ends(
    program, shared, listener, tmp_path
):
    path = tmp_path / "long.wav"
    soundfile.write(path, noise(8000 * 4), 8000)
    heard = listener(shared["endpoint"])
    sender = program(
        "send", path, "--connect", shared["audio_in"], "--stream", "small", "--json", "--buffer-s", 1
    )  # fmt: skip
    heard.until(lambda topic, *_: topic == "embedding/small/")
    shared["process"].send_signal(signal.SIGSTOP)
    time.sleep(2.5)  # longer than the buffer, shorter than anybody's patience
    shared["process"].send_signal(signal.SIGCONT)
    heard.until_event("gap", "small")
    counters = heard.until_the_end("small")
    sent = finished(sender)["small"]
    assert sent["given_up"] > 0
    assert sent["waiting"] == 0
    assert sent["captured"] == sent["taken"] + sent["given_up"] == 8000 * 4
    assert (counters["captured"], counters["gap_samples"]) == (sent["taken"], sent["given_up"])


def test_a_device_that_restarts_begins_a_new_epoch_after_an_estimated_gap(
    program, shared, listener, tmp_path
):
    path = tmp_path / "long.wav"
    soundfile.write(path, noise(8000 * 50), 8000)
    heard = listener(shared["endpoint"])
    arguments = ("send", path, "--connect", shared["audio_in"], "--stream", "hall", "--json")
    sender = program(*arguments)
    heard.until(lambda topic, *_: topic == "embedding/hall/")
    killed_s = time.monotonic()
    sender.kill()
    program(*arguments)
    gap = heard.until_event("gap")
    passed_s = time.monotonic() - killed_s
    assert gap["estimated"]
    assert 0 < gap["n_samples"] / 8000 < passed_s + 0.5
    heard.until(lambda topic, header, _: topic == "embedding/hall/" and header["epoch"] == 1)


def plain_producer(address, samples, *, stream, skip=(), n_block=160, rate_hz=8000):
    """What docs/audio-in.md shows, with pyzmq and msgpack only. Numbers in ``skip`` are not sent."""
    context = zmq.Context()
    device = context.socket(zmq.DEALER)
    device.setsockopt(zmq.LINGER, 5000)
    device.connect(address)
    session = os.urandom(16)

    def send(number, start, block, flags=0):
        now_ns, utc_ns = time.monotonic_ns(), time.time_ns()
        header = {
            "v": 1, "stream": stream, "session": session, "sequence": number, "flags": flags, "epoch": 0,
            "published_utc_ns": utc_ns, "published_monotonic_ns": now_ns, "captured_utc_ns": utc_ns,
            "captured_monotonic_ns": now_ns, "host": "thin-device", "gap_samples": 0, "start_sample": start,
            "n_samples": len(block), "sample_rate_hz": rate_hz, "channels": 1, "format": "s16le",
        }  # fmt: skip
        if number not in skip:
            device.send_multipart(
                [f"audio/{stream}/".encode(), msgpack.packb(header), struct.pack(f"<{len(block)}h", *block)]
            )  # fmt: skip

    send(0, 0, [])
    assert device.poll(20_000)  # there is a place for it; it does not look at answers any more
    number = 0
    for number, start in enumerate(range(0, len(samples), n_block)):
        send(number, start, samples[start : start + n_block])
    send(number + 1, len(samples), [], flags=128)  # the sound ends
    device.close()
    context.term()


def test_a_producer_that_knows_only_zeromq_and_msgpack_is_enough(shared, listener):
    samples = np.random.default_rng(5).integers(-9000, 9000, 8000 * 2, dtype=np.int16)
    heard = listener(shared["endpoint"])
    plain_producer(shared["audio_in"], samples.tolist(), stream="thin", skip={40, 41})
    gap = heard.until_event("gap", "thin")
    assert (gap["n_samples"], gap["estimated"], gap["at_sample"]) == (320, False, 42 * 160)
    counters = heard.until_the_end("thin")
    assert (counters["captured"], counters["gap_samples"]) == (8000 * 2 - 320, 320)
    pipeline = Pipeline(tiny_model(), 8000, 1)
    floats = (samples / np.float32(32768)).astype(np.float32)[:, None]
    blocks = [Block(floats[: 40 * 160], 0), Block(floats[42 * 160 :], 42 * 160)]
    records = [record for block in blocks for record in pipeline.push(block)] + pipeline.flush()
    assert heard.vectors("thin") == [record.vector.tobytes() for record in records]


def test_streams_come_and_go_and_a_name_goes_on_counting_where_it_ended(
    program, shared, listener, sound_path
):
    heard = listener(shared["endpoint"])
    for _ in range(2):
        sender = program(
            "send", sound_path, "--connect", shared["audio_in"], "--stream", "guest", "--pace", "max", "--json"
        )  # fmt: skip
        assert heard.until_the_end("guest")["captured"] == 33_000
        finished(sender)
    found = [header for topic, header, _ in heard.messages if topic == "embedding/guest/"]
    assert [header["sequence"] for header in found] == list(range(len(found)))
    starts = [header["start_sample"] for header in found]
    assert starts == sorted(starts)
    second = next(header for header in found if header["epoch"] == 1)
    assert second["start_sample"] == 33_000
    assert all(header["flags"] & 4 for header in found)  # offline: sent as fast as it was taken


def test_bytes_that_are_no_message_are_counted_and_harm_nobody(engine, listener):
    process, about = engine()
    context = zmq.Context()
    stranger = context.socket(zmq.DEALER)
    stranger.setsockopt(zmq.LINGER, 5000)
    stranger.connect(about["audio_in"])
    for frames in (
        [b""],
        [b"audio/x/", b"\xdd\xff\xff\xff\xff", b""],
        [b"a"] * 7,
        [b"event/x/", b"\x80", b"\x80"],
    ):
        stranger.send_multipart(frames)
    stranger.close()
    context.term()
    heard = listener(about["endpoint"])
    plain_producer(about["audio_in"], [0] * 8000, stream="thin")
    heard.until_event("stop", "thin")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=DEADLINE_S)
    told = json.loads(out.splitlines()[-1])
    assert told["messages"] == 52
    assert told["event"] == "audio_in"
    assert sum(told["bad"].values()) == 4


def test_an_engine_on_the_network_in_clear_text_must_be_asked_for(command, model_path):
    code, _, err = command(
        "run", "--audio-in", "tcp://0.0.0.0:5758", "--model", model_path, "--bind", "tcp://127.0.0.1:*"
    )  # fmt: skip
    assert code == 78
    assert "--insecure" in err
    assert "tcp://127.0.0.1:5758" in err


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--buffer-s", "0"), 78, "1 to 3600"),
        (("--block-ms", "0"), 78, "1 to 500"),
        (("--stream", "No Name"), 78, "no stream name"),
        (("--connect", "udp://1.2.3.4:5"), 78, "tcp:// or ipc://"),
        (("--connect", "tcp://nonsense"), 78, "cannot connect"),
        (("--linger-s", "0"), 69, "no engine took the last"),
    ],
)
def test_a_sender_that_cannot_send_says_why_in_one_line(command, tmp_path, options, code, words):
    path = tmp_path / "short.wav"
    soundfile.write(path, noise(800), 8000)
    given = options if "--connect" in options else (*options, "--connect", a_free_address())
    found, _, err = command("send", path, "--json", *given)
    assert found == code
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_an_engine_that_refuses_ends_the_sender_with_the_reason(program, tmp_path, model_path):
    path = tmp_path / "own.wav"
    soundfile.write(path, noise(8000 * 50), 8000)
    process = program(
        "run", path, "--stream", "hall", "--audio-in", "tcp://127.0.0.1:*", "--model", model_path,
        "--bind", "tcp://127.0.0.1:*", "--json",
    )  # fmt: skip
    address = line_with(process, "ready")["audio_in"]
    sender = program("send", path, "--connect", address, "--stream", "hall", "--json")
    _, err = sender.communicate(timeout=DEADLINE_S)
    assert sender.returncode == 69
    assert "refuses the stream: this engine has a source of its own called 'hall'" in err
    assert process.poll() is None
