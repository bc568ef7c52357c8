"""Recording and replaying with real processes: killed, interrupted, many streams, and always the same bits."""

import json
import os
import resource
import signal
import subprocess
import threading
import time
from pathlib import Path

import msgpack
import numpy as np
import pytest
import soundfile
from test_engine import Listener, embeddings, expected_for, ready
from test_engine import program as program
from test_recording import Written, n_written, record
from tiny import noise, tiny_model

from streamdeep.pipeline import Pipeline
from streamdeep.recording.reader import Recording
from streamdeep.records import Flag

HOUR_NS = 3_600_000_000_000
ANYWHERE = ("--bind", "tcp://127.0.0.1:*")


def told(messages):
    """What must be equal between a run and its replay."""
    return [
        (vector.tobytes(), header["epoch"], header["start_sample"], header["n_samples"],
         header["gap_samples"], header["flags"] & ~int(Flag.OFFLINE))
        for header, vector in embeddings(messages)
    ]  # fmt: skip


def replayed(program, path, model_path, *options, verb="replay"):
    engine = program(
        verb, path, "--model", model_path, *ANYWHERE, "--pace", "max", "--json", *options
    )
    about = ready(engine)
    messages = Listener(about["endpoint"]).until_stop()
    out, err = engine.communicate(timeout=30)
    assert engine.returncode == 0, err
    return about["stream"], messages, json.loads(out.splitlines()[-1])


def the_only(place):
    (path,) = place.iterdir()
    return path


def test_what_a_killed_engine_heard_gives_the_embeddings_it_published(
    program, tmp_path, model_path
):
    place, samples = tmp_path / "place", (noise(8000 * 3) * 32767).astype("<i2")
    engine = program(
        "run", "-", "--rate", 8000, "--stream", "hall", "--model", model_path, *ANYWHERE, "--wait",
        "--json", "--record", place, stdin=subprocess.PIPE,
    )  # fmt: skip
    listener = Listener(ready(engine)["endpoint"])
    engine.stdin.buffer.write(samples.tobytes())
    engine.stdin.buffer.flush()
    messages = []
    while len(embeddings(messages)) < 8:
        assert listener.socket.poll(20_000)
        topic, header, payload = listener.socket.recv_multipart()
        messages.append((topic.decode(), msgpack.unpackb(header), payload))
    deadline = time.monotonic() + 20
    while n_written(place) < len(samples):
        assert time.monotonic() < deadline, "the sound does not reach the disk"
        time.sleep(0.02)
    engine.kill()
    engine.wait()
    listener.close()
    name, again, ledger = replayed(program, place, model_path)
    assert name == "hall"
    # All but what libFLAC had not handed over yet.
    assert ledger["captured"] >= len(samples) - 4096
    first, second = told(messages), told(again)
    assert second[: len(first)] == first
    header, _ = embeddings(again)[0]
    assert header["flags"] & Flag.OFFLINE


def test_every_stream_of_a_site_has_a_recording_of_its_own(program, tmp_path, model_path):
    place, tables, paths = tmp_path / "place", "", {}
    for number, (rate_hz, n_channels) in enumerate(((8000, 1), (11025, 2), (44100, 1))):
        path = paths[f"room{number}"] = tmp_path / f"{number}.wav"
        soundfile.write(path, noise(rate_hz + 77, n_channels, seed=number), rate_hz)
        tables += f'[[streams]]\nsource = "{path}"\nstream = "room{number}"\n'
    site = tmp_path / "site.toml"
    site.write_text(
        f'bind = "tcp://127.0.0.1:*"\npace = "max"\nwait = false\nrecord = "{place}"\n{tables}'
    )
    engine = program("run", "--config", site, "--model", model_path, "--json")
    out, err = engine.communicate(timeout=30)
    assert engine.returncode == 0, err
    results = [json.loads(line) for line in out.splitlines() if '"recorded"' in line]
    assert [result["unrecorded"] for result in results] == [0, 0, 0]
    for result in results:
        path = paths[result["stream"]]
        with Recording(Path(result["path"])) as recording:
            assert recording.about.stream == result["stream"]
            pipeline = Pipeline(tiny_model(), recording.sample_rate_hz, recording.n_channels)
            found = [record for block in recording.blocks() for record in pipeline.push(block)]
            found += pipeline.flush()
        assert [record.vector.tobytes() for record in found] == [
            record.vector.tobytes() for record in expected_for(path)
        ]


