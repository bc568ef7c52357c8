"""A real microphone path without hardware: PortAudio on PulseAudio, whose source is a FIFO that we fill.

What goes into the FIFO is what the microphone hears, sample by sample. Then what goes wrong with microphones goes
wrong with it: the sound server is killed or frozen, the device unplugged, the capture silenced.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import msgpack
import numpy as np
import pytest
import zmq
from pulse import RATE_HZ, feeder, pulse, speak, wait_until
from tiny import noise, tiny_model

from streamdeep.pipeline import Pipeline
from streamdeep.records import Block

pytestmark = pytest.mark.system
PATIENCE_S = 60
STOPPED_S = 20
"""Two seconds, and what a busy machine makes of Python's end; who waits for a frozen server never ends."""


@pytest.fixture
def server(tmp_path, request):
    """A private PulseAudio daemon with a FIFO as its default source; the parameter is its channels."""
    if shutil.which("pulseaudio") is None or shutil.which("pactl") is None:
        pytest.skip(
            "needs the Debian packages pulseaudio, pulseaudio-utils, libasound2-plugins, libportaudio2"
        )
    with pulse(tmp_path / "pulse", getattr(request, "param", 1)) as found:
        yield found


class Engine:
    """``streamdeep run`` on a microphone, what it says, and what it publishes.

    Attributes:
        said: JSON objects of its standard output, each with ``at``, the monotonic time when it came.
        messages: kind of topic, header and payload of what came on the wire.
    """

    def __init__(self, environment, options, model_path, listener):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streamdeep", "run", *map(str, options), "--model", str(model_path),
             "--bind", "tcp://127.0.0.1:*", "--wait", "--json"],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._listener = listener
        self.said, self.messages = [], []
        self._errors = ""
        self._readers = [
            threading.Thread(target=self._hear),
            threading.Thread(target=self._complain),
        ]
        for reader in self._readers:
            reader.start()
        wait_until(lambda: self.said or self._process.poll() is not None, PATIENCE_S, "the start")
        assert self.said, self._errors
        listener.setsockopt(zmq.SUBSCRIBE, b"")
        listener.connect(self.said[0]["endpoint"])

    def _hear(self):
        for line in self._process.stdout:
            self.said.append({**json.loads(line), "at": time.monotonic()})

    def _complain(self):
        self._errors = self._process.stderr.read()

    def receive_until(self, condition, what):
        """Receive messages until the condition holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come; said: {self.said}"
            if self._listener.poll(100):
                topic, header, payload = self._listener.recv_multipart()
                kind = topic.split(b"/")[0].decode()
                content = payload if kind == "embedding" else msgpack.unpackb(payload)
                self.messages.append((kind, msgpack.unpackb(header), content))

    def of(self, kind):
        return [(header, content) for found, header, content in self.messages if found == kind]

    def events(self, name):
        return [content for _, content in self.of("event") if content["event"] == name]

    def notes(self, text):
        return [
            line for line in self.said if line["event"] == "microphone" and text in line["message"]
        ]

    def embeddings(self, epoch):
        return [content for header, content in self.of("embedding") if header["epoch"] == epoch]

    def end(self):
        """Stop it; its ledger, how long that took."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=PATIENCE_S)
        took_s = time.monotonic() - began
        for reader in self._readers:
            reader.join()
        assert code == 0, self._errors
        assert "Traceback" not in self._errors
        return self.said[-1], took_s

    def freeze(self):
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    def kill(self):
        self._process.kill()
        for reader in self._readers:
            reader.join()
        self._process.communicate()


@contextlib.contextmanager
def running(environment, place, model_path, *options, n_streams=1):
    with zmq.Context() as context, context.socket(zmq.SUB) as listener:
        engine = Engine(environment, (place, *options), model_path, listener)
        try:
            # The capture is open then; a source without a listener throws its sound away.
            engine.receive_until(lambda: len(engine.events("start")) == n_streams, "the start")
            yield engine
        finally:
            engine.kill()


