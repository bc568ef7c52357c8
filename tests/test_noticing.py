"""What novelty means: rates of false alarms, strange sounds over time, and places that have changed for good."""

import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from test_labelling import DIGEST, DOG, NEITHER, SESSION, an_embedding, an_event, push

from streamdeep.cli.classify_notices import Notices
from streamdeep.cli.classify_screen import as_dict, table
from streamdeep.cli.classify_settings import settings_from
from streamdeep.errors import ConfigurationError
from streamdeep.heads.drift import DAY_S, OBSERVATION_S, Drift
from streamdeep.heads.noticing import Noticer
from streamdeep.heads.rarity import in_words, rates, score_at, tail_rate
from streamdeep.heads.settings import DecisionSettings, NoveltySettings
from streamdeep.heads.writing import write_linear_head
from streamdeep.labelling.labeller import Labeller
from streamdeep.records import NoveltyScale
from streamdeep.wire.kinds import ModelMessage

SCALE = NoveltyScale((0.5, 0.9, 0.99, 0.999), (1.0, 2.0, 3.0, 4.0))
"""Its tail falls ten times with each unit from 2 on."""

scales = st.lists(
    st.tuples(st.floats(0.01, 0.999), st.just(0.0) | st.floats(0.01, 1)), min_size=1, max_size=8, unique_by=lambda p: p[0]
).map(
    lambda pairs: NoveltyScale(
        tuple(sorted(level for level, _ in pairs)),
        tuple(np.cumsum([step for _, step in pairs]).tolist()),
    )
)  # fmt: skip


# --- rates -----------------------------------------------------------------------------------------------


def test_between_what_is_known_the_tail_falls_exponentially():
    assert tail_rate(2.0, SCALE) == pytest.approx(0.1)
    assert tail_rate(2.5, SCALE) == pytest.approx(0.1 / math.sqrt(10))
    assert tail_rate(3.0, SCALE) == pytest.approx(0.01)


def test_beyond_what_is_known_the_rate_is_a_bound_and_says_so():
    assert tail_rate(1000.0, SCALE) == tail_rate(4.0, SCALE) == 0.001
    assert tail_rate(0.0, SCALE) == 0.5
    assert in_words(tail_rate(1000.0, SCALE), SCALE) == "below 0.1 %"
    assert in_words(tail_rate(0.0, SCALE), SCALE) == "above 50 %"
    assert in_words(tail_rate(2.5, SCALE), SCALE) == "3.2 %"


@given(scale=scales, score=st.floats(-1, 20), more=st.floats(0, 5))
def test_a_higher_score_is_never_more_frequent(scale, score, more):
    rarest, most_frequent = rates(scale)
    assert rarest <= tail_rate(score + more, scale) <= tail_rate(score, scale) <= most_frequent


@given(scale=scales, rate=st.floats(1e-6, 1 - 1e-6))
def test_the_score_of_a_rate_has_that_rate(scale, rate):
    rarest, most_frequent = rates(scale)
    told = tail_rate(score_at(rate, scale), scale)
    # Where quantiles coincide the tail jumps, and the score stands for the rarer side of it.
    assert told <= min(max(rate, rarest), most_frequent) * (1 + 1e-6)
    if np.diff(scale.quantiles).min(initial=1.0) > 0.0:
        assert told == pytest.approx(min(max(rate, rarest), most_frequent), rel=1e-6)


# --- over time -------------------------------------------------------------------------------------------


def noticed(scores, *, smoothing_s=0.0, hop=1000, **plan):
    noticer = Noticer(SCALE, NoveltySettings(**plan), smoothing_s=smoothing_s)
    return [
        noticer.push(score, start_sample=k * hop, n_samples=5000, sample_rate_hz=1000)
        for k, score in enumerate(scores)
    ]


def test_what_is_rarer_than_asked_for_is_novel_until_it_is_twice_as_frequent():
    scores = [1.0, 3.1, 2.9, 2.8, 2.6, 2.9]
    assert [one.novel for one in noticed(scores)] == [False, True, True, True, False, False]
    assert not any(one.novel for one in noticed(scores, rate=0.001))


