"""Frames on the wire: what the front-end made, each once, in place, and only for those who ask."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import FRONTEND, RATE_HZ, tiny_model

from streamdeep.config import FixedLevel, SegmentLevel, View
from streamdeep.encoder.model import load_model
from streamdeep.frontend.logmel import log_mel
from streamdeep.rack.rack import Rack
from streamdeep.wire.subscriber import Subscriber

TWO_VIEWS = FRONTEND.model_copy(
    update={
        "fusion": "spectra",
        "views": (
            View(
                window_samples=320, n_bands=20, level=FixedLevel(floor_db=-80.0, ceiling_db=-10.0)
            ),
            View(channel="left", window_samples=256, n_bands=12),
        ),
    }
)
WHOLE = FRONTEND.model_copy(
    update={"views": (View(window_samples=320, n_bands=20, level=SegmentLevel()),)}
)


def drain(rack):
    """Let the rack work until nothing is due; the batches that came of it."""
    found = []
    while True:
        outlook, results = rack.look(0)
        for result in results:
            if result.ended:
                found += rack.last_spectrogram(result.slot)
        if outlook.delay_s is not None:
            rack.turn(outlook, 0)
            found += rack.spectrograms()
        elif not results:
            return found


def expected(samples, config):
    """The first view's bytes, from the front-end that takes whole clips."""
    values, view = log_mel(samples, config).values[:, : config.views[0].width], config.views[0]
    if view.level.kind == "fixed":
        share = (values + np.float32(1)) / np.float32(2)
    else:
        share = (10 * np.log10(np.maximum(values, 1e-12)) + 120) / 120
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)


@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    config=st.sampled_from([FRONTEND, TWO_VIEWS, WHOLE]),
    cuts=st.lists(st.integers(1, 3000), min_size=1, max_size=8),
)
def test_frames_are_those_of_the_front_end_however_the_sound_is_cut(data, config, cuts):
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    samples = random.uniform(-0.5, 0.5, (12_000, 2)).astype(np.float32)
    rack = Rack(tiny_model(frontend=config))
    slot = rack.open(RATE_HZ, 2, ring_s=10.0, live=False)
    other = rack.open(RATE_HZ, 2, ring_s=10.0, live=False)  # not tapped, beside it
    rack.tap(slot)
    found, at = [], 0
    while at < len(samples):
        for n_samples in cuts:
            part = samples[at : at + n_samples]
            for one in (slot, other):
                assert one.source.write(part, at) == len(part)
            at += len(part)
            found += drain(rack)
    for one in (slot, other):
        one.source.close()
    found += drain(rack)
    assert {one for one, _ in found} == {slot}
    batches = [batch for _, batch in found]
    levels = np.concatenate([batch.levels for batch in batches])
    assert np.array_equal(levels, expected(samples, config))
    at_frame, at_sample = 0, 320 - 160
    for batch in batches:
        assert (batch.start_frame, batch.start_sample, batch.epoch) == (at_frame, at_sample, 0)
        at_frame, at_sample = at_frame + len(batch.levels), batch.stop_sample
        assert batch.n_samples == 160 * len(batch.levels)
    assert all(len(batch.levels) >= 10 for batch in batches[:-1])  # 0.2 s: five messages a second
    assert batches[0].low_db == (-120.0 if config is WHOLE else config.views[0].level.floor_db)


def test_frames_of_two_epochs_are_never_in_one_batch():
    rack = Rack(tiny_model())
    slot = rack.open(RATE_HZ, 1, ring_s=10.0, live=False)
    rack.tap(slot)
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (1120, 1)).astype(np.float32)
    slot.source.write(sound, 0)
    found = drain(rack)
    slot.source.write(sound, 0, gap_samples=77)
    found += drain(rack)
    slot.source.close()
    found += drain(rack)
    assert [(batch.epoch, batch.start_frame, len(batch.levels)) for _, batch in found] == [
        (0, 0, 6),
        (1, 0, 6),
    ]
    assert found[0][1].stop_sample == 1120
    assert found[1][1].start_sample == 1120 + 77 + 160
    for _, batch in found:
        assert np.array_equal(batch.levels, expected(sound, FRONTEND))


def engine(tmp_path, *options):
    sound = tmp_path / "sound.raw"
    sound.write_bytes(
        (3000 * np.random.default_rng(0).standard_normal(3 * 44100)).astype("<i2").tobytes()
    )
    command = ["run", "-", "--rate", "44100", "--stream", "room", "--bind", "tcp://127.0.0.1:*"]
    with sound.open("rb") as raw:
        return subprocess.Popen(
            [sys.executable, "-m", "streamdeep", *command, "--json", *options],
            stdin=raw, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip


@pytest.mark.parametrize("asked", [True, False])
def test_an_engine_sends_frames_only_if_it_was_asked_to(tmp_path, asked):
    with engine(tmp_path, "--wait", *["--frames"] * asked) as process:
        endpoint = json.loads(process.stdout.readline())["endpoint"]
        kinds = ("frames", "status", "event", "embedding")
        with Subscriber(endpoint, kinds=kinds, timeout_s=60.0) as subscriber:
            messages = []
            for message in subscriber:
                messages.append(message)
                if type(message).__name__ == "StatusMessage" and stopped(messages):
                    break
            statistics = subscriber.statistics()
        assert process.wait(30) == 0
    frames = [message for message in messages if message.kind == "frames"]
    statuses = [message for message in messages if type(message).__name__ == "StatusMessage"]
    topic = "frames/room/"
    assert (topic in statuses[-1].sequences) == asked
    if not asked:
        assert frames == []
        return
    assert statuses[-1].sequences[topic] + 1 == len(frames) + statistics.topics[topic].before_join
    assert statistics.topics[topic].lost == 0
    frontend = load_model().contract.frontend
    first, hop_samples = frontend.views[0], frontend.hop_samples
    told = {(message.n_bands, message.hop_samples) for message in frames}
    assert told == {(first.n_bands, hop_samples)}
    n_frames = (3 * 44100 - frontend.longest_window_samples) // hop_samples + 1
    assert sum(message.n_frames for message in frames) == n_frames
    assert [message.start_frame for message in frames] == list(
        np.cumsum([0, *(message.n_frames for message in frames[:-1])])
    )
    assert (frames[0].low, frames[0].high) == (first.level.floor_db, first.level.ceiling_db)


def stopped(messages):
    return any(getattr(message, "event", "") == "stop" for message in messages)


def test_frames_at_the_pace_max_are_refused_in_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "streamdeep", "run", "x.wav", "--frames", "--pace", "max"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 78
    assert done.stderr.splitlines()[-1] == (
        "streamdeep: value: frames are to be looked at, and pace max is too fast for that"
    )
