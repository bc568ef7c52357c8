"""What is counted on about the resampler: how much it holds back, and how much it keeps."""

import numpy as np
import pytest

from streamdeep.audio.resample import PART_SAMPLES, Resampler, held_most_s

RATES_HZ = (8_000, 22_050, 44_100, 48_000, 96_000)


@pytest.mark.parametrize("quality", ["HQ", "VHQ"])
@pytest.mark.parametrize("model_rate_hz", RATES_HZ)
def test_no_more_is_held_back_than_room_is_kept_for(model_rate_hz, quality):
    for rate_hz in RATES_HZ:
        samples = np.random.default_rng(1).normal(0, 0.1, (rate_hz // 2, 1)).astype(np.float32)
        for part in (64, 441, PART_SAMPLES):
            resampler = Resampler(rate_hz, model_rate_hz, 1, quality=quality)
            taken = made = 0
            for start in range(0, len(samples), part):
                block = samples[start : start + part]
                taken += len(block)
                made += sum(map(len, resampler.push(block)))
                held_s = taken / rate_hz - made / model_rate_hz
                assert held_s <= held_most_s(rate_hz, model_rate_hz)


def test_a_long_block_comes_out_in_one_piece_equal_to_short_ones():
    samples = np.random.default_rng(2).normal(0, 0.1, (20 * PART_SAMPLES + 7, 2)).astype(np.float32)
    whole, cut = Resampler(48_000, 44_100, 2), Resampler(48_000, 44_100, 2)
    (found,) = whole.push(samples)
    pieces = [piece for part in np.array_split(samples, 333) for piece in cut.push(part)]
    assert np.array_equal(
        np.concatenate((found, *whole.flush())), np.concatenate((*pieces, *cut.flush()))
    )
    assert found.shape == (len(found), 2)
