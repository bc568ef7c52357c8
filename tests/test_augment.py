"""What is done to crops: each thing as it says, the same for the same seed, nothing unless it is asked for."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from trainer_data import RECIPE, random_spectrograms

from streamdeep.config import FixedLevel
from streamdeep.errors import ConfigurationError
from streamdeep_trainer.augment import Augmentation, band_limited, mixed, shifted_bands
from streamdeep_trainer.augment_recipe import AugmentRecipe, MaskRecipe
from streamdeep_trainer.batches import Batches
from streamdeep_trainer.config import STORED_FLOOR_DB, Recipe
from streamdeep_trainer.inputs.training import training_rows
from streamdeep_trainer.masks import draw_masks

EVERYTHING = {
    "crop": 0.75,
    "mix": 0.5,
    "roll": True,
    "shift_bands": 3,
    "source_rates_hz": (2000, 4000),
    "gain_db": 6.0,
}
KINDS = {
    "nothing": {},
    "crop": {"crop": 0.5},
    "mix": {"mix": 0.5},
    "roll": {"roll": True},
    "shift": {"shift_bands": 3},
    "source rates": {"source_rates_hz": (2000,)},
    "gain": {"gain_db": 10.0},
    "everything": EVERYTHING,
}
FRONTEND = RECIPE.frontend.stored()


def decibels(n_frames=30, seed=0):
    random = np.random.default_rng(seed)
    return random.uniform(-110.0, -10.0, (n_frames, 20)).astype(np.float32)


def batches(augment, objective="reconstruction"):
    content = RECIPE.model_dump()
    content["fit"]["gain_db"] = 0.0
    changed = {"augment": augment, "objective": {"kind": objective}}
    return Batches(random_spectrograms(), Recipe.model_validate(content | changed), (-90.0, -20.0))


@pytest.mark.parametrize("augment", KINDS.values(), ids=KINDS)
def test_the_same_seed_draws_the_same_crops_and_another_does_not(augment):
    rows, source = np.arange(8), batches(augment)
    first, again, other = (
        source.training(rows, np.random.default_rng(seed)).frames for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)


@pytest.mark.parametrize("augment", KINDS.values(), ids=KINDS)
def test_shapes_stay_and_values_lie_in_the_encoders_range(augment):
    batch = batches(augment).training(np.arange(8), np.random.default_rng(0))
    longest = round(24 * augment.get("crop", 1.0))
    assert batch.lengths.tolist() == np.minimum(random_spectrograms().lengths, longest).tolist()
    assert batch.frames.shape == (8, longest, 20)
    assert batch.frames.dtype == torch.float32
    assert batch.frames.abs().max() <= 1.0
    assert batch.hidden is None


def test_what_is_not_asked_for_draws_nothing():
    random = np.random.default_rng(0)
    made = decibels()
    found = Augmentation.of(AugmentRecipe(), FRONTEND)(made, lambda: decibels(seed=1), random)
    np.testing.assert_array_equal(found, made)
    assert random.integers(1 << 30) == np.random.default_rng(0).integers(1 << 30)


def test_a_crop_is_not_written_to():
    made = decibels()
    before = made.copy()
    Augmentation.of(AugmentRecipe.model_validate(EVERYTHING), FRONTEND)(
        made, lambda: decibels(seed=1), np.random.default_rng(0)
    )
    np.testing.assert_array_equal(made, before)


def test_mixing_weighs_powers():
    left, right = np.full((4, 2), -20.0, np.float32), np.full((2, 2), -10.0, np.float32)
    found = mixed(left, right, 0.25)
    both, alone = 10 * np.log10(0.75 * 0.01 + 0.25 * 0.1), 10 * np.log10(0.75 * 0.01)
    np.testing.assert_allclose(found[:2], both, rtol=1e-6)
    np.testing.assert_allclose(found[2:], alone, rtol=1e-6)  # the other has ended
    np.testing.assert_array_equal(mixed(left, right, 0.0), left)


def test_silence_mixed_with_silence_is_silence():
    silent = np.full((4, 2), STORED_FLOOR_DB, np.float32)
    np.testing.assert_array_equal(mixed(silent, silent, 0.3), silent)


def test_a_roll_loses_no_frame():
    made = decibels()
    augmentation = Augmentation.of(AugmentRecipe(roll=True), FRONTEND)
    found = augmentation(made, decibels, np.random.default_rng(3))
    assert not np.array_equal(found, made)
    np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(made, axis=0))
    np.testing.assert_array_equal(
        np.diff(found, axis=0).max(), np.diff(np.tile(made, (2, 1)), axis=0).max()
    )


def test_a_shift_moves_bands_and_repeats_the_outermost():
    made = decibels()
    np.testing.assert_array_equal(shifted_bands(made, 2)[:, 2:], made[:, :-2])
    np.testing.assert_array_equal(shifted_bands(made, 2)[:, :2], made[:, [0, 0]])
    np.testing.assert_array_equal(shifted_bands(made, -2)[:, :-2], made[:, 2:])
    np.testing.assert_array_equal(shifted_bands(made, 0), made)


def test_a_slower_source_has_nothing_above_half_its_rate():
    centres_hz = Augmentation.of(AugmentRecipe(), FRONTEND).centres_hz
    found = band_limited(decibels(), centres_hz, 4000)
    assert (found[:, centres_hz >= 2000] == STORED_FLOOR_DB).all()
    np.testing.assert_array_equal(found[:, centres_hz < 2000], decibels()[:, centres_hz < 2000])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(band_limited(decibels(), centres_hz, np.inf), decibels())


def test_band_limits_are_where_a_resampled_sound_ends(tmp_path):
    import soundfile

    from streamdeep_trainer.spectrograms import frames_of

    random = np.random.default_rng(0)
    for rate_hz in (4000, 8000):
        noise = 0.1 * random.standard_normal(2 * rate_hz)
        soundfile.write(tmp_path / f"{rate_hz}.wav", noise, rate_hz, subtype="FLOAT")
    slow, full = (
        100.0 * (frames_of(tmp_path / f"{rate}.wav", FRONTEND).values + 1.0) - 160.0
        for rate in (4000, 8000)
    )
    centres_hz = Augmentation.of(AugmentRecipe(), FRONTEND).centres_hz
    corners_hz = np.concatenate(([0.0], centres_hz, [4000.0]))
    whole = (corners_hz[2:] <= 2000) | (corners_hz[:-2] >= 2000)  # on one side of half the rate
    assert 18 <= whole.sum() < 20
    limited = band_limited(full, centres_hz, 4000)
    heard, kept = (np.median(frames, axis=0) > -75.0 for frames in (slow, limited))
    np.testing.assert_array_equal(heard[whole], kept[whole])


def test_masks_lie_within_rows_and_take_half_at_most_each():
    lengths = np.array([24, 9, 1])
    recipe = MaskRecipe(frame_stretches=1, longest_frames=20, band_stretches=1, widest_bands=16)
    widths = set()
    for seed in range(200):
        hidden = draw_masks(lengths, (3, 24, 20), recipe, np.random.default_rng(seed))
        for row, length in zip(hidden, lengths, strict=True):
            assert not row[length:].any()
            assert row[:length].any()
            n_whole_frames, n_whole_bands = row[:length].all(1).sum(), row[:length].all(0).sum()
            if length > 1:
                assert n_whole_frames <= length // 2
                assert n_whole_bands <= 10
        widths.add(int(hidden[0].all(1).sum()))
    assert widths == set(range(1, 13))


def test_masks_of_the_augmentation_hide_and_change_nothing_else():
    plain = batches({}, "prediction").training(np.arange(8), np.random.default_rng(0))
    masks = {"masks": {"longest_frames": 4, "widest_bands": 4}}
    masked = batches(masks, "prediction").training(np.arange(8), np.random.default_rng(0))
    assert torch.equal(plain.frames, masked.frames)
    assert masked.hidden.any(dim=(1, 2)).all()


def test_held_out_clips_are_heard_as_they_are_each_time_alike():
    source = batches(EVERYTHING, "masked")
    first, again = source.held_out(np.arange(8)), source.held_out(np.arange(8))
    plain = batches({}).held_out(np.arange(8))
    assert torch.equal(first.frames, plain.frames)
    assert torch.equal(first.hidden, again.hidden)


def test_prepared_rows_can_be_turned_and_cropped():
    made = random_spectrograms()
    prepared = replace(
        made,
        values=np.random.default_rng(2).uniform(-1.0, 1.0, made.values.shape).astype(np.float32),
        energies=None,
        applied=FixedLevel(floor_db=-90.0, ceiling_db=-20.0),
    )
    recipe = batches({"crop": 0.5, "roll": True}).recipe
    batch = Batches(prepared, recipe, (-90.0, -20.0)).training(
        np.arange(8), np.random.default_rng(0)
    )
    for row, start, length in zip(batch.frames, prepared.starts, prepared.lengths, strict=True):
        there = {tuple(frame) for frame in prepared.values[start : start + length].tolist()}
        assert {tuple(frame) for frame in row.tolist()} <= there


@pytest.mark.parametrize(
    "augment", [{"mix": 0.1}, {"shift_bands": 1}, {"source_rates_hz": (4000,)}]
)
def test_levels_of_prepared_rows_are_final(augment, tmp_path):
    recipe = batches(augment).recipe
    with pytest.raises(ConfigurationError, match="allow crop, roll and masks alone"):
        training_rows([tmp_path / "any.nc"], recipe)
