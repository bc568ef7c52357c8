"""Training: repeatable to the bit, resumable, and nothing lost when it is interrupted."""

import json
from dataclasses import replace

import numpy as np
import pytest
from trainer_data import RECIPE, random_spectrograms, tone_spectrograms, with_fit, write_tones

from streamdeep.encoder.model import load_model
from streamdeep.errors import ConfigurationError, ModelError, SourceError
from streamdeep_trainer import batches
from streamdeep_trainer.checkpoint import load_checkpoint, network_from, save_checkpoint
from streamdeep_trainer.crops import draw_crops
from streamdeep_trainer.export import export_model
from streamdeep_trainer.fit import fit
from streamdeep_trainer.levels import learn_levels, normalised
from streamdeep_trainer.loop import is_stale, split
from streamdeep_trainer.run_folder import CHECKPOINT


def same(left, right):
    return all(np.array_equal(left.weights[name], right.weights[name]) for name in left.weights)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(tmp_path):
    first = fit(RECIPE, random_spectrograms(), run=tmp_path / "a")
    again = fit(RECIPE, random_spectrograms(), run=tmp_path / "b")
    other = fit(RECIPE.with_seed(1), random_spectrograms(), run=tmp_path / "c")
    assert same(first, again)
    assert first.losses == again.losses
    assert not same(first, other)


def test_training_lowers_the_loss(tmp_path):
    tones = tone_spectrograms(write_tones(tmp_path / "tones"))
    found = fit(with_fit(epochs=30, learning_rate=1e-2), tones, run=tmp_path)
    assert found.losses[-1][0] < 0.6 * found.losses[0][0]
    assert found.losses[-1][1] is not None


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path):
    whole = fit(with_fit(epochs=3), random_spectrograms(), run=tmp_path / "a")
    fit(with_fit(epochs=1), random_spectrograms(), run=tmp_path / "b")
    resumed = fit(with_fit(epochs=3), random_spectrograms(), run=tmp_path / "b", resume=True)
    assert same(whole, resumed)
    assert whole.losses == resumed.losses


def test_an_interrupted_run_leaves_its_last_epoch(tmp_path, monkeypatch):
    calls = []

    def interrupted(*arguments, **named):
        calls.append(1)
        if len(calls) == 5:  # two batches an epoch: in the third epoch
            raise KeyboardInterrupt
        return draw_crops(*arguments, **named)

    recipe = with_fit(epochs=3, validation_fraction=0.0)
    whole = fit(recipe, random_spectrograms(), run=tmp_path / "a")
    monkeypatch.setattr(batches, "draw_crops", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(recipe, random_spectrograms(), run=tmp_path / "b")
    monkeypatch.undo()
    assert load_checkpoint(tmp_path / "b" / CHECKPOINT).n_epochs == 2
    assert same(whole, fit(recipe, random_spectrograms(), run=tmp_path / "b", resume=True))


def test_no_epochs_give_the_untrained_network(tmp_path):
    found = fit(with_fit(epochs=0), random_spectrograms(), run=tmp_path)
    assert found.n_epochs == 0
    assert load_checkpoint(tmp_path / CHECKPOINT).recipe == found.recipe


def test_resuming_with_another_recipe_is_refused(tmp_path):
    fit(with_fit(epochs=1), random_spectrograms(), run=tmp_path)
    with pytest.raises(ConfigurationError, match="begun with another recipe"):
        fit(with_fit(epochs=2, learning_rate=0.5), random_spectrograms(), run=tmp_path, resume=True)


def test_resuming_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(SourceError, match="there is no checkpoint"):
        fit(RECIPE, random_spectrograms(), run=tmp_path, resume=True)


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    found = fit(with_fit(epochs=1), random_spectrograms(), run=tmp_path)
    save_checkpoint(tmp_path / "again.npz", found)
    again = load_checkpoint(tmp_path / "again.npz")
    assert same(found, again)
    assert (again.recipe, again.levels, again.held_out, again.losses) == (
        found.recipe,
        found.levels,
        found.held_out,
        found.losses,
    )
    scaled = replace(found, loss_scale={"scale": 65536.0, "_growth_tracker": 3})
    save_checkpoint(tmp_path / "again.npz", scaled)
    assert load_checkpoint(tmp_path / "again.npz").loss_scale == scaled.loss_scale
    assert not network_from(again).training


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path = tmp_path / "broken.npz"
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ModelError, match="damaged"):
        load_checkpoint(path)


def test_held_out_clips_are_not_trained_on(tmp_path):
    found = fit(with_fit(epochs=0, validation_fraction=0.5), random_spectrograms(), run=tmp_path)
    training, held_out = split(random_spectrograms(), found.held_out)
    assert len(held_out) == 4
    assert not set(training) & set(held_out)


def test_crops_have_their_clips_length_at_most():
    frames, lengths = draw_crops(
        random_spectrograms(),
        np.arange(8),
        length_frames=24,
        levels=(-90.0, -20.0),
        frontend=RECIPE.frontend,
        gain_db=6.0,
        random=np.random.default_rng(0),
    )
    assert frames.shape == (8, 24, 20)
    assert lengths.tolist() == np.minimum(random_spectrograms().lengths, 24).tolist()
    for row, length in enumerate(lengths):
        assert (frames[row, length:] == -1.0).all()


