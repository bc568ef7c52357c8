"""Sound that comes over ZeroMQ is recorded like any other, and replays bit for bit."""

import json
import signal
import threading

import msgpack
import soundfile
from test_audio_in_processes import DEADLINE_S, expected_for, line_with
from test_audio_in_processes import listener as listener
from test_audio_in_processes import program as program
from tiny import noise

from streamdeep.audio.ring import single_ring
from streamdeep.recording.recorder import Recorder

ANYWHERE = ("--bind", "tcp://127.0.0.1:*", "--json")


def test_streams_that_come_and_go_are_recorded_each_in_its_own_folder_and_replay_bit_for_bit(
    program, listener, tmp_path, model_path
):
    place, paths = tmp_path / "place", {}
    for number, (stream, rate_hz, n_channels) in enumerate((("hall", 8000, 1), ("yard", 11025, 2))):
        path = paths[stream] = tmp_path / f"{stream}.wav"
        sound = noise(2 * rate_hz + 77, n_channels, seed=number)
        soundfile.write(path, sound, rate_hz, subtype="FLOAT")
    engine = program(
        "run", "--audio-in", "tcp://127.0.0.1:*", "--model", model_path, *ANYWHERE, "--record", place
    )  # fmt: skip
    about = line_with(engine, "ready")
    heard = listener(about["endpoint"])
    told = {}
    for stream in ("hall", "yard", "hall"):  # the second time under a name that was here before
        sender = program(
            "send", paths[stream], "--connect", about["audio_in"], "--stream", stream, "--pace", "max", "--json"
        )  # fmt: skip
        heard.until_event("stop", stream)
        assert sender.wait(timeout=DEADLINE_S) == 0
        result = line_with(engine, "recorded")  # as soon as the stream has ended
        assert (result["stream"], result["unrecorded"]) == (stream, 0)
        assert result["samples"] == soundfile.info(paths[stream]).frames
        told[result["path"]] = stream
    engine.send_signal(signal.SIGTERM)
    out, err = engine.communicate(timeout=DEADLINE_S)
    assert engine.returncode == 0, err
    assert '"recorded"' not in out  # each was told of once
    assert sorted(told) == sorted(map(str, place.iterdir()))
    assert sorted(told.values()) == ["hall", "hall", "yard"]
    site = tmp_path / "again.toml"
    tables = [f'[[streams]]\nsource = "{path}"\nstream = "again{n}"' for n, path in enumerate(told)]
    site.write_text("\n".join(tables))
    engine = program("run", "--config", site, "--model", model_path, *ANYWHERE, "--pace", "max")
    again = listener(line_with(engine, "ready")["endpoint"])
    _, err = engine.communicate(timeout=DEADLINE_S)
    assert engine.returncode == 0, err
    for _ in told:
        again.until(is_stop)
    for n, stream in enumerate(told.values()):
        assert again.vectors(f"again{n}") == expected_for(paths[stream])


def is_stop(topic, _, payload):
    return topic.startswith("event/") and msgpack.unpackb(payload)["event"] == "stop"


class Source:
    name, sample_rate_hz, n_channels, live = "sent", 8000, 1, True

    def start(self, ring):
        pass

    def stop(self):
        pass


def test_a_recorder_forgets_streams_that_have_ended_once_it_has_told_of_them(tmp_path):
    told, ended = [], threading.Semaphore(0)

    def note(recorded):
        told.append(recorded)
        ended.release()

    with Recorder(tmp_path) as recorder:
        for number in range(3):
            ring = single_ring(800, 1, 8000)
            recorder.record("hall", Source(), on_end=note).start(ring)
            assert [one.stream for one in recorder.results()] == ["hall"]
            ring.write(noise(100 + number), 1)
            ring.close()
            assert ended.acquire(timeout=DEADLINE_S)
            assert recorder.results() == []
    assert [one.samples for one in told] == [100, 101, 102]
    assert len({one.path for one in told}) == 3
    assert all(json.loads((one.path / "recording.json").read_text()) for one in told)


def test_a_stream_that_was_never_started_leaves_nothing_behind(tmp_path):
    told = []
    with Recorder(tmp_path / "place") as recorder:
        recorder.record("hall", Source(), on_end=told.append).stop()
    assert [(one.samples, one.unrecorded) for one in told] == [(0, 0)]
    assert list((tmp_path / "place").iterdir()) == []
