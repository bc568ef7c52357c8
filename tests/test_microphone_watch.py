"""What is lost is told, what is late is not called lost, and what is dead is noticed: on time stamps made up."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamdeep.audio.backoff import Backoff
from streamdeep.audio.clock import ClockModel
from streamdeep.audio.watch import TICK_S, Loss, Outage, Trouble, Watch

RATE_HZ = 16_000
BLOCK = 160


class Card:
    """A sound card on a made-up time line, and the watch over it.

    Attributes:
        now_s: the monotonic clock.
        losses: what the watch told.
    """

    def __init__(self, watch=None, *, adc_jitter_s=0.0, late_s=0.0, ppm=0.0, seed=0):
        self.watch = watch or Watch(RATE_HZ)
        self.losses = []
        self.card_s = 1000.0  # when the next block's first sample is captured
        self._adc_jitter_s, self._late_s = adc_jitter_s, late_s
        self._block_s = BLOCK / RATE_HZ / (1 + ppm / 1e6)
        self._random = np.random.default_rng(seed)
        self.now_s = 0.0
        self.stalled_until_s = 0.0

    def capture(self, seconds, *, silent=False):
        for _ in range(round(seconds / self._block_s)):
            adc_s = 7.7e8 + self.card_s + self._random.uniform(-1, 1) * self._adc_jitter_s
            self.card_s += self._block_s
            # Delivered late by a little, in order, and not while it stalls.
            late_s = self._random.uniform(0, 1) * self._late_s
            self.now_s = max(self.now_s, self.card_s + late_s, self.stalled_until_s)
            captured_ns = round(self.card_s * 1e9)
            now_ns = round(self.now_s * 1e9)
            loss = self.watch.block(now_ns, captured_ns, adc_s, BLOCK, silent=silent)
            if loss is not None:
                self.losses.append(loss)

    def lose(self, seconds):
        self.card_s += seconds

    def stall(self, seconds):
        """Blocks wait so long, and come all at once then."""
        self.stalled_until_s = self.now_s + seconds


def test_a_steady_clock_gives_losses_exactly():
    card = Card(adc_jitter_s=0.00005, late_s=0.01)  # PipeWire, as measured
    card.capture(5)
    card.lose(11_072 / RATE_HZ)
    card.capture(3)
    card.lose(BLOCK / RATE_HZ)
    card.capture(3)
    assert [loss.estimated for loss in card.losses] == [False, False]
    assert abs(card.losses[0].n_samples - 11_072) <= 2
    assert abs(card.losses[1].n_samples - BLOCK) <= 2


def test_an_unsteady_clock_is_not_believed_and_the_loss_is_estimated_after_a_second():
    card = Card(adc_jitter_s=0.02, late_s=0.02)  # PulseAudio, as measured
    card.capture(5)
    card.lose(0.7)
    before_s = card.now_s
    while not card.losses:
        card.capture(0.01)
    assert 1.0 <= card.now_s - before_s < 1.8
    card.capture(10)
    (loss,) = card.losses
    assert loss.estimated
    assert loss.n_samples / RATE_HZ == pytest.approx(0.7, abs=0.03)


def test_what_comes_late_but_comes_is_no_loss():
    for adc_jitter_s in (0.00005, 0.02):
        card = Card(adc_jitter_s=adc_jitter_s, late_s=0.01)
        card.capture(5)
        card.stall(3.0)
        card.capture(10)
        assert card.losses == []


def test_a_cards_rate_is_no_loss():
    for ppm in (-400, 400):
        card = Card(adc_jitter_s=0.02, late_s=0.02, ppm=ppm)
        card.capture(900)
        assert card.losses == []


def test_small_losses_that_the_clock_cannot_see_add_up_to_one_it_can():
    card = Card(adc_jitter_s=0.02, late_s=0.005)
    card.capture(5)
    for _ in range(10):
        card.lose(0.02)
        card.capture(2)
    card.capture(5)
    assert sum(loss.n_samples for loss in card.losses) / RATE_HZ == pytest.approx(0.2, abs=0.06)
    assert all(loss.estimated for loss in card.losses)


def test_a_jump_of_the_cards_clock_alone_is_no_loss():
    watch = Watch(RATE_HZ)
    for number in range(2000):  # a clock that is set an hour ahead, as CLOCK_REALTIME may be
        adc_s = number * 0.01 + (3600.0 if number > 1000 else 0.0)
        now_ns = round((number + 1) * 1e7)
        assert watch.block(now_ns, now_ns, adc_s, BLOCK, silent=False) is None


def test_an_outage_is_a_gap_as_long_as_it_lasted():
    watch = Watch(RATE_HZ, after=Outage(5_000_000_000, Trouble.ENDED))
    loss = watch.block(7_510_000_000, 7_510_000_000, math.nan, BLOCK, silent=False)
    assert loss == Loss(40_000, True, Trouble.ENDED)
    assert watch.block(7_520_000_000, 7_520_000_000, math.nan, BLOCK, silent=False) is None


def test_an_outage_too_short_to_measure_still_cuts_the_stream():
    watch = Watch(RATE_HZ, after=Outage(5_000_000_000, Trouble.STALLED))
    loss = watch.block(5_000_000_000, 5_000_000_000, 0.0, BLOCK, silent=False)
    assert loss.n_samples == 1


def looked(watch, from_s, seconds):
    """Look every tick; when trouble was seen first, and which."""
    for number in range(round(seconds / TICK_S) + 1):
        at_s = from_s + number * TICK_S
        trouble = watch.look(round(at_s * 1e9))
        if trouble is not None:
            return at_s - from_s, trouble
    return None


def test_a_stall_is_noticed_within_600_ms():
    card = Card()
    card.capture(1)
    after_s, trouble = looked(card.watch, card.now_s, 5)
    assert trouble is Trouble.STALLED
    assert after_s <= 0.6


def test_large_blocks_have_five_blocks_time():
    watch = Watch(RATE_HZ)
    for number in range(10):
        now_ns = (number + 1) * 1_000_000_000
        watch.block(now_ns, now_ns, float(number), RATE_HZ, silent=False)
    assert looked(watch, 10.0, 4.9) is None
    after_s, _ = looked(watch, 15.0, 5)
    assert after_s <= 0.3


def test_a_device_that_never_begins_is_noticed_after_five_seconds():
    after_s, trouble = looked(Watch(RATE_HZ), 100.0, 20)
    assert trouble is Trouble.NEVER_BEGAN
    assert 5.0 <= after_s <= 5.2


def test_time_in_which_this_process_did_not_run_is_no_stall():
    card = Card()
    card.capture(1)
    assert card.watch.look(round(card.now_s * 1e9)) is None
    assert card.watch.look(round((card.now_s + 60) * 1e9)) is None


def test_silence_is_trouble_only_where_there_was_sound():
    card = Card()
    card.capture(10, silent=True)
    assert card.watch.look(0) is None
    card.capture(1)
    card.capture(1.9, silent=True)
    assert card.watch.look(1) is None
    card.capture(0.2, silent=True)
    assert card.watch.look(2) is Trouble.SILENT
    card.capture(0.01)
    assert card.watch.look(3) is None
    again = Card(Watch(RATE_HZ, heard=True))
    again.capture(2.1, silent=True)
    assert again.watch.look(4) is Trouble.SILENT


@settings(max_examples=60, deadline=None)
@given(
    lost_blocks=st.integers(10, 300),
    late_s=st.floats(0, 0.02),
    adc_jitter_s=st.sampled_from([0.0, 0.00005, 0.02]),
    seed=st.integers(0, 1000),
)
def test_whatever_the_jitter_a_loss_is_told_once_and_within_50_ms(
    lost_blocks, late_s, adc_jitter_s, seed
):
    card = Card(adc_jitter_s=adc_jitter_s, late_s=late_s, seed=seed)
    card.capture(5)
    card.lose(lost_blocks * BLOCK / RATE_HZ)
    card.capture(5)
    told = sum(loss.n_samples for loss in card.losses)
    assert abs(told - lost_blocks * BLOCK) <= 0.05 * RATE_HZ
    assert len(card.losses) == 1


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 10**10), st.floats(allow_nan=True), st.integers(1, 5000), st.booleans()),
        max_size=40,
    )
)  # fmt: skip
def test_no_time_stamp_makes_the_callback_raise_or_tell_nonsense(blocks):
    watch, now_ns = Watch(RATE_HZ), 0
    for step_ns, adc_s, n_samples, silent in blocks:
        now_ns += step_ns
        loss = watch.block(now_ns, now_ns, adc_s, n_samples, silent=silent)
        assert loss is None or loss.n_samples > 0
        watch.look(now_ns)


def test_the_clock_model_finds_the_true_rate_behind_late_blocks():
    random, clock = np.random.default_rng(1), ClockModel(48_000)
    true_hz = 48_000 * (1 + 37e-6)
    n_samples, soonest_ns = 0, 0
    for _ in range(12_000):  # two minutes
        n_samples += 480
        soonest_ns = max(soonest_ns, round((n_samples / true_hz + random.exponential(0.005)) * 1e9))
        clock.see(10**15 + soonest_ns, n_samples)
    assert clock.deviation_ppm == pytest.approx(37, abs=3)
    assert clock.uncertainty_ppm < 3
    assert clock.rate_hz == pytest.approx(true_hz, abs=0.2)


def test_the_clock_model_says_nothing_before_it_knows():
    clock = ClockModel(8000)
    for number in range(1500):
        clock.see(number * 10_000_000, number * 80)
    assert clock.deviation_ppm is None
    assert clock.uncertainty_ppm is None
    assert clock.rate_hz == 8000
    clock.see(10**11, 10)
    clock.restart()
    assert clock.deviation_ppm is None


def test_waits_double_up_to_two_minutes_and_are_short_again_after_success():
    backoff = Backoff()
    assert [backoff.failed() for _ in range(9)] == [1, 2, 4, 8, 16, 32, 64, 120, 120]
    backoff.worked()
    assert backoff.failed() == 1
