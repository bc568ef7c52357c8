"""Scores of a live signal: matching as Mesaros et al. define it, decisions as `classify` makes them, nothing of a held-out fold."""

import itertools
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny_model
from trainer_data import write_tones

from streamdeep.errors import ConfigurationError
from streamdeep.heads.settings import UNKNOWN, DecisionSettings
from streamdeep.heads.writing import write_linear_head
from streamdeep.labelling.labeller import Labeller
from streamdeep.pipeline import Pipeline
from streamdeep.records import Block
from streamdeep.wire.kinds import EmbeddingMessage
from streamdeep_trainer import cli
from streamdeep_trainer.config import HeadRecipe
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.embed import embeddings_of
from streamdeep_trainer.live.events import (
    Event,
    delays,
    event_f1,
    false_events,
    right_events,
    segment_f1,
)
from streamdeep_trainer.live.folds import score_live
from streamdeep_trainer.live.hearing import hear, most_probable, scores_of
from streamdeep_trainer.live.settings import CHOSEN, WAYS
from streamdeep_trainer.live.signal import make_signal

THERE = (Event("dog", 0, 100), Event("rain", 100, 200), Event("dog", 200, 300))


@pytest.mark.parametrize(
    ("told", "right"),
    [
        ([Event("dog", 10, 110)], 1),
        ([Event("dog", 11, 100)], 0),  # the onset is beyond the collar
        ([Event("dog", 0, 150)], 1),  # half its length
        ([Event("dog", 0, 151)], 0),
        ([Event("cat", 0, 100)], 0),
        ([Event("dog", 0, 100), Event("dog", 5, 100)], 1),  # one pair each
        ([Event("dog", 0, 100), Event("rain", 95, 190), Event("dog", 208, 290)], 3),
        ([], 0),
    ],
)
def test_an_event_is_right_by_class_onset_and_offset(told, right):
    found = right_events(THERE, told, collar_samples=10, offset_share=0.5)
    assert found == right
    assert event_f1(THERE, told, collar_samples=10, offset_share=0.5) == pytest.approx(
        2 * right / (3 + len(told))
    )


def test_the_offset_may_be_left_out():
    told = [Event("dog", 0, 9999)]
    assert right_events(THERE, told, collar_samples=10, offset_share=None) == 1


events = st.builds(
    lambda start, length: Event("a", start, start + length), st.integers(0, 30), st.integers(1, 9)
)


@given(st.lists(events, max_size=4), st.lists(events, max_size=4))
def test_there_are_as_many_pairs_as_can_be(there, told):
    """Against every way to pair them."""

    def fits(one, other):
        late = abs(one.stop_sample - other.stop_sample)
        length = one.stop_sample - one.start_sample
        return abs(one.start_sample - other.start_sample) <= 3 and late <= max(3, 0.5 * length)

    few, many = sorted((there, told), key=len)
    swap = few is told
    best = 0
    for some in itertools.permutations(many, len(few)):
        pairs = zip(some, few, strict=True) if swap else zip(few, some, strict=True)
        best = max(best, sum(fits(one, other) for one, other in pairs))
    assert right_events(there, told, collar_samples=3, offset_share=0.5) == best


def test_segments_count_every_stretch_that_a_class_touches():
    told = [Event("dog", 0, 101)]  # touches the first two of three
    found = segment_f1(THERE, told, n_samples=300, step_samples=100)
    assert found == pytest.approx(2 * 1 / (3 + 2))


def test_a_delay_counts_until_it_was_told_and_what_is_never_there_is_false():
    told = [
        Event("dog", 20, 90, told_sample=60),
        Event("dog", 5, 15, told_sample=70),
        Event("dog", 150, 250, told_sample=180),  # goes on when the second one begins
        Event("rain", 0, 90, told_sample=50),
    ]
    assert delays(THERE, told) == [60, None, 0]
    assert false_events(THERE, told) == 1


@pytest.fixture
def clips(tmp_path):
    return find_clips(write_tones(tmp_path / "tones", n_clips=6))


def test_the_signal_is_its_clips_in_blocks_that_fit_nothing(clips):
    signal = make_signal(clips, seed=3)
    blocks = list(signal.blocks())
    assert [block.start_sample for block in blocks[1:]] == [b.stop_sample for b in blocks[:-1]]
    assert blocks[-1].stop_sample == signal.n_samples
    assert len({len(block.samples) for block in blocks}) > 4
    assert sorted(clip.filename for clip in signal.clips) == sorted(c.filename for c in clips)
    assert make_signal(clips, seed=3).clips == signal.clips
    # Neighbours of one class are one sound.
    labels = [label for label, _ in itertools.groupby(clip.label for clip in signal.clips)]
    assert [event.label for event in signal.references] == labels
    assert signal.references[-1].stop_sample == signal.n_samples


def test_padding_is_no_sound(tmp_path, write_sound):
    (tmp_path / "x" / "a").mkdir(parents=True)
    sound = np.concatenate((np.zeros(800), np.full(1600, 0.1), np.zeros(4000)))
    write_sound("x/a/1.wav", sound)
    write_sound("x/a/2.wav", np.zeros(800))
    signal = make_signal(find_clips(tmp_path / "x"), seed=0)
    (event,) = signal.references
    assert event.stop_sample - event.start_sample == 1600
    assert signal.n_samples == 7200