def test_one_strange_segment_among_many_is_not_novel_where_the_mean_is_long():
    scores = [1.0, 1.0, 3.5, 1.0, 1.0]
    assert any(one.novel for one in noticed(scores))
    assert not any(one.novel for one in noticed(scores, smoothing_s=5.0))
    assert noticed([3.5] * 30, smoothing_s=5.0)[-1].novel


def test_the_mean_is_over_seconds_not_over_embeddings():
    coarse = noticed([1.0, 4.0], smoothing_s=3.0, hop=4000)
    fine = noticed([1.0, 4.0, 4.0, 4.0, 4.0], smoothing_s=3.0, hop=1000)
    assert coarse[-1].novel == fine[-1].novel


def test_a_cut_ends_what_is_novel_but_no_drift():
    noticer = Noticer(SCALE, NoveltySettings(), smoothing_s=100.0)
    for k in range(1200):
        before = noticer.push(3.5, start_sample=k * 1000, n_samples=5000, sample_rate_hz=1000)
    assert (before.novel, before.drifting) == (True, True)
    noticer.cut()
    after = noticer.push(1.0, start_sample=0, n_samples=5000, sample_rate_hz=1000)
    assert (after.novel, after.drifting) == (False, True)
    noticer.reset()
    after = noticer.push(3.5, start_sample=0, n_samples=5000, sample_rate_hz=1000)
    assert (after.novel, after.drifting) == (True, False)


# --- drift -----------------------------------------------------------------------------------------------


def drifting(scores, *, alarms_per_day=0.03, new_s=1.0, segment_s=5.0):
    drift = Drift(SCALE, alarms_per_day)
    return [drift.push(score, new_s=new_s, segment_s=segment_s) for score in scores]


def first(flags):
    return flags.index(True) if True in flags else None


def test_a_lasting_change_alarms_after_minutes_and_a_short_one_never():
    calm, strange = [1.0] * 3600, [2.5] * 3600
    assert first(drifting(calm)) is None
    assert 9 * 60 < first(drifting(strange)) < 11 * 60
    # Five minutes of a vacuum cleaner an hour are no other place.
    assert first(drifting((calm[:3300] + strange[:300]) * 24)) is None


def test_a_change_to_three_times_as_many_strange_embeddings_is_found_within_hours():
    random = np.random.default_rng(0)
    minutes = np.repeat(random.random(24 * 60) < 0.3, 12)
    flags = drifting(np.where(minutes, 2.5, 1.0), new_s=5.0)
    assert first(flags) * 5 < 6 * 3600


def test_an_alarm_stays_until_the_evidence_is_used_up_and_then_goes():
    scores = [2.5] * 1200 + [1.0] * 3600
    flags = drifting(scores)
    on, off = first(flags), 1200 + first([not flag for flag in flags[1200:]])
    assert on < 1200
    assert all(flags[on:off])
    assert not any(flags[off:])
    # At ln(p1/p0) against ln((1-p1)/(1-p0)) a minute it takes 4.4 times as long to go as to come.
    assert 40 * 60 < off - 1200 < 46 * 60


@pytest.mark.parametrize("alarms_per_day", [24.0, 6.0])
def test_false_alarms_are_at_most_as_frequent_as_asked_for(alarms_per_day):
    """Minutes are independent, embeddings within one all the same, and one in ten is strange."""
    random, n_days = np.random.default_rng(3), 100
    strange = np.repeat(random.random(int(n_days * DAY_S / OBSERVATION_S)) < 0.1, 6)
    drift, n_alarms = Drift(SCALE, alarms_per_day), 0
    for one in strange:
        if drift.push(2.5 if one else 1.0, new_s=10.0, segment_s=10.0):
            n_alarms += 1
            drift.reset()
    assert 0 < n_alarms / n_days <= alarms_per_day


def test_embeddings_that_overlap_more_alarm_no_sooner():
    for hop_s in (0.5, 1.0, 5.0):
        flags = drifting([2.5] * int(1200 / hop_s), new_s=hop_s)
        assert first(flags) * hop_s == pytest.approx(588, abs=5)


# --- labels ----------------------------------------------------------------------------------------------


