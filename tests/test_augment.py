"""What is done to crops: each thing as it says, the same for the same seed, nothing unless it is asked for."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from trainer_data import RECIPE, random_spectrograms

from streamdeep.config import FixedLevel
from streamdeep.errors import ConfigurationError
from streamdeep_trainer.augment import (
    Augmentation,
    band_limited,
    mixed,
    played,
    shifted_bands,
)
from streamdeep_trainer.augment_recipe import AugmentRecipe, MaskRecipe
from streamdeep_trainer.batches import Batches
from streamdeep_trainer.config import STORED_FLOOR_DB, Recipe
from streamdeep_trainer.crops import draw_crops
from streamdeep_trainer.inputs.training import training_rows
from streamdeep_trainer.masks import draw_masks

EVERYTHING = {
    "crop": 0.75,
    "speed": 1.3,
    "mix": 0.5,
    "roll": True,
    "shift_bands": 3,
    "source_rates_hz": (2000, 4000),
    "gain_db": 6.0,
}
KINDS = {
    "nothing": {},
    "crop": {"crop": 0.5},
    "speed": {"speed": 1.3},
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
    longest, speed = round(24 * augment.get("crop", 1.0)), augment.get("speed", 1.0)
    there = random_spectrograms().lengths
    most, least = (np.minimum(there * factor, longest) for factor in (speed, 1 / speed))
    assert (batch.lengths.numpy() <= most).all()
    assert (batch.lengths.numpy() >= np.floor(least)).all()
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


def heard(tmp_path, sound, speed=1.0):
    """dB of 2 s of a sound that is a function of time, as a tape would give it."""
    import soundfile

    from streamdeep_trainer.spectrograms import frames_of

    time_s = np.arange(16000) / 8000
    soundfile.write(tmp_path / "it.wav", sound(speed * time_s), 8000, subtype="FLOAT")
    return (100.0 * (frames_of(tmp_path / "it.wav", FRONTEND).values + 1.0) - 160.0)[:60]


@pytest.mark.parametrize("speed", [1.25, 0.8])
@pytest.mark.parametrize("pitch_hz", [700.0, 1500.0, 2400.0])
def test_a_tone_that_is_played_faster_lies_where_a_higher_tone_does(tmp_path, speed, pitch_hz):
    centres_hz = Augmentation.of(AugmentRecipe(), FRONTEND).centres_hz

    def tone(time_s):
        return 0.3 * np.sin(2 * np.pi * pitch_hz * time_s)

    found = played(heard(tmp_path, tone), centres_hz, speed, 40)
    wanted = heard(tmp_path, tone, speed)[:40]
    assert found.shape == (40, 20)
    powers = [(10 ** (frames / 10)).mean(axis=0) for frames in (found, wanted)]
    pitches = [power @ centres_hz / power.sum() for power in powers]
    spacing_hz = np.interp(speed * pitch_hz, centres_hz[1:], np.diff(centres_hz))
    assert pitches[0] == pytest.approx(speed * pitch_hz, abs=0.3 * spacing_hz)
    assert pitches[0] == pytest.approx(pitches[1], abs=0.3 * spacing_hz)
    levels = [10 * np.log10(power.sum()) for power in powers]
    assert levels[0] == pytest.approx(levels[1], abs=1.0)


@pytest.mark.parametrize("speed", [1.25, 0.8])
def test_clicks_that_are_played_faster_come_at_shorter_intervals(tmp_path, speed):
    centres_hz = Augmentation.of(AugmentRecipe(), FRONTEND).centres_hz

    def clicks(time_s):  # every 0.2 s, ten frames
        return 0.5 * np.exp(-(((time_s - 0.1) % 0.2 / 0.001) ** 2)) * np.sign(np.sin(9e3 * time_s))

    loudness = heard(tmp_path, clicks).mean(axis=1, keepdims=True).repeat(20, axis=1)
    found = played(loudness, centres_hz, speed, 45)[:, 0]
    peaks = 1 + np.flatnonzero((found[1:-1] > found[:-2]) & (found[1:-1] >= found[2:]))
    peaks = peaks[found[peaks] > found.mean()]
    assert len(peaks) >= 3
    assert np.diff(peaks).mean() == pytest.approx(10 / speed, abs=0.5)


def test_what_is_played_slower_has_nothing_where_its_sound_had_nothing():
    augmentation = Augmentation.of(AugmentRecipe(speed=2.0), FRONTEND)
    found = augmentation.played(decibels(), 0.5, 20)
    above = augmentation.centres_hz >= 2000.0
    assert (found[:, above] == STORED_FLOOR_DB).all()
    assert (found[:, ~above] > STORED_FLOOR_DB).all()


def test_at_twice_the_speed_every_other_frame_is_heard_and_a_silence_stays_one():
    centres_hz = Augmentation.of(AugmentRecipe(), FRONTEND).centres_hz
    level = decibels()[:, :1].repeat(20, axis=1)  # all bands alike: pitch makes no difference
    np.testing.assert_allclose(played(level, centres_hz, 2.0, 15), level[::2], atol=1e-4)
    halved = played(level, centres_hz, 0.5, 59)
    np.testing.assert_allclose(halved[::2], level, atol=1e-4)
    between = 10 * np.log10((10 ** (level[:-1] / 10) + 10 ** (level[1:] / 10)) / 2)
    np.testing.assert_allclose(halved[1::2], between, atol=1e-4)
    silent = np.full((4, 20), STORED_FLOOR_DB, np.float32)
    np.testing.assert_array_equal(played(silent, centres_hz, 0.7, 5), silent[[0] * 5])


@pytest.mark.parametrize("n_there", [24, 31, 60])
def test_crops_at_a_speed_take_what_they_need_and_no_clip_is_overrun(n_there):
    """Frames that count upwards tell where a crop began, and how fast it runs."""
    made = random_spectrograms()
    ramp = np.arange(n_there, dtype=np.float32)[:, None].repeat(20, axis=1)
    alone = replace(
        made,
        clips=made.clips[:1],
        lengths=np.array([n_there]),
        values=10.0 * np.log10(ramp + 1e3),
        energies=None,
    )
    augmentation = Augmentation.of(AugmentRecipe(speed=1.5), alone.frontend)
    speeds = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        frames, n_frames = draw_crops(
            alone,
            np.array([0]),
            length_frames=24,
            levels=(-100.0, 100.0),
            frontend=RECIPE.frontend,
            gain_db=0.0,
            random=random,
            augmentation=augmentation,
        )
        there = 10 ** (frames[0, : n_frames[0], 0].astype(np.float64) * 10.0) - 1e3
        steps = np.diff(there)
        speeds.append(steps.mean())
        assert there[0] > -0.1
        assert there[-1] < n_there - 1 + 0.1
        np.testing.assert_allclose(steps, speeds[-1], atol=0.05)
        assert n_frames[0] == min(24, int((n_there - 1) / speeds[-1] + 1e-3) + 1)
    assert min(speeds) == pytest.approx(1 / 1.5, abs=0.02)
    assert max(speeds) == pytest.approx(1.5, abs=0.03)
    assert np.mean(np.log(speeds)) == pytest.approx(0.0, abs=0.06)


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
    "augment",
    [{"mix": 0.1}, {"speed": 1.1}, {"shift_bands": 1}, {"source_rates_hz": (4000,)}],
)
def test_levels_of_prepared_rows_are_final(augment, tmp_path):
    recipe = batches(augment).recipe
    with pytest.raises(ConfigurationError, match="allow crop, roll and masks alone"):
        training_rows([tmp_path / "any.nc"], recipe)