@pytest.fixture
def lossy(tmp_path):
    """A recording with a gap that was estimated and an overflow, and what its ring told the engine."""
    sound, heard = noise(24_000, 2), []
    hour_ago_ns = time.monotonic_ns() - HOUR_NS

    def drain(ring):
        while (block := ring.read(1 << 20)) is not None:
            heard.append(block)

    def play(ring):
        for at in range(0, len(sound), 300):
            if at in (9000, 18_300):
                drain(ring)
            gap = 70 * (at == 4500)
            captured_ns = hour_ago_ns + (at + 300) * 125_000
            ring.write(sound[at : at + 300], captured_ns, gap_samples=gap, gap_estimated=gap > 0)
        drain(ring)

    return record(tmp_path / "lossy", play, capacity=9000, source=Written()).path, heard


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_gaps_and_overflows_are_published_again_where_they_were(
    program, command, tmp_path, lossy, model_path, packed
):
    path, heard = lossy
    began_utc_ns = path.stat().st_mtime_ns - HOUR_NS
    pipeline = Pipeline(tiny_model(), 8000, 2)
    expected = [record for block in heard for record in pipeline.push(block)] + pipeline.flush()
    verb = "replay"
    if packed:
        path = tmp_path / "bug.sdrec"
        assert command("pack", lossy[0].parent, "--out", path)[0] == 0
        verb = "run"
    _, messages, ledger = replayed(program, path, model_path, verb=verb)
    assert told(messages) == [
        (record.vector.tobytes(), record.epoch, record.start_sample, record.n_samples,
         record.gap_samples, record.flags)
        for record in expected
    ]  # fmt: skip
    assert {epoch for _, epoch, *_ in told(messages)} == {0, 1, 2}
    for header, _ in embeddings(messages):  # at the times when it was captured
        captured_s = (header["captured_utc_ns"] - began_utc_ns) / 1e9
        stop_sample = header["start_sample"] + header["n_samples"]
        assert captured_s == pytest.approx(stop_sample / 8000, abs=5)
    events = [msgpack.unpackb(payload) for topic, _, payload in messages if topic[:5] == "event"]
    assert [event["event"] for event in events] == ["start", "gap", "overflow", "stop"]
    assert [event["estimated"] for event in events[1:3]] == [True, False]
    theirs = pipeline.ledger()
    assert (ledger["captured"], ledger["dropped"]) == (theirs.captured, theirs.dropped)
    assert ledger["unaccounted"] == 0