def a_model(scale=SCALE, digest=DIGEST):
    return ModelMessage(
        stream="a", session=SESSION, sequence=0, published_utc_ns=0, published_monotonic_ns=0,
        digest=digest, name="m", dim=2, sample_rate_hz=1000, hop_samples=1, window_samples=1,
        segment_frames=1, segment_hop_frames=1, source_rate_hz=1000, source_channels=1, incremental=True,
        frontend_json="{}", version="0", novelty=scale,
    )  # fmt: skip


@pytest.fixture
def labeller(tmp_path):
    head = write_linear_head(
        tmp_path / "head.onnx", np.eye(2), np.zeros(2), ("dog", "rain"), DIGEST
    )
    return Labeller(head, DecisionSettings(smoothing_s=0), novelty=NoveltySettings())


def a_scored(k, novelty, vector=NEITHER, **more):
    return replace(an_embedding(k, vector, **more), novelty=novelty)


def test_labels_say_how_new_it_is_from_when_the_model_said_what_that_means(labeller):
    (before,) = push(labeller, a_scored(0, 3.5))
    assert before.noticed is None
    assert push(labeller, a_model(digest=bytes(32), scale=NoveltyScale((0.5,), (9.0,)))) == []
    assert push(labeller, a_model()) == []
    (known,) = push(labeller, a_scored(1, 1.5))
    (new,) = push(labeller, a_scored(2, 3.5))
    assert (known.noticed.novel, new.noticed.novel) == (False, True)
    assert new.noticed.rate == pytest.approx(0.001 * math.sqrt(10))
    (after,) = push(labeller, an_event("gap", epoch=1), a_scored(9, 1.5, epoch=1))
    assert not after.noticed.novel
    (silent,) = push(labeller, a_scored(10, None, epoch=1))
    assert silent.noticed is None


def test_the_screen_and_the_lines_show_it_beside_the_label(labeller):
    (_, new) = push(labeller, a_model(), a_scored(0, 1.0, DOG), a_scored(1, 4.5, DOG))
    console = Console(file=io.StringIO(), width=200)
    console.print(table({"a": new}, labeller.scale))
    shown = console.file.getvalue()
    assert "dog" in shown
    assert "below 0.1 %: never heard anything like this" in shown
    line = json.loads(json.dumps(as_dict(new)))
    told = {key: line[key] for key in ("novelty", "novelty_rate", "novel", "drifting")}
    assert told == {"novelty": 4.5, "novelty_rate": 0.001, "novel": True, "drifting": False}


def test_a_drift_is_told_once_and_its_end_once(labeller):
    said = []
    notices = Notices(labeller, NoveltySettings(), said.append)
    scores = [3.5] * 900 + [1.0] * 3600
    for one in push(labeller, a_model(), *(a_scored(k, score) for k, score in enumerate(scores))):
        notices.take(one)
    assert len(said) == 2
    assert "a: for 10 minutes what is heard has been unlike" in said[0]
    assert "microphone" in said[0]
    assert "like the model's training again" in said[1]


def test_a_rate_that_the_model_cannot_tell_is_said_once(labeller):
    said = []
    notices = Notices(labeller, NoveltySettings(rate=0.0001), said.append)
    for one in push(labeller, a_model(), a_scored(0, 1.0), a_scored(1, 1.0)):
        notices.take(one)
    assert said == [
        "the model can tell rates of 0.001 to 0.5; novelty is told at the nearest of them, not at 0.0001"
    ]


def test_the_rate_comes_from_the_flag_else_from_the_file(tmp_path):
    path = tmp_path / "classify.toml"
    path.write_text("[novelty]\nrate = 0.05\ndrift_alarms_per_day = 1.0\n")
    found = settings_from(path, {}, {}, ())
    assert found.novelty == NoveltySettings(rate=0.05, drift_alarms_per_day=1.0)
    assert settings_from(path, {}, {}, (), {"rate": 0.002}).novelty.rate == 0.002
    assert settings_from(None, {}, {}, (), {"rate": None}).novelty == NoveltySettings()
    for wrong in (0.0, 1.0, -1.0, math.nan):
        with pytest.raises(ConfigurationError, match=r"novelty\.rate"):
            settings_from(None, {}, {}, (), {"rate": wrong})