def expected_for(samples):
    pipeline = Pipeline(tiny_model(), RATE_HZ, samples.shape[1])
    found = pipeline.push(Block(samples.astype(np.float32) / np.float32(32768), 0))
    return [embedding.vector.tobytes() for embedding in found]


def test_a_microphone_is_embedded_sample_by_sample(server, model_path):
    listed = subprocess.run(
        [sys.executable, "-m", "streamdeep", "devices", "--json"],
        env=server.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "pulse" in {device["name"] for device in json.loads(listed.stdout)}
    samples = (noise(4 * RATE_HZ) * 32767).astype("<i2")
    expected = expected_for(samples)
    with running(server.environment, "mic:pulse", model_path) as engine:
        with server.fifo.open("wb") as microphone:
            # Silence behind it, so that no sound server's buffer keeps the end back.
            microphone.write(samples.tobytes() + bytes(2 * RATE_HZ))
            microphone.flush()
            engine.receive_until(
                lambda: len(engine.embeddings(0)) >= len(expected), "all embeddings"
            )
        ledger, _ = engine.end()
    assert engine.embeddings(0)[: len(expected)] == expected
    assert ledger["unaccounted"] == ledger["in_flight"] == 0


@pytest.mark.parametrize("server", [8], indirect=True)
def test_two_streams_hear_different_channels_of_one_device_sample_by_sample(
    server, tmp_path, model_path
):
    samples = (noise(4 * RATE_HZ, 8) * 32767).astype("<i2")
    site, expected = tmp_path / "site.toml", {}
    for name, numbers in (("door", [3, 4]), ("hall", [8])):
        expected[name] = expected_for(samples[:, [number - 1 for number in numbers]])
        with site.open("a") as file:
            file.write(
                f'[[streams]]\nsource = "mic:pulse"\nstream = "{name}"\nchannels = 8\nselect = {numbers}\n'
            )
    with running(server.environment, "--config", model_path, site, n_streams=2) as engine:

        def found(name):
            return [vector for header, vector in engine.of("embedding") if header["stream"] == name]

        speaker = threading.Thread(target=speak, args=(server.fifo, samples))
        speaker.start()
        engine.receive_until(
            lambda: all(len(found(name)) >= len(expected[name]) for name in expected),
            "all embeddings",
        )
        speaker.join()
        engine.end()
    for name, wanted in expected.items():
        assert found(name)[: len(wanted)] == wanted
    ledgers = {line["stream"]: line for line in engine.said if line["event"] == "ledger"}
    assert set(ledgers) == set(expected)
    for ledger in ledgers.values():
        assert ledger["unaccounted"] == ledger["in_flight"] == ledger["gap_samples"] == 0


def test_a_channel_that_a_device_was_not_opened_with_is_refused(server, model_path):
    for options, code, words in (
        (("--select", "2"), 78, "select needs channels beside it"),
        (("--channels", "2", "--select", "3"), 66, "there is no channel 3 to select: 'pulse'"),
    ):
        outcome = subprocess.run(
            [sys.executable, "-m", "streamdeep", "run", "mic:pulse", *options, "--model", str(model_path)],
            env=server.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert outcome.returncode == code
        assert words in outcome.stderr.strip().splitlines()[-1]
        assert "Traceback" not in outcome.stderr


def test_alsa_alone_is_a_microphone_too_sample_by_sample(tmp_path, model_path):
    """Its file plugin, which delivers as fast as it is read: no daemon, no pace."""
    samples = (noise(4 * RATE_HZ) * 32767).astype("<i2")
    sound = tmp_path / "sound.raw"
    # The plugin does not convert: what is asked of it is float32.
    sound.write_bytes((samples.astype(np.float32) / np.float32(32768)).tobytes())
    (tmp_path / ".asoundrc").write_text(
        'pcm.tape { type file slave { pcm "null" } file "/dev/null" format "raw" '
        f'infile "{sound}" hint {{ show on description "a tape" }} }}\n'
    )
    expected = expected_for(samples)
    environment = {**os.environ, "HOME": str(tmp_path), "PULSE_SERVER": f"unix:{tmp_path}/none"}
    with running(environment, "mic:tape", model_path) as engine:
        engine.receive_until(lambda: len(engine.embeddings(0)) >= len(expected), "all embeddings")
        ledger, _ = engine.end()
    assert engine.embeddings(0)[: len(expected)] == expected
    assert ledger["unaccounted"] == ledger["in_flight"] == 0


def kill(server, speaker):
    server.kill()
    return server.start


def freeze(server, speaker):
    speaker.deaf = True
    server.freeze()

    def mend():
        server.thaw()
        speaker.deaf = False

    return mend


def unplug(server, speaker):
    server.unplug()
    return server.plug_in


def wither(server, speaker):
    """Blocks stop coming, and nothing else happens."""
    speaker.deaf = True

    def mend():
        speaker.deaf = False

    return mend


def silence(server, speaker):
    """This capture, and no other, hears zeros: what it is to be moved to a device that is silent."""
    capture = server.tell("list", "short", "source-outputs").split()[0]
    server.tell("set-source-output-mute", capture, "1")
    return lambda: None


@pytest.mark.parametrize(
    ("fault", "cause", "within_s"),
    [
        (kill, "the sound system ended the capture", 1.0),
        (unplug, "the sound system ended the capture", 1.0),
        (freeze, "the capture stalled", 1.5),
        (wither, "the capture stalled", 1.5),
        (silence, "the capture was moved to a silent device", 4.5),
    ],
    ids=["server killed", "unplugged", "server frozen", "no blocks", "silent"],
)
def test_a_microphone_comes_back_and_what_was_lost_is_counted(
    server, model_path, record_property, fault, cause, within_s
):
    with (
        feeder(server.fifo) as speaker,
        running(server.environment, "mic:pulse", model_path) as engine,
    ):
        engine.receive_until(
            lambda: len(engine.embeddings(0)) >= 3 and len(engine.of("status")) >= 2, "embeddings"
        )
        broken_at = time.monotonic()
        mend = fault(server, speaker)
        engine.receive_until(lambda: engine.notes(cause), "the note")
        noticed_s = engine.notes(cause)[0]["at"] - broken_at
        mend()
        engine.receive_until(
            lambda: engine.events("gap") and len(engine.embeddings(1)) >= 3, "the next epoch"
        )
        n_statuses = len(engine.of("status"))
        engine.receive_until(lambda: len(engine.of("status")) >= n_statuses + 2, "a status")
        ledger, stopped_s = engine.end()
    record_property("noticed_s", round(noticed_s, 3))
    record_property("stopped_s", round(stopped_s, 3))
    assert noticed_s < within_s
    assert stopped_s < STOPPED_S
    (gap,) = engine.events("gap")
    assert gap["estimated"]
    assert gap["reason"].endswith(f"samples lost: {cause}")
    assert gap["n_samples"] == ledger["gap_samples"]
    assert ledger["epochs"] == 2
    assert ledger["unaccounted"] == ledger["in_flight"] == 0
    # With the gap counted in, samples and time go together across the outage.
    before, after = (engine.of("status")[at][1]["clock"] for at in (1, -1))
    passed_s = (after["monotonic_ns"] - before["monotonic_ns"]) / 1e9
    counted_s = (after["sample"] - before["sample"]) / RATE_HZ
    record_property("gap_s", gap["n_samples"] / RATE_HZ)
    record_property("off_by_s", round(counted_s - passed_s, 3))
    assert counted_s == pytest.approx(passed_s, abs=0.2)


def test_a_server_that_stays_frozen_hinders_neither_the_return_nor_the_end(server, model_path):
    with (
        feeder(server.fifo) as speaker,
        running(server.environment, "mic:pulse", model_path) as engine,
    ):
        engine.receive_until(lambda: len(engine.embeddings(0)) >= 3, "embeddings")
        mend = freeze(server, speaker)
        engine.receive_until(lambda: engine.notes("was left behind"), "the note on closing")
        engine.receive_until(lambda: engine.notes("did not return within"), "the note on opening")
        mend()
        engine.receive_until(lambda: len(engine.embeddings(1)) >= 3, "the next epoch")
        (gap,) = engine.events("gap")
        assert gap["n_samples"] > 7 * RATE_HZ
        freeze(server, speaker)
        engine.receive_until(lambda: len(engine.notes("the capture stalled")) == 2, "the note")
        ledger, stopped_s = engine.end()
    assert stopped_s < STOPPED_S
    assert ledger["unaccounted"] == ledger["in_flight"] == 0


def test_samples_that_get_lost_on_the_way_are_a_gap_without_an_outage(server, model_path):
    with (
        feeder(server.fifo) as speaker,
        running(server.environment, "mic:pulse", model_path) as engine,
    ):
        engine.receive_until(lambda: len(engine.embeddings(0)) >= 3, "embeddings")
        speaker.swallow = RATE_HZ // 5
        engine.receive_until(lambda: engine.events("gap"), "the gap")
        engine.receive_until(lambda: len(engine.embeddings(1)) >= 3, "the next epoch")
        ledger, _ = engine.end()
    (gap,) = engine.events("gap")
    assert gap["reason"].endswith("samples lost: fewer samples than time has passed")
    assert gap["estimated"]
    assert gap["n_samples"] / RATE_HZ == pytest.approx(0.2, abs=0.05)
    assert not engine.notes("")
    assert (ledger["epochs"], ledger["unaccounted"]) == (2, 0)
    assert ledger["gap_samples"] == gap["n_samples"]


def test_an_engine_that_was_frozen_itself_loses_nothing_that_the_server_kept(server, model_path):
    with (
        feeder(server.fifo) as speaker,
        running(server.environment, "mic:pulse", model_path) as engine,
    ):
        engine.receive_until(lambda: len(engine.embeddings(0)) >= 3, "embeddings")
        engine.freeze()
        until = speaker.n_spoken + 2 * RATE_HZ
        wait_until(lambda: speaker.n_spoken >= until, PATIENCE_S, "speaking")
        engine.thaw()
        late = len(engine.of("status"))
        engine.receive_until(lambda: len(engine.of("status")) >= late + 3, "statuses")
        ledger, _ = engine.end()
    assert not engine.notes("")
    assert (ledger["epochs"], ledger["gap_samples"], ledger["unaccounted"]) == (1, 0, 0)
    assert ledger["captured"] > 4 * RATE_HZ


def test_a_muted_microphone_loses_nothing(server, model_path):
    with (
        feeder(server.fifo) as speaker,
        running(server.environment, "mic:pulse", model_path) as engine,
    ):
        engine.receive_until(lambda: len(engine.embeddings(0)) >= 3, "embeddings")
        speaker.silent = True
        quiet = len(engine.of("status"))
        # Five seconds of zeros: the device was opened a second time meanwhile, and given up again.
        engine.receive_until(lambda: len(engine.of("status")) >= quiet + 5, "statuses")
        speaker.silent = False
        ledger, _ = engine.end()
    assert not engine.events("gap")
    assert (ledger["epochs"], ledger["gap_samples"], ledger["unaccounted"]) == (1, 0, 0)


def test_a_device_that_is_not_there_is_refused_with_the_list(server, model_path):
    outcome = subprocess.run(
        [sys.executable, "-m", "streamdeep", "run", "mic:theremin", "--model", str(model_path)],
        env=server.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert outcome.returncode == 66
    last = outcome.stderr.strip().splitlines()[-1]
    assert "mic:theremin is no input device" in last
    assert "'pulse'" in last
    assert "Traceback" not in outcome.stderr
