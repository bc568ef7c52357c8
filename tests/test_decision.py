"""From probabilities to sounds: no flicker, the same however it is cut, thresholds that do what they say."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from streamdeep.config import describe, load_toml
from streamdeep.errors import ConfigurationError
from streamdeep.heads.decision import AT_ONCE_MOST, Decider
from streamdeep.heads.scores import Scores
from streamdeep.heads.settings import UNKNOWN, DecisionSettings
from streamdeep.heads.smoothing import Smoother

RATE_HZ = 1000
LENGTH, HOP = 5000, 1000
LABELS = ("dog", "rain", UNKNOWN)

chances = st.floats(0.0, 1.0)
rows = st.lists(st.tuples(chances, chances, chances), min_size=1, max_size=40)
plans = st.fixed_dictionaries(
    {
        "on": st.floats(0.3, 1.0),
        "off": st.none() | st.floats(0.01, 0.3),
        "min_on_s": st.floats(0, 4),
        "min_off_s": st.floats(0, 4),
    }
)
cuts = st.lists(st.integers(0, 40), max_size=6)


def segments(rows, hop=HOP, length=LENGTH, start=0):
    return [
        Scores(start + i * hop, length, RATE_HZ, np.array(row, dtype=np.float64))
        for i, row in enumerate(rows)
    ]


def pieces(items, places):
    borders = sorted({0, len(items), *(min(place, len(items)) for place in places)})
    return [items[a:b] for a, b in itertools.pairwise(borders)]


def decider(labels=LABELS, **plan):
    return Decider(DecisionSettings(**plan).thresholds(labels))


def heard(rows, labels=("dog",), **plan):
    """Every change of one class, the end of the stream included."""
    one = decider(labels, **plan)
    return one.push(segments([(row,) for row in rows])) + one.flush("stop")


@settings(deadline=None)
@given(rows, plans, cuts, st.floats(0, 5))
def test_sounds_do_not_depend_on_how_segments_are_handed_in(rows, plan, places, smoothing_s):
    whole, cut = decider(**plan), decider(**plan)
    one, other = Smoother(smoothing_s), Smoother(smoothing_s)
    expected = whole.push(one.push(segments(rows)))
    found = [
        change for piece in pieces(segments(rows), places) for change in cut.push(other.push(piece))
    ]
    assert found == expected
    assert cut.sounds() == whole.sounds()
    assert cut.flush() == whole.flush()


@settings(deadline=None)
@given(rows, plans, st.integers(0, 2**60))
def test_sounds_do_not_depend_on_when_the_stream_began(rows, plan, start):
    early, late = decider(**plan), decider(**plan)
    first = early.push(segments(rows)) + early.flush()
    second = late.push(segments(rows, start=start)) + late.flush()
    assert [(s.state, s.label, s.start_sample + start, s.n_samples) for s in first] == [
        (s.state, s.label, s.start_sample, s.n_samples) for s in second
    ]


@settings(deadline=None, max_examples=300)
@given(rows, plans, st.integers(100, 5000))
def test_nothing_flickers_within_the_minimum_durations(rows, plan, hop):
    one = decider(**plan)
    changes = one.push(segments(rows, hop=hop))
    n_cut = len(one.sounds())
    changes += one.flush("stop")
    for label in LABELS:
        mine = [sound for sound in changes if sound.label == label]
        assert [sound.state for sound in mine] == ["start", "end"] * (len(mine) // 2)
        ends = mine[1::2]
        assert [sound.start_sample for sound in mine[::2]] == [s.start_sample for s in ends]
        for sound in ends:
            assert sound.n_samples >= plan["min_on_s"] * RATE_HZ
            assert sound.n_samples > 0
            assert 0.0 <= sound.confidence <= 1.0
        for before, after in itertools.pairwise(ends):
            assert after.start_sample - before.stop_sample >= plan["min_off_s"] * RATE_HZ
    assert n_cut <= len(LABELS)
    assert not [sound for sound in changes if sound.label == UNKNOWN]


@settings(deadline=None)
@given(rows, plans)
def test_a_sound_lies_within_its_stream_and_is_at_least_as_likely_as_off(rows, plan):
    one = decider(**plan)
    changes = one.push(segments(rows)) + one.flush()
    stop = (len(rows) - 1) * HOP + LENGTH
    off = plan["off"] if plan["off"] is not None else 0.7 * plan["on"]
    for sound in changes:
        assert 0 <= sound.start_sample < sound.stop_sample <= stop
        assert sound.confidence >= off


@settings(deadline=None)
@given(rows, plans)
def test_between_the_thresholds_nothing_changes(rows, plan):
    assume(plan["off"] is not None)
    low, high = plan["off"], np.nextafter(plan["on"], 0)
    one = decider(**plan)
    # A sum of two rounded numbers may reach the upper threshold itself.
    between = [tuple(min(low + (high - low) * chance, high) for chance in row) for row in rows]
    before = one.push(segments([(1.0, 0.0, 0.0)] * 8))
    changes = one.push(segments(between, start=8 * HOP))
    assert [sound.label for sound in before] == ["dog"]
    # What had begun goes on, and what had not does not begin.
    assert changes == []
    assert [sound.label for sound in one.sounds()] == ["dog"]


@settings(deadline=None)
@given(rows, plans)
def test_after_a_flush_it_is_as_new(rows, plan):
    used, new = decider(**plan), decider(**plan)
    used.push(segments([(1.0, 0.5, 0.2)] * 3))
    used.flush()
    assert used.push(segments(rows)) == new.push(segments(rows))
    used.reset()
    assert used.sounds() == []
    assert used.flush() == []


def test_a_sound_begins_and_ends_where_half_of_a_segment_is_filled():
    # From 10 s to 20 s: of segments of 5 s every second, those that end from 12.5 s to 22.5 s are half full.
    share = [max(0, min(20, k + 5) - max(10, k)) / 5 for k in range(30)]
    start, end = heard(share, on=0.5, off=0.5)
    assert (start.state, end.state) == ("start", "end")
    assert start.start_sample == end.start_sample == 10_000
    assert abs(end.stop_sample - 20_000) <= HOP
    assert end.confidence == pytest.approx(np.mean([s for s in share if s >= 0.5]))


def test_the_first_and_the_last_segment_reach_to_their_ends():
    start, end = heard([1.0, 1.0])
    assert (start.start_sample, end.stop_sample) == (0, HOP + LENGTH)
    assert end.reason == "stop"
    start, end = heard([1.0, 0.0])
    assert (end.stop_sample, end.reason) == (LENGTH // 2 + HOP // 2, "")


def test_a_short_sound_is_not_told_and_a_short_pause_does_not_end_one():
    blip = [0.0] * 5 + [1.0] + [0.0] * 5
    assert heard(blip, min_on_s=2.0) == []
    assert len(heard(blip)) == 2
    pause = [1.0] * 5 + [0.0] + [1.0] * 5
    assert [sound.state for sound in heard(pause)] == ["start", "end"] * 2
    start, end = heard(pause, min_off_s=2.0)
    assert (start.start_sample, end.n_samples) == (0, 10 * HOP + LENGTH)


def test_what_is_announced_late_begins_where_it_began():
    one = decider(("dog",), min_on_s=3.0)
    found = [one.push([segment]) for segment in segments([(0.0,)] * 3 + [(1.0,)] * 6)]
    at = next(i for i, changes in enumerate(found) if changes)
    assert at == 6
    assert found[at][0].start_sample == 2 * HOP + LENGTH // 2 + HOP // 2


def test_one_segment_may_be_all_there_is():
    start, end = heard([0.9], min_on_s=5.0)
    assert (start.state, end.state, end.n_samples) == ("start", "end", LENGTH)
    assert heard([0.9], min_on_s=5.1) == []


def test_classes_have_thresholds_of_their_own():
    plan = DecisionSettings(
        on=0.6, classes={"dog": {"on": 0.2}, "rain": {"report": False}, "sea": {"min_on_s": 100}}
    )
    one = Decider(plan.thresholds(("dog", "rain", "sea", "owl")))
    found = one.push(segments([(0.3, 1.0, 1.0, 0.3)] * 10))
    assert [sound.label for sound in found] == ["dog"]
    found = one.push(segments([(0.15, 0.0, 0.0, 0.7), (0.13, 0, 0, 0.7)], start=10 * HOP))
    assert [(sound.state, sound.label) for sound in found] == [("start", "owl"), ("end", "dog")]


def test_no_more_sounds_go_on_at_once_than_a_message_can_tell():
    labels = tuple(f"class {i}" for i in range(100))
    one = decider(labels, off=0.5)
    assert len(one.push(segments([[1.0] * 100]))) == AT_ONCE_MOST == len(one.sounds())
    changes = one.push(segments([[0.0] * 50 + [1.0] * 50], start=HOP))
    assert [sound.state for sound in changes] == ["end"] * AT_ONCE_MOST + ["start"] * AT_ONCE_MOST
    assert len(one.flush()) == AT_ONCE_MOST


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"on": 0.4, "off": 0.5}, "off 0.5 lies above on 0.4"),
        ({"classes": {"dog": {"off": 0.9}}}, "classes.dog: off 0.9 lies above on 0.6"),
        ({"on": 1.5}, "on: Input should be less than or equal to 1"),
        ({"smoothing_s": -1}, "smoothing_s: "),
        ({"min_on_s": float("nan")}, "min_on_s: "),
        ({"hysteresis": 1}, "unknown key 'hysteresis'"),
        ({"classes": {"dog": {"loud": 1}}}, "unknown key 'classes.dog.loud'"),
    ],
)
def test_settings_that_cannot_be_are_one_line(values, says):
    with pytest.raises(ValidationError) as caught:
        DecisionSettings.model_validate(values)
    assert says in describe(caught.value)
    assert "\n" not in describe(caught.value)


def test_a_class_that_the_head_does_not_have_is_named_with_the_nearest():
    with pytest.raises(ConfigurationError, match="no class 'Dog'; the nearest is 'dog'"):
        DecisionSettings(classes={"Dog": {"on": 0.5}}).thresholds(LABELS)


def test_settings_come_from_toml(tmp_path):
    path = tmp_path / "decision.toml"
    path.write_text('on = 0.5\nmin_on_s = 2\n[classes."Dog bark"]\non = 0.3\noff = 0.25\n')
    found = load_toml(path, DecisionSettings).thresholds(("Dog bark", "Rain"))
    assert found.on.tolist() == [0.3, 0.5]
    assert found.off.tolist() == [0.25, 0.35]
    assert found.min_on_s.tolist() == [2.0, 2.0]


@settings(deadline=None)
@given(
    st.lists(chances, min_size=1, max_size=20), st.sampled_from([2, 4, 5, 10]), st.floats(0.1, 10)
)
def test_the_mean_over_time_does_not_depend_on_the_segment_hop(levels, finer, time_constant_s):
    """A signal that changes at whole seconds only has the same mean at these, whatever the hop."""

    def means(n_per_second):
        step = RATE_HZ // n_per_second
        pushed = [
            Scores(second * RATE_HZ + part * step, LENGTH, RATE_HZ, np.array([level]))
            for second, level in enumerate(levels)
            for part in range(1, n_per_second + 1)
        ]
        return [one.probabilities[0] for one in Smoother(time_constant_s).push(pushed)]

    assert means(finer)[finer - 1 :: finer] == pytest.approx(means(1), abs=1e-12)


def test_a_step_has_gone_63_percent_of_its_way_after_the_time_constant():
    smoother = Smoother(3.0)
    (first, *_, last) = smoother.push(segments([(0.0,)] + [(1.0,)] * 3))
    assert first.probabilities[0] == 0.0
    assert last.probabilities[0] == pytest.approx(1 - np.exp(-1))


@settings(deadline=None)
@given(rows, st.floats(0, 10))
def test_a_mean_stays_between_what_it_is_of(rows, time_constant_s):
    found = np.array([s.probabilities for s in Smoother(time_constant_s).push(segments(rows))])
    given = np.array(rows)
    assert (found >= given.min(axis=0) - 1e-12).all()
    assert (found <= given.max(axis=0) + 1e-12).all()
    if time_constant_s == 0:
        np.testing.assert_array_equal(found, given)


def test_a_reset_forgets():
    smoother = Smoother(5.0)
    smoother.push(segments([(1.0,)] * 4))
    smoother.reset()
    assert smoother.push(segments([(0.25,)]))[0].probabilities.tolist() == [0.25]
    assert smoother.flush() == []
    with pytest.raises(ValueError, match="time_constant_s"):
        Smoother(-1.0)