def test_a_gain_is_a_shift_of_the_decibels():
    decibels = np.array([[-80.0, -55.0, -160.0]], dtype=np.float32)
    found = normalised(decibels + np.float32(35.0), (-90.0, -20.0))
    np.testing.assert_allclose(found, [[2 * 45 / 70 - 1, 1.0, -1.0]], atol=1e-6)


def test_levels_are_quantiles_of_what_is_not_silent():
    random = np.random.default_rng(0)
    loud = random.uniform(-100.0, 0.0, (1000, 5)).astype(np.float32)
    silent = np.full((1000, 5), -160.0, dtype=np.float32)
    assert learn_levels(np.concatenate((loud, silent)), RECIPE.frontend) == (-90.0, 0.0)
    assert learn_levels(silent, RECIPE.frontend) == (-90.0, -20.0)
    fixed = RECIPE.frontend.model_copy(update={"floor_db": -70.0, "ceiling_db": -30.0})
    assert learn_levels(loud, fixed) == (-70.0, -30.0)


def test_a_run_that_gets_no_better_stops_and_one_that_does_goes_on():
    falling = [(1.0, 1.0 / epoch) for epoch in range(1, 9)]
    flat = [(1.0, 0.5), (0.9, 0.6), (0.8, 0.5), (0.7, 0.7)]
    assert not is_stale(falling, 2)
    assert is_stale(flat, 3)
    assert not is_stale(flat[:3], 3)
    assert not is_stale(flat, None)
    assert not is_stale([(1.0, None)] * 9, 2)


def test_patience_ends_a_training_early(tmp_path):
    recipe = with_fit(epochs=30, patience=1, learning_rate=1.0)  # it cannot learn at this rate
    state = fit(recipe, random_spectrograms(), run=tmp_path)
    assert state.n_epochs < 30
    assert load_checkpoint(tmp_path / CHECKPOINT).n_epochs == state.n_epochs


# Steps so large that the loss soon rises again.
RESTLESS = with_fit(epochs=12, patience=3, learning_rate=0.1)


def test_the_best_epochs_weights_are_what_a_run_with_patience_gives(tmp_path):
    found = fit(RESTLESS, random_spectrograms(), run=tmp_path / "a")
    held_out = [validation for _, validation in found.losses]
    best = held_out.index(min(held_out)) + 1
    assert best < found.n_epochs  # else this tests nothing
    assert found.best_epoch == best
    stopped_there = fit(with_fit(RESTLESS, epochs=best), random_spectrograms(), run=tmp_path / "b")
    assert same(found.chosen(), stopped_there)
    assert not same(found.chosen(), found)
    (tmp_path / "model.onnx").write_bytes(export_model(found, random_spectrograms()))
    about = load_model(tmp_path / "model.onnx").contract.provenance
    assert about["epochs"] == best
    assert about["losses"] == [list(pair) for pair in found.losses[:best]]
    without = replace(found, recipe=with_fit(found.recipe, patience=None))
    assert without.chosen() is without


def test_a_resumed_run_with_patience_takes_the_same_path_to_the_same_result(tmp_path):
    whole = fit(RESTLESS, random_spectrograms(), run=tmp_path / "a")
    for epochs in (whole.n_epochs - 1, 12, 12):  # the last finds that it has stopped already
        again = fit(
            with_fit(RESTLESS, epochs=epochs),
            random_spectrograms(),
            run=tmp_path / "b",
            resume=epochs == 12,
        )
    assert (again.n_epochs, again.losses) == (whole.n_epochs, whole.losses)
    assert same(whole, again)
    assert same(whole.chosen(), again.chosen())


def test_a_checkpoint_of_the_first_format_is_read_and_one_of_the_future_refused(tmp_path):
    fit(RESTLESS, random_spectrograms(), run=tmp_path)
    with np.load(tmp_path / CHECKPOINT) as file:
        arrays = {name: file[name] for name in file.files if not name.startswith("best/")}
    about = json.loads(arrays["about"].tobytes())
    del about["best_epoch"], about["loss_scale"]
    for number in (1, 3):
        arrays["about"] = np.frombuffer(json.dumps(about | {"format": number}).encode(), np.uint8)
        np.savez(tmp_path / f"{number}.npz", **arrays)
    found = load_checkpoint(tmp_path / "1.npz")
    assert found.chosen() is found  # its best weights were not kept
    with pytest.raises(ModelError, match="format 3, not 2"):
        load_checkpoint(tmp_path / "3.npz")


def test_tensorboard_gets_losses_embeddings_and_pictures(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    plain = fit(with_fit(epochs=2), random_spectrograms(), run=tmp_path / "plain")
    watched = fit(with_fit(epochs=2, tensorboard=True), random_spectrograms(), run=tmp_path)
    for key, values in plain.weights.items():  # looking changes nothing
        np.testing.assert_array_equal(watched.weights[key], values)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    tags = events.Tags()
    assert {"rmse/training", "rmse/validation", "embedding/mean"} <= set(tags["scalars"])
    assert tags["images"]
    assert tags["histograms"] == ["embedding/values"]
    recorded = [event.value for event in events.Scalars("rmse/training")]
    assert recorded == pytest.approx([training for training, _ in watched.losses])