def test_a_replay_in_real_time_is_timed_as_if_it_came_now(program, tmp_path, model_path):
    def play(ring):
        for at in range(0, 8000, 80):
            ring.write(noise(80, 2), at)

    path = record(tmp_path / "place", play, capacity=9000).path
    engine = program("replay", path, "--model", model_path, *ANYWHERE, "--wait", "--json")
    messages = Listener(ready(engine)["endpoint"]).until_stop()
    assert engine.wait(timeout=20) == 0
    found = [header for header, _ in embeddings(messages)]
    assert not any(header["flags"] & Flag.OFFLINE for header in found)
    assert all(0 < header["latency_ns"] < 2_000_000_000 for header in found[:-1])
    took_s = (found[-1]["captured_utc_ns"] - found[0]["captured_utc_ns"]) / 1e9
    samples = found[-1]["start_sample"] + found[-1]["n_samples"]
    samples -= found[0]["start_sample"] + found[0]["n_samples"]
    assert took_s == pytest.approx(samples / 8000, abs=0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_recording_is_whole(program, tmp_path, sound_path, number):
    recorder = program("record", sound_path, "--out", tmp_path / "p", "--stream", "a", "--json")
    ready(recorder)
    deadline = time.monotonic() + 20
    while not list(tmp_path.glob("p/*/000001.flac")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    recorder.send_signal(number)
    out, err = recorder.communicate(timeout=20)
    assert recorder.returncode == 0, err
    result = json.loads(out.splitlines()[-1])
    assert 0 < result["samples"] < 33_000
    assert result["unrecorded"] == 0
    assert soundfile.info(the_only(tmp_path / "p") / "000001.flac").frames == result["samples"]


def test_an_engine_goes_on_when_its_recording_cannot(program, tmp_path, model_path, sound_path):
    """No file may grow beyond 20 kB: every write fails sooner or later, as on a full disk."""
    engine = program(
        "run", sound_path, "--model", model_path, *ANYWHERE, "--pace", "max",
        "--json", "--record", tmp_path / "place", preexec_fn=small_files,
    )  # fmt: skip
    messages = Listener(ready(engine)["endpoint"]).until_stop()
    out, err = engine.communicate(timeout=30)
    assert engine.returncode == 0, err
    assert [vector.tobytes() for _, vector in embeddings(messages)] == [
        record.vector.tobytes() for record in expected_for(sound_path)
    ]
    lines = [json.loads(line) for line in out.splitlines()]
    notes = [line["message"] for line in lines if line["event"] == "recording"]
    assert notes[0].startswith("recording stopped: File too large")
    (result,) = [line for line in lines if line["event"] == "recorded"]
    assert result["samples"] + result["unrecorded"] == 33_000


def small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_what_is_sent_is_recorded_and_a_name_that_comes_again_is_replayed_at_its_own_samples(
    program, tmp_path, sound_path, model_path
):
    place = tmp_path / "place"
    engine = program(
        "run", "--audio-in", "tcp://127.0.0.1:*", "--model", model_path, *ANYWHERE, "--wait", "--json",
        "--record", place,
    )  # fmt: skip
    about, visits = ready(engine), []
    listener = Listener(about["endpoint"])
    for _ in range(2):
        sender = program(
            "send", sound_path, "--connect", about["audio_in"], "--stream", "hall", "--pace", "max"
        )
        visits.append(told(listener.until_stop(last=False)))
        assert sender.wait(timeout=30) == 0
    listener.close()
    engine.terminate()
    assert engine.wait(timeout=30) == 0
    _, second = sorted(place.iterdir())
    _, again, ledger = replayed(program, second, model_path)
    # Epochs begin with 0 in a replay.
    assert told(again) == [(bits, epoch - 1, *rest) for bits, epoch, *rest in visits[1]] != []
    assert [bits for bits, *_ in visits[0]] == [bits for bits, *_ in visits[1]]
    assert (ledger["captured"], ledger["gap_samples"], ledger["unaccounted"]) == (33_000, 0, 0)


def test_embed_takes_recordings_as_the_files_that_they_are_of(
    command, tmp_path, sound_path, model_path
):
    place = tmp_path / "place"
    assert command("record", sound_path, "--out", place, "--pace", "max")[0] == 0
    path = the_only(place)
    assert command("pack", place, "--out", place / "one.sdrec")[0] == 0
    code, out, err = command(
        "embed", sound_path, path, place, "--model", model_path, "--out", tmp_path / "x.npz", "--json"
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(out)["files"] == 4
    with np.load(tmp_path / "x.npz") as table:
        tables = {
            table["embedding"][table["file"] == name].tobytes()[: 63 * 4 * 3]
            for name in set(table["file"])
        }
    assert len(tables) == 1


def test_recordings_are_listed(command, lossy):
    code, out, _ = command("recordings", lossy[0].parent, "--json")
    about = json.loads(out)
    assert code == 0
    assert (about["stream"], about["gap_samples"], about["ended"]) == ("room", 70, True)
    assert about["samples"] + about["overflow_samples"] == 24_000
    code, out, _ = command("recordings", lossy[0])
    assert code == 0
    assert lossy[0].name in out
    (lossy[0] / "000001.jsonl").write_text("x\n")
    assert command("recordings", lossy[0])[0] == 66


def test_only_the_end_of_a_long_recording_is_packed(command, tmp_path):
    def play(ring):
        for at in range(0, 16_000, 400):
            ring.write(noise(400, 2), at)

    path = record(tmp_path / "place", play, capacity=20_000, segment_s=0.5).path
    code, _, err = command("pack", path, "--out", tmp_path / "end.sdrec", "--last-s", "0.7")
    assert code == 0, err
    code, out, _ = command("recordings", tmp_path / "end.sdrec", "--json")
    about = json.loads(out)
    assert (about["first_sample"], about["samples"]) == (8000, 8000)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("replay", "nowhere"), 66, "there is no recording nowhere"),
        (("pack", "nowhere"), 66, "there is no recording nowhere"),
        (("recordings", "nowhere"), 66, "there is no folder nowhere"),
        (("record", "nowhere.wav", "--out", "OUT"), 66, "there is no file nowhere.wav"),
        (("record", "SOUND", "--out", "SOUND"), 78, "cannot record to"),
        (("record", "SOUND", "--out", "OUT", "--keep-hours", "0"), 78, "keep_hours"),
        (("run", "SOUND", "--keep-gb", "1"), 78, "say where to with record"),
        (("pack", "SOUND"), 66, "is no recording"),
    ],
)
def test_what_cannot_be_recorded_or_replayed_is_one_line(
    command, tmp_path, sound_path, arguments, code, words
):
    places = {"OUT": tmp_path / "out", "SOUND": sound_path}
    found, _, err = command(*(places.get(argument, argument) for argument in arguments))
    assert found == code
    assert len(err.strip().splitlines()) == 1, err
    assert words in err


