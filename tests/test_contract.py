"""What every stage promises, whatever it does. A new stage joins by one line in STAGES.

A stage here is wrapped so that it takes samples and gives rows: output does not depend on how the input
was cut, by equality; reset is as good as new; push keeps no view of its input; push after flush is refused.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import cuttings
from tiny import FRONTEND, LEVEL, SEGMENT, noise, tiny_model

from streamdeep.audio.resample import Resampler
from streamdeep.config import FixedLevel, FrontendConfig, SegmentConfig, SegmentLevel, View
from streamdeep.encoder.encoder import LaneEncoder, WholeEncoder
from streamdeep.errors import StageClosedError
from streamdeep.frontend.logmel import LogMel
from streamdeep.pipeline import FrameStage, Pipeline
from streamdeep.records import Block, Frames

N = 9_000
FULL = FrontendConfig(
    sample_rate_hz=8000,
    hop_samples=100,
    pre_emphasis=0.95,
    remove_frame_mean=True,
    fusion="spectra",
    views=(
        View(channel="mean", window_samples=320, n_bands=12),
        View(channel="difference", window_samples=320, n_bands=5, scale="slaney"),
        View(channel="right", window_samples=250, fft_samples=256, n_bands=None, scale="linear"),
    ),
)
WHOLE_FILE = FRONTEND.model_copy(
    update={
        "views": (
            View(
                window_samples=320, n_bands=20, level=SegmentLevel(clip_below_db=-60, scope="file")
            ),
        )
    }
)
PER_SEGMENT = FRONTEND.model_copy(
    update={"views": (View(window_samples=320, n_bands=20, level=SegmentLevel(clip_below_db=-60)),)}
)


class OfSamples:
    """A stage that takes samples."""

    def __init__(self, stage, samples, rows):
        self.stage, self.samples, self.rows = stage, samples, rows

    def push(self, at, length):
        return [
            row
            for out in self.stage.push(self.wrap(self.samples[at : at + length].copy(), at))
            for row in self.rows(out)
        ]

    def wrap(self, samples, at):
        return samples

    def flush(self):
        return [row for out in self.stage.flush() for row in self.rows(out)]

    def reset(self):
        self.stage.reset()


class OfBlocks(OfSamples):
    def wrap(self, samples, at):
        return Block(samples, at)


class OfFrames(OfSamples):
    def wrap(self, samples, at):
        return Frames(
            samples,
            at,
            np.square(samples[:, 0], dtype=np.float64),
            np.abs(samples[:, 1]).astype(np.float64),
        )


def frame_rows(frames):
    return [
        np.concatenate(([frames.energies[t], frames.peaks[t]], frames.values[t]))
        for t in range(len(frames))
    ]


def segment_rows(segment):
    place = [
        segment.start_frame,
        segment.n_frames,
        segment.energy,
        segment.peak,
        segment.partial,
        segment.early,
    ]
    return [np.concatenate((place, segment.vector))]


def embedding_rows(found):
    place = [
        found.epoch,
        found.start_sample,
        found.n_samples,
        found.level_dbfs,
        found.peak_dbfs,
        int(found.flags),
        found.gain_db,
    ]
    return [np.concatenate((place, found.vector))]


def whole(model):
    return WholeEncoder(model, SEGMENT)


MONO, STEREO = noise(N), noise(N, 2)
QUIET = noise(12_345) / 64  # at 1000 Hz: the gain is found after ten seconds of it
LOUD = (MONO * 3).copy()
LOUD[[100, 4000, 4001]] = [[np.nan], [np.inf], [1e30]]
FEATURES = np.random.default_rng(3).uniform(-1, 1, (N // 40, 20)).astype(np.float32)
GAPPED = SEGMENT.model_copy(update={"hop_frames": 31})

STAGES = {
    "LogMel": lambda: OfSamples(LogMel(FRONTEND), MONO, frame_rows),
    "LogMel, three views": lambda: OfSamples(LogMel(FULL, 2), STEREO, frame_rows),
    "LogMel, power": lambda: OfSamples(LogMel(PER_SEGMENT), MONO, frame_rows),
    "Resampler down": lambda: OfSamples(Resampler(48000, 44100, 1), MONO, list),
    "Resampler up": lambda: OfSamples(Resampler(8000, 44100, 2), STEREO, list),
    "Resampler, equal rates": lambda: OfSamples(Resampler(8000, 8000, 1), MONO, list),
    "FrameStage": lambda: OfSamples(FrameStage(FRONTEND, 11025, 1), MONO, frame_rows),
    "LaneEncoder": lambda: OfFrames(LaneEncoder(tiny_model(), SEGMENT), FEATURES, segment_rows),
    "LaneEncoder, early": lambda: OfFrames(
        LaneEncoder(tiny_model(), SEGMENT, early_frames=(6, 12)), FEATURES, segment_rows
    ),
    "LaneEncoder, gaps between segments": lambda: OfFrames(
        LaneEncoder(tiny_model(), GAPPED), FEATURES, segment_rows
    ),
    "LaneEncoder, final state": lambda: OfFrames(
        LaneEncoder(tiny_model("final"), SEGMENT), FEATURES, segment_rows
    ),
    "WholeEncoder": lambda: OfFrames(whole(tiny_model()), FEATURES, segment_rows),
    "Pipeline": lambda: OfBlocks(Pipeline(tiny_model(), 8000, 1), MONO, embedding_rows),
    "Pipeline, resampled": lambda: OfBlocks(Pipeline(tiny_model(), 11025, 1), MONO, embedding_rows),
    "Pipeline, damaged samples": lambda: OfBlocks(
        Pipeline(tiny_model(), 8000, 1), LOUD, embedding_rows
    ),
    "Pipeline, gain": lambda: OfBlocks(
        Pipeline(tiny_model(), 11025, 2, gain_db=7.5), STEREO, embedding_rows
    ),
    "Pipeline, gain to be found": lambda: OfBlocks(
        Pipeline(tiny_model(level=LEVEL), 1000, 1, gain_db="auto"), QUIET, embedding_rows
    ),
    "Pipeline, segment level": lambda: OfBlocks(
        Pipeline(tiny_model("pooled", PER_SEGMENT), 8000, 1), MONO, embedding_rows
    ),
    "Pipeline, file level": lambda: OfBlocks(
        Pipeline(tiny_model("pooled", WHOLE_FILE), 8000, 1), MONO, embedding_rows
    ),
}


def run(stage, lengths):
    rows, at = [], 0
    for length in lengths:
        rows += stage.push(at, length)
        at += length
    rows += stage.flush()
    assert rows, "a stage that says nothing promises nothing"
    return np.array(rows)


@pytest.mark.parametrize("name", STAGES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_output_does_not_depend_on_how_the_input_was_cut(name, data):
    stage = STAGES[name]()
    total = len(stage.samples)
    np.testing.assert_array_equal(
        run(STAGES[name](), data.draw(cuttings(total))), run(stage, [total])
    )


@pytest.mark.parametrize("name", STAGES)
def test_reset_is_as_good_as_new(name):
    stage = STAGES[name]()
    total = len(stage.samples)
    first = run(stage, [total])
    stage.reset()
    stage.push(0, total // 3)  # and so in the middle of a stream
    stage.reset()
    np.testing.assert_array_equal(run(stage, [total]), first)


@pytest.mark.parametrize("name", STAGES)
def test_push_keeps_no_view_of_its_input(name):
    kept, spoilt = STAGES[name](), STAGES[name]()
    total = len(kept.samples)
    spoilt.samples = kept.samples.copy()
    buffers = []
    spoilt.wrap_plain = spoilt.wrap

    def spoil_later(samples, at):
        buffers.append(samples)
        return spoilt.wrap_plain(samples, at)

    spoilt.wrap = spoil_later
    expected, found = [], []
    for at in range(0, total, 370):
        expected += kept.push(at, 370)
        found += spoilt.push(at, 370)
        buffers.pop()[:] = np.nan
    np.testing.assert_array_equal(
        np.array(found + spoilt.flush()), np.array(expected + kept.flush())
    )


@pytest.mark.parametrize("name", STAGES)
def test_push_after_flush_is_refused(name):
    stage = STAGES[name]()
    stage.push(0, 200)
    stage.flush()
    with pytest.raises(StageClosedError):
        stage.push(200, 10)


def test_lanes_and_whole_segments_give_the_same_vectors():
    lanes = run(STAGES["LaneEncoder"](), [len(FEATURES)])
    np.testing.assert_array_equal(run(STAGES["WholeEncoder"](), [len(FEATURES)]), lanes)


@pytest.mark.parametrize(("length", "hop"), [(24, 10), (24, 24), (24, 1), (5, 30), (1, 1)])
def test_every_frame_of_every_segment_is_seen_once(length, hop):
    segment = SegmentConfig(length_frames=length, hop_frames=hop)
    found = OfFrames(LaneEncoder(tiny_model(), segment), FEATURES, lambda segment: [segment])
    segments = found.push(0, 100) + found.push(100, 125) + found.flush()
    full = [record for record in segments if not record.partial]
    assert [record.start_frame for record in full] == [
        k * hop for k in range((225 - length) // hop + 1)
    ]
    expected = FEATURES[None, full[-1].start_frame : full[-1].start_frame + length]
    np.testing.assert_array_equal(
        full[-1].vector, tiny_model().encode(np.ascontiguousarray(expected))[0]
    )


def test_silence_is_the_floor_and_what_exceeds_the_ceiling_is_clipped_to_one():
    config = FrontendConfig(
        sample_rate_hz=8000,
        hop_samples=160,
        views=(View(window_samples=320, n_bands=20, level=FixedLevel(ceiling_db=-20.0)),),
    )
    (silent,) = LogMel(config).push(np.zeros((400, 1), dtype=np.float32))
    assert (silent.values == -1).all()
    (loud,) = LogMel(config).push(np.sin(np.arange(400) * 0.5).astype(np.float32)[:, None])
    assert loud.values.max() == 1
