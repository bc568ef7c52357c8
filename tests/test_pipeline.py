"""The pipeline places every embedding, and accounts for every sample, whatever happens to the stream."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import FRONTEND, SEGMENT, noise, tiny_model

from streamdeep.accounting import Account
from streamdeep.errors import ConfigurationError
from streamdeep.frontend.damage import ABSURD, sanitise
from streamdeep.pipeline import Pipeline
from streamdeep.records import Block, Flag

SPAN = FRONTEND.span_samples(SEGMENT.length_frames)  # 4000 samples: half a second
HOP = SEGMENT.hop_frames * FRONTEND.hop_samples


def embed(samples, rate_hz=8000, start=0, **options):
    pipeline = Pipeline(tiny_model(), rate_hz, samples.shape[1], **options)
    return pipeline.push(Block(samples, start)) + pipeline.flush(), pipeline.ledger()


def test_segments_lie_where_their_hop_says():
    found, ledger = embed(noise(20_000))
    assert [record.start_sample for record in found] == [HOP * k for k in range(len(found))]
    assert {record.n_samples for record in found[:-1]} == {SPAN}
    assert ledger.embedded == 20_000
    assert ledger.unaccounted == ledger.in_flight == 0


def test_segments_without_overlap_tile_and_what_lies_between_is_skipped():
    found, ledger = embed(noise(20_000), hop_frames=40)
    starts = [record.start_sample for record in found]
    assert starts == [6400 * k for k in range(len(found))]
    assert ledger.skipped == 20_000 - ledger.embedded
    assert ledger.skipped > 0


@pytest.mark.parametrize("rate_hz", [11025, 44100, 48000])
def test_a_resampled_stream_is_placed_in_the_sources_samples(rate_hz):
    found, ledger = embed(noise(3 * rate_hz), rate_hz)
    for k, record in enumerate(found[:-1]):
        assert record.start_sample == k * HOP * rate_hz // 8000
        assert record.sample_rate_hz == rate_hz
    assert found[-1].stop_sample <= 3 * rate_hz
    assert ledger.unaccounted == ledger.in_flight == 0


def test_a_file_shorter_than_a_segment_gives_one_partial_embedding():
    found, ledger = embed(noise(1500))
    assert [record.flags for record in found] == [Flag.PARTIAL]
    assert (found[0].start_sample, found[0].n_samples) == (0, 1440)
    assert (ledger.embedded, ledger.skipped) == (1440, 60)


def test_a_file_shorter_than_a_frame_gives_none():
    found, ledger = embed(noise(319))
    assert found == []
    assert (ledger.captured, ledger.skipped, ledger.in_flight) == (319, 319, 0)


def test_a_file_that_ends_with_a_segment_has_no_partial_one():
    found, _ = embed(noise(SPAN))
    assert [record.flags for record in found] == [Flag(0)]


def test_a_gap_drops_what_was_open_and_begins_a_fresh_epoch():
    samples = noise(40_000)
    pipeline = Pipeline(tiny_model(), 8000, 1)
    found = pipeline.push(Block(samples[:10_000], 0))
    found += pipeline.push(Block(samples[10_000:], 13_000))
    found += pipeline.flush()
    ledger = pipeline.ledger()
    second = [record for record in found if record.epoch == 1]
    alone, _ = embed(samples[10_000:], start=13_000)
    for record, expected in zip(second, alone, strict=True):
        np.testing.assert_array_equal(record.vector, expected.vector)
        assert record.start_sample == expected.start_sample
    assert [record.gap_samples for record in second][:2] == [3000, 0]
    assert ledger.gap_samples == 3000
    assert ledger.dropped == {
        "gap": 10_000 - max(record.stop_sample for record in found if record.epoch == 0)
    }
    assert ledger.unaccounted == 0


def test_an_overflow_counts_captured_samples_as_dropped_and_none_as_never_captured():
    pipeline = Pipeline(tiny_model(), 8000, 1)
    pipeline.push(Block(noise(1000), 0))
    pipeline.push(Block(noise(1000), 1500, lost_reason="overflow", gap_samples=0))
    ledger = pipeline.ledger()
    assert (ledger.captured, ledger.dropped, ledger.gap_samples) == (2500, {"overflow": 1500}, 0)
    assert ledger.unaccounted == 0


def test_time_does_not_run_backwards():
    pipeline = Pipeline(tiny_model(), 8000, 1)
    pipeline.push(Block(noise(1000), 500))
    with pytest.raises(ValueError, match="before 1500"):
        pipeline.push(Block(noise(10), 1499))


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 3000), st.sampled_from([0, 0, 0, 1, 700])), max_size=12
    ),
    hop=st.sampled_from([1, 10, 24, 40]),
    rate_hz=st.sampled_from([8000, 11025]),
)
def test_the_ledger_balances_at_every_instant(steps, hop, rate_hz):
    pipeline = Pipeline(tiny_model(), rate_hz, 1, hop_frames=hop)
    at = captured = 0
    embedded = np.zeros(60_000, dtype=bool)
    for length, gap in steps:
        at += gap
        found = pipeline.push(Block(noise(length), at))
        at += length
        captured += length
        for record in found:
            embedded[record.start_sample : record.stop_sample] = True
        ledger = pipeline.ledger()
        assert ledger.unaccounted == 0
        assert ledger.captured == captured
        assert ledger.embedded == embedded.sum()
    for record in pipeline.flush():
        embedded[record.start_sample : record.stop_sample] = True
    ledger = pipeline.ledger()
    assert ledger.in_flight == ledger.unaccounted == 0
    assert ledger.embedded == embedded.sum()


def test_the_count_starts_beyond_two_to_the_31_and_to_the_53_without_harm():
    for start in (2**31 - 2000, 2**53 - 2000):
        found, ledger = embed(noise(9000), start=start)
        assert [record.start_sample - start for record in found] == [
            HOP * k for k in range(len(found))
        ]
        assert ledger.unaccounted == 0


def test_damaged_samples_are_replaced_counted_and_flagged_and_nothing_else_is():
    samples = noise(30_000)
    samples[9000] = np.nan
    samples[9001] = -np.inf
    samples[9002] = 1e20
    samples[20_000] = 1.0
    found, ledger = embed(samples)
    assert (ledger.nonfinite_samples, ledger.clipped_samples) == (3, 1)
    for record in found:
        assert np.isfinite(record.vector).all()
        holds = {at for at in (9000, 20_000) if record.start_sample <= at < record.stop_sample}
        assert (Flag.NONFINITE in record.flags) == (9000 in holds)
        assert (Flag.CLIPPED in record.flags) == (20_000 in holds)


def test_sanitising_leaves_good_samples_alone():
    samples = noise(1000, 2)
    same, nonfinite, clipped = sanitise(samples)
    assert same is samples
    assert nonfinite.size == clipped.size == 0
    wild = np.array([[np.nan, 0.5], [9.0, -9.0], [np.inf, -np.inf], [-1.0, 0.0]], dtype=np.float32)
    replaced, nonfinite, clipped = sanitise(wild)
    np.testing.assert_array_equal(replaced, [[0, 0.5], [ABSURD, -ABSURD], [0, 0], [-1, 0]])
    assert nonfinite.tolist() == [0, 1, 2]
    assert clipped.tolist() == [3]


def test_silence_gives_finite_embeddings_and_a_floor_of_levels():
    found, _ = embed(np.zeros((9000, 1), dtype=np.float32))
    for record in found:
        assert np.isfinite(record.vector).all()
        assert record.level_dbfs == record.peak_dbfs == -200.0


def test_a_full_scale_sine_has_minus_3_dbfs():
    sine = np.sin(2 * np.pi * 500 * np.arange(8000) / 8000).astype(np.float32)[
        :, None
    ] * np.float32(0.999)
    found, _ = embed(sine)
    assert found[0].level_dbfs == pytest.approx(-3.02, abs=0.01)
    assert found[0].peak_dbfs == pytest.approx(-0.01, abs=0.01)


def test_early_embeddings_are_those_of_shorter_segments_and_settle_nothing():
    samples = noise(9000)
    early = Pipeline(tiny_model(), 8000, 1, early_frames=(6,))
    found = early.push(Block(samples, 0))
    plain = Pipeline(tiny_model(), 8000, 1)
    expected = plain.push(Block(samples, 0))
    full = [record for record in found if Flag.EARLY not in record.flags]
    np.testing.assert_array_equal([r.vector for r in full], [r.vector for r in expected])
    assert early.ledger() == plain.ledger()
    first = next(record for record in found if Flag.EARLY in record.flags)
    short, _ = embed(samples[: FRONTEND.span_samples(6)])
    np.testing.assert_array_equal(first.vector, short[0].vector)


@pytest.mark.parametrize(
    ("rate_hz", "n_channels"), [(0, 1), (-44100, 1), (10**7, 1), (8000, 0), (8000, 65)]
)
def test_nonsense_rates_and_channels_are_refused(rate_hz, n_channels):
    with pytest.raises(ConfigurationError, match="out of range"):
        Pipeline(tiny_model(), rate_hz, n_channels)


def test_an_account_settles_each_sample_once():
    account = Account()
    account.begin_epoch(100)
    account.capture(1000)
    account.embed(100, 600)
    account.embed(300, 800)
    account.embed(900, 1000)
    ledger = account.ledger()
    assert (ledger.embedded, ledger.skipped, ledger.in_flight) == (800, 100, 100)
    account.drop_in_flight("reset")
    assert account.ledger().dropped == {"reset": 100}
    assert account.ledger().unaccounted == 0
