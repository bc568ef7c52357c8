"""Several devices share a batch and give what one gives; less precision still learns."""

import multiprocessing
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from trainer_data import RECIPE, random_spectrograms, with_fit

from streamdeep.errors import ConfigurationError, StreamdeepError
from streamdeep_trainer import devices
from streamdeep_trainer.checkpoint import load_checkpoint
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.fit import fit
from streamdeep_trainer.loop import own_rows
from streamdeep_trainer.objectives.squares import rmse, root, share_of_mean_square
from streamdeep_trainer.run_folder import CHECKPOINT

MODELS = {
    "gru": {"units": (12,), "decoder_units": (10,)},
    "gru-reset-before": {"units": (12,), "decoder_units": (10,), "cell": "gru-reset-before"},
    "audeep-exact": {"kind": "audeep-exact", "layers": 1, "units": 12},
}


def test_two_devices_give_what_one_gives(tmp_path, capfd):
    # Seven clips in batches of 3, 2 and 2: one device has twice as many rows of the first.
    recipe = with_fit(batch_size=3, dropout=0.0)
    one = fit(recipe, random_spectrograms(), run=tmp_path / "one")
    two = fit(with_fit(recipe, devices=2), random_spectrograms(), run=tmp_path / "two")
    assert (two.n_epochs, two.held_out) == (one.n_epochs, one.held_out)
    for name, values in one.weights.items():
        np.testing.assert_allclose(two.weights[name], values, atol=1e-5)
    # The root over the whole batch, not a rank's own, and of clips held out by one rank for all.
    np.testing.assert_allclose(two.losses, one.losses, rtol=1e-6)
    assert capfd.readouterr() == ("", "")


def test_what_ends_a_device_is_one_line_to_be_told():
    failures = multiprocessing.get_context("spawn").SimpleQueue()

    def work(fabric):
        raise OSError(f"rank {fabric.global_rank}: no room\n" + "left" * 2000)

    with pytest.raises(OSError, match="no room"):
        devices._rank(work, failures, SimpleNamespace(global_rank=1))
    assert failures.get() == (1, "OSError: rank 1: no room")


@pytest.mark.system  # two processes that import torch
def test_a_device_that_fails_ends_the_run_with_its_reason_in_one_line(tmp_path, capfd):
    fit(with_fit(epochs=0, devices=2), random_spectrograms(), run=tmp_path)
    (tmp_path / "checkpoint.part.npz").mkdir()  # the first rank cannot write
    recipe = with_fit(epochs=2, devices=2)
    with pytest.raises(
        StreamdeepError, match=r"cannot write .*checkpoint\.npz: Is a directory"
    ) as caught:
        fit(recipe, random_spectrograms(), run=tmp_path, resume=True)
    assert "\n" not in str(caught.value)
    assert load_checkpoint(tmp_path / CHECKPOINT).n_epochs == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("n_ranks", [1, 2, 3, 5])
def test_every_row_of_a_batch_belongs_to_one_device(n_ranks):
    for n_rows in range(n_ranks, 12):
        parts = [np.arange(n_rows)[own_rows(n_rows, rank, n_ranks)] for rank in range(n_ranks)]
        assert np.concatenate(parts).tolist() == list(range(n_rows))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_the_mean_of_the_devices_gradients_is_the_gradient_of_one_root():
    torch.manual_seed(0)
    target, lengths = torch.rand(5, 9, 4), torch.tensor([9, 2, 5, 1, 7])
    whole = torch.rand(5, 9, 4, requires_grad=True)
    wanted = rmse(whole, target, lengths)
    wanted.backward()
    spread = whole.detach().clone().requires_grad_()
    parts = [own_rows(5, rank, 3) for rank in range(3)]
    shares = [
        share_of_mean_square(spread[own], target[own], lengths[own], lengths.sum()) for own in parts
    ]
    loss = root(sum(share.detach() for share in shares))
    torch.testing.assert_close(loss, wanted.detach())
    for share in shares:
        (share * (3 / (2.0 * loss))).backward(gradient=torch.tensor(1 / 3))
    torch.testing.assert_close(spread.grad, whole.grad)


@pytest.mark.parametrize("name", MODELS)
def test_bfloat16_learns_and_leaves_float32(name, tmp_path):
    plain = RECIPE.model_dump()
    changes = {"precision": "bf16-mixed", "epochs": 20, "learning_rate": 3e-3, "dropout": 0.0}
    recipe = Recipe.model_validate(
        plain | {"model": {"name": "tiny"} | MODELS[name], "fit": plain["fit"] | changes}
    )
    found = fit(recipe, random_spectrograms(), run=tmp_path / "a")
    assert found.losses[-1][0] < 0.97 * found.losses[0][0]
    assert {values.dtype for values in found.weights.values()} == {np.dtype(np.float32)}
    fit(with_fit(recipe, epochs=1), random_spectrograms(), run=tmp_path / "b")
    exact = with_fit(recipe, precision="32-true")
    with pytest.raises(ConfigurationError, match="begun with another recipe"):
        fit(exact, random_spectrograms(), run=tmp_path / "b", resume=True)
    first = fit(with_fit(exact, epochs=1), random_spectrograms(), run=tmp_path / "c")
    assert any(
        (first.weights[key] != load_checkpoint(tmp_path / "b" / CHECKPOINT).weights[key]).any()
        for key in first.weights
    )


def test_what_the_machine_does_not_have_is_refused_before_anything_is_written(tmp_path):
    run = tmp_path / "run"
    for changes, message in (
        ({"accelerator": "cuda", "devices": 64}, "64, and this machine has"),
        ({"precision": "16-mixed"}, "needs a CUDA device"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            fit(with_fit(**changes), random_spectrograms(), run=run)
    assert not run.exists()


def test_more_devices_than_a_batch_has_clips_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="batches of 3 clips"):
        fit(with_fit(batch_size=4, devices=4), random_spectrograms(), run=tmp_path)
