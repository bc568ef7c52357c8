"""Streams side by side in a rack give, bit for bit, what each gives alone, whatever happens to them and beside them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import FRONTEND, RATE_HZ, SEGMENT, noise, tiny_model

from streamdeep.config import SegmentLevel, View
from streamdeep.errors import ConfigurationError
from streamdeep.pipeline import Pipeline
from streamdeep.rack.rack import GATHERING_S, Rack
from streamdeep.records import Block, Flag

SECOND_NS = 1_000_000_000


class Feeder:
    """One stream: what its source does, what its rack slot gave, and what a pipeline of its own gives."""

    def __init__(
        self, rack, model, rate_hz, n_channels, *, seed, ring_s=30.0, gain_db=0.0, **options
    ):
        self.rate_hz, self.random = rate_hz, np.random.default_rng(seed)
        self.slot = rack.open(rate_hz, n_channels, ring_s=ring_s, live=False, gain_db=gain_db)
        self.pipeline = Pipeline(model, rate_hz, n_channels, gain_db=gain_db, **options)
        self.shape = n_channels
        # A slot's first epoch begins when it opens; a pipeline's with its first block.
        self.pipeline.push(Block(np.zeros((0, n_channels), np.float32), 0))
        self.at = 0
        self.found, self.restarts, self.wanted = [], [], []

    def write(self, n_samples, *, gap=0, damage=None):
        samples = self.random.uniform(-0.5, 0.5, (n_samples, self.shape)).astype(np.float32)
        if damage is not None and n_samples:
            samples[self.random.integers(n_samples), 0] = damage
        self.at += gap
        stop_ns = (self.at + n_samples) * SECOND_NS // self.rate_hz
        assert self.slot.source.write(samples, stop_ns, gap_samples=gap) == n_samples
        if n_samples:
            self.wanted += self.pipeline.push(Block(samples, self.at))
        self.at += n_samples

    def close(self):
        self.slot.source.close()
        self.wanted += self.pipeline.flush()


def take(rack, feeders, *, turns=10_000):
    """Let the rack work until nothing is due."""
    by_slot = {feeder.slot: feeder for feeder in feeders}
    for _ in range(turns):
        outlook, results = rack.look(0)
        if outlook.delay_s is not None:
            results += rack.turn(outlook, 0)
        elif not results:
            return
        for result in results:
            by_slot[result.slot].restarts += result.restarts
            by_slot[result.slot].found += result.embeddings


def same(found, wanted):
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.vector.tobytes() == other.vector.tobytes()
        nothing = np.zeros(0, np.float32)
        assert replace(one, vector=nothing).__repr__() == replace(other, vector=nothing).__repr__()


streams = st.lists(
    st.tuples(st.sampled_from([RATE_HZ, RATE_HZ, 11025, 44100]), st.sampled_from([1, 1, 2])),
    min_size=1,
    max_size=4,
)


@settings(max_examples=40, deadline=None)
@given(
    streams=streams, data=st.data(), hop_frames=st.sampled_from([10, 24, 40, 7]),
    early=st.sampled_from([(), (5, 11)]),
)  # fmt: skip
def test_whatever_happens_beside_it_a_stream_gives_what_it_gives_alone(
    streams, data, hop_frames, early
):
    model, options = tiny_model(), {"hop_frames": hop_frames, "early_frames": early}
    rack = Rack(model, **options)
    feeders = []
    for number, (rate_hz, n_channels) in enumerate(streams):
        feeders.append(Feeder(rack, model, rate_hz, n_channels, seed=number, **options))
        for _ in range(data.draw(st.integers(1, 6))):
            feeder = data.draw(st.sampled_from(feeders))
            if feeder.slot.source.closed:
                continue
            n_samples = data.draw(st.sampled_from([0, 1, 319, 1000, 8000])) * feeder.rate_hz // 8000
            gap = data.draw(st.sampled_from([0, 0, 0, 700])) if n_samples and feeder.at else 0
            damage = data.draw(st.sampled_from([None, None, 1.0, 50.0, np.nan]))
            feeder.write(n_samples, gap=gap, damage=damage)
            if data.draw(st.booleans()):
                take(rack, feeders, turns=data.draw(st.sampled_from([1, 5, 10_000])))
            for one in feeders:
                assert one.slot.ledger().unaccounted == 0
        if data.draw(st.booleans()):
            data.draw(st.sampled_from(feeders)).slot.source.close()
    for feeder in feeders:
        feeder.close()
    take(rack, feeders)
    for feeder in feeders:
        assert feeder.slot.ended
        same(feeder.found, feeder.wanted)
        assert feeder.slot.ledger() == feeder.pipeline.ledger()


def test_hundreds_of_streams_share_calls_and_keep_their_bits():
    model = tiny_model()
    rack = Rack(model)
    feeders = [Feeder(rack, model, RATE_HZ, 1, seed=number) for number in range(200)]
    for _ in range(4):
        for feeder in feeders:
            feeder.write(1777)
        take(rack, feeders)
    for feeder in feeders:
        feeder.close()
    take(rack, feeders)
    for feeder in feeders:
        same(feeder.found, feeder.wanted)


def test_a_place_that_became_free_is_used_again():
    model = tiny_model()
    rack = Rack(model)
    for seed in range(3):
        for rate_hz in (RATE_HZ, 11025):
            feeder = Feeder(rack, model, rate_hz, 1, seed=seed)
            feeder.write(9000)
            feeder.close()
            take(rack, [feeder])
            same(feeder.found, feeder.wanted)
            assert feeder.slot.number == 0


def test_a_model_that_sees_whole_segments_only_runs_in_a_rack_as_well():
    level = SegmentLevel(clip_below_db=-60.0)
    frontend = FRONTEND.model_copy(
        update={"views": (View(window_samples=320, n_bands=20, level=level),)}
    )
    model = tiny_model(frontend=frontend)
    rack = Rack(model)
    feeders = [Feeder(rack, model, RATE_HZ, 1, seed=seed) for seed in range(3)]
    for feeder in feeders:
        feeder.write(9000)
        take(rack, feeders)
        feeder.write(500, gap=80)
        feeder.close()
    take(rack, feeders)
    for feeder in feeders:
        same(feeder.found, feeder.wanted)
    with pytest.raises(ConfigurationError, match="early"):
        Rack(model, early_frames=(3,))


def test_a_ring_that_was_full_gives_an_epoch_and_every_sample_is_somewhere():
    rack = Rack(tiny_model())
    for rate_hz in (RATE_HZ, 11025):
        slot = rack.open(rate_hz, 1, ring_s=1.0)
        capacity = slot.source.array.capacity_samples
        assert slot.source.write(noise(capacity + 5000), SECOND_NS) == capacity
        ledger = slot.ledger()
        assert (ledger.captured, ledger.in_flight) == (capacity + 5000, capacity)
        assert ledger.dropped == {"overflow": 5000}
        found, restarts = [], []
        for n_samples in (0, 9000):
            if n_samples:
                slot.source.write(noise(n_samples), 2 * SECOND_NS)
                slot.source.close()
            outlook, results = rack.look(0)
            while outlook.delay_s is not None or results:
                results += rack.turn(outlook, 0)
                restarts += [restart for result in results for restart in result.restarts]
                found += [record for result in results for record in result.embeddings]
                assert slot.ledger().unaccounted == 0
                outlook, results = rack.look(0)
        assert [(restart.reason, restart.lost_samples) for restart in restarts] == [
            ("overflow", 5000)
        ]
        assert {record.epoch for record in found} == {0, 1}
        assert slot.ended
        ledger = slot.ledger()
        assert (ledger.captured, ledger.in_flight) == (capacity + 14_000, 0)
        assert ledger.dropped["overflow"] >= 5000


def test_frames_wait_for_others_to_share_a_call_but_not_beyond_the_budget():
    rack = Rack(tiny_model())
    slots = [rack.open(RATE_HZ, 1, ring_s=1.0) for _ in range(80)]
    now_ns = SECOND_NS
    assert rack.look(now_ns)[0].delay_s is None
    slots[0].source.write(noise(320), now_ns - 15_000_000)  # complete, and seen 15 ms later
    delay_s = rack.look(now_ns)[0].delay_s
    assert 0.0 < delay_s <= GATHERING_S
    assert rack.look(now_ns + int(GATHERING_S * 1e9))[0].delay_s == 0.0
    for slot in slots[1:]:
        slot.source.write(noise(320), now_ns)
    outlook, _ = rack.look(now_ns)  # enough for a batch
    assert outlook.delay_s == 0.0
    n_turns = 0
    while outlook.delay_s == 0.0:
        rack.turn(outlook, now_ns)
        outlook, n_turns = rack.look(now_ns)[0], n_turns + 1
    assert n_turns == 3  # of 21 streams with up to 3 open segments each
    assert 0.0 < outlook.delay_s <= GATHERING_S  # the rest may wait anew


def test_few_streams_never_wait_for_each_other():
    rack = Rack(tiny_model())
    slots = [rack.open(RATE_HZ, 1, ring_s=1.0) for _ in range(2)]
    slots[0].source.write(noise(320), SECOND_NS)
    slots[1].source.write(noise(319), SECOND_NS)
    assert rack.look(SECOND_NS)[0].delay_s == 0.0


def test_a_source_wakes_its_reader_when_a_frame_may_be_complete_and_not_before():
    rack, woken = Rack(tiny_model()), []
    slots = {
        rate_hz: rack.open(
            rate_hz, 1, ring_s=1.0, wake=lambda rate_hz=rate_hz: woken.append(rate_hz)
        )
        for rate_hz in (RATE_HZ, 16000)
    }
    for rate_hz, slot in slots.items():
        needed = 320 * rate_hz // RATE_HZ
        slot.source.write(noise(needed - 1), 1)
        assert woken.count(rate_hz) == 0
        slot.source.write(noise(1), 2)
        assert woken.count(rate_hz) == 1


def test_a_partial_segment_is_flagged():
    rack = Rack(tiny_model())
    slot = rack.open(RATE_HZ, 1, ring_s=1.0)
    slot.source.write(noise(1500), 1)
    slot.source.close()
    found = []
    while not slot.ended:
        outlook, results = rack.look(0)
        for result in results + rack.turn(outlook, 0):
            found += result.embeddings
    assert [record.flags for record in found] == [Flag.PARTIAL]
    assert SEGMENT.length_frames > found[0].n_samples // FRONTEND.hop_samples


@pytest.mark.parametrize("rate_hz", [1000, 2500, 48_000])
def test_a_slow_source_is_resampled_though_much_is_handed_out_at_once(rate_hz):
    model = tiny_model()
    rack = Rack(model)
    feeder = Feeder(rack, model, rate_hz, 1, seed=1)
    for n_samples in (17, rate_hz, 3, rate_hz // 3):
        feeder.write(n_samples)
        take(rack, [feeder])
    feeder.close()
    take(rack, [feeder])
    same(feeder.found, feeder.wanted)