@pytest.fixture
def heard(clips, tmp_path):
    """A head that knows the tones from one of their embeddings each, and the signal's embeddings."""
    signal, model = make_signal(clips, seed=0), tiny_model()
    pipeline = Pipeline(model, signal.sample_rate_hz, signal.n_channels, hop_frames=5)
    embeddings = list(embeddings_of(signal.blocks(), pipeline))
    weight = np.random.default_rng(0).standard_normal((2, len(embeddings[0].vector)))
    mean = np.mean([one.vector for one in embeddings], axis=0)
    head = write_linear_head(
        tmp_path / "head.onnx", 20 * weight, -20 * weight @ mean, ("high", "low"), model.digest
    )
    return embeddings, head


@pytest.mark.parametrize("way", WAYS[:4], ids=lambda way: way.name)
def test_what_is_scored_is_what_classify_would_tell(heard, way):
    embeddings, head = heard
    found = hear(scores_of(embeddings, head), head.contract.labels, way.settings)
    labeller = Labeller(head, way.settings, clock=lambda: 0)
    told, labels, begun = [], [], {}
    for number, one in enumerate(embeddings):
        message = EmbeddingMessage(
            stream="a", session=bytes(16), sequence=number, published_utc_ns=0,
            published_monotonic_ns=0, epoch=one.epoch, start_sample=one.start_sample,
            n_samples=one.n_samples, sample_rate_hz=one.sample_rate_hz, captured_utc_ns=0,
            latency_ns=0, stages_ns={}, gap_samples=0, model=tiny_model().short_digest,
            level_dbfs=0.0, peak_dbfs=0.0, vector=one.vector,
        )  # fmt: skip
        for labelled in labeller.push(message, now_ns=0):
            labels.append(labelled.label)
            told += [(sound, one.stop_sample) for sound in labelled.changes]
    told += [
        (sound, embeddings[-1].stop_sample)
        for labelled in labeller.flush()
        for sound in labelled.changes
    ]
    wanted = []
    for sound, now in told:
        key = (sound.label, sound.start_sample)
        if sound.state == "start":
            begun[key] = now
        else:
            wanted.append(Event(*key, sound.stop_sample, begun[key]))
    assert len(wanted) > 1
    assert found.told == tuple(wanted)
    assert list(found.labels) == labels


def test_the_most_probable_class_is_told_of_every_segment(heard):
    embeddings, head = heard
    scores = scores_of(embeddings, head)
    found = WAYS[-1].hear(scores, head.contract.labels)
    best = [head.contract.labels[one.probabilities.argmax()] for one in scores]
    assert list(found.labels) == best
    assert UNKNOWN not in best
    assert len(found.told) == len(list(itertools.groupby(best)))
    assert {one.probabilities.sum() for one in most_probable(scores)} == {1.0}


def test_too_few_folds_are_refused_before_the_work(clips, model_path):
    two = [replace(clip, fold=number % 2 + 1) for number, clip in enumerate(clips)]
    with pytest.raises(ConfigurationError, match="4 folds are needed and there are 2"):
        score_live(two, model_path, recipe=HeadRecipe())
    three = [replace(clip, fold=number % 3 + 1) for number, clip in enumerate(clips)]
    with pytest.raises(ConfigurationError, match="--no-choose"):
        score_live(three, model_path, recipe=HeadRecipe())


def test_early_embeddings_are_those_of_shorter_segments(clips):
    model, frames = tiny_model(), 10
    block = Block(np.random.default_rng(0).uniform(-0.5, 0.5, (9000, 1)).astype(np.float32), 0)
    pipeline = Pipeline(model, 8000, 1, early_frames=(frames,))
    found = list(embeddings_of([block], pipeline, early_frames=frames))
    config = model.contract.frontend
    assert {one.n_samples for one in found} == {config.span_samples(frames)}
    whole = list(embeddings_of([block], Pipeline(model, 8000, 1)))
    assert len(found) >= len(whole) > 2


def test_the_command_writes_a_table_numbers_and_a_picture(
    monkeypatch, capsys, tmp_path, model_path
):
    data = write_tones(tmp_path / "data", n_clips=10)
    for number, path in enumerate(sorted(data.rglob("*.wav"))):
        path.rename(path.with_name(f"{number % 4 + 1}-{number}-A.wav"))
    for number, place in enumerate(sorted(data.iterdir()), start=1):
        place.rename(data / f"{number:03d} - {place.name}")
    out = tmp_path / "scores"
    monkeypatch.setattr(
        sys, "argv",
        ["streamdeep-train", "live-scores", "--data", str(data), "--model", str(model_path),
         "--out", str(out), "--json"],
    )  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["segment_s"] == pytest.approx(0.5)
    assert {one["way"] for one in found["scores"]} == {CHOSEN, *(way.name for way in WAYS)}
    assert {one["fold"] for one in found["scores"]} == {1, 2, 3, 4}
    default = [one for one in found["scores"] if one["way"] == WAYS[0].name]
    assert {one["settings"]["on"] for one in default} == {DecisionSettings().on}
    for one in found["scores"]:
        assert (
            0.0 <= one["event_f1"]["0.2"] <= one["event_f1"]["0.5"] <= one["event_f1"]["1"] <= 1.0
        )
        assert one["heard"] <= one["references"]
        assert one["false"] <= one["told"]
    # The two tones are far apart: what is to be heard is mostly told.
    raw = [one["segment_f1"] for one in found["scores"] if one["way"] == WAYS[-1].name]
    assert min(raw) > 0.5
    text = (out / "live-scores.md").read_text(encoding="utf-8")
    assert text.count("| raw argmax |") == 2
    assert json.loads((out / "live-scores.json").read_text())["scores"] == found["scores"]
    assert (out / "live-scores.png").read_bytes().startswith(b"\x89PNG")