@pytest.mark.system
def test_a_full_disk_stops_the_recording_until_there_is_room(tmp_path):
    """A file system of 3 MB, filled by somebody else."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs root, to mount a small file system")
    try:
        notes, stopped, going = [], threading.Event(), threading.Event()

        def note(message):
            notes.append(message)
            (stopped if message.startswith("recording stopped") else going).set()

        def play(ring):
            ring.write(noise(1000, 2), 1)
            (disk / "ballast").write_bytes(bytes(2_500_000))
            sound = noise(200_000, 2, seed=1)
            for at in range(0, len(sound), 500):
                assert ring.write(sound[at : at + 500], at) == 500
            assert stopped.wait(20)
            (disk / "ballast").unlink()
            assert going.wait(20)

        result = record(disk / "place", play, capacity=300_000, note=note)
        assert any(text in notes[0] for text in ("No space left on device", "less than 1 %"))
        assert result.samples + result.unrecorded == 201_000
        assert result.unrecorded < 8192
        sounds = sorted(result.path.glob("0*.wav")) + sorted(result.path.glob("0*.flac"))
        assert sum(soundfile.info(path).frames for path in sounds) >= result.samples
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_recording_costs_an_audio_callback_little(tmp_path):
    """A write of 10 ms that is recorded beside one that is not: far below the block's time."""
    from streamdeep.audio.ring import single_ring
    from streamdeep.recording.recorder import Recorder

    block, times = noise(441), {}
    with Recorder(tmp_path) as recorder:
        for recorded in (False, True):
            ring = single_ring(441 * 600, 1, 44100)
            source = Written()
            source.sample_rate_hz, source.n_channels = 44100, 1
            (recorder.record("room", source) if recorded else source).start(ring)
            began_ns = time.perf_counter_ns()
            for _ in range(500):
                ring.write(block, 1)
            times[recorded] = (time.perf_counter_ns() - began_ns) / 500
            ring.close()
    assert times[True] < 1_000_000, times  # 10 % of the block
