"""The network: the decoder does not see its target, padding changes nothing."""

import numpy as np
import pytest
import torch

from streamdeep_trainer.models.autoencoder import Autoencoder, Shape, pooled, reversed_rows
from streamdeep_trainer.objectives.squares import rmse

LENGTHS = torch.tensor([9, 4, 1])


def network(readout="pooled", **changes):
    torch.manual_seed(0)
    shape = Shape(
        n_features=5, units=(6, 4), readout=readout, dim=7, decoder_units=(8, 3), **changes
    )
    return Autoencoder(shape).eval()


def frames(n_rows=3, n_steps=9, seed=1):
    return torch.rand((n_rows, n_steps, 5), generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("readout", ["final", "pooled"])
def test_padding_changes_no_embedding(readout):
    encoder = network(readout).encoder
    short = frames()
    louder = short.clone()
    for row, length in enumerate(LENGTHS):
        louder[row, length:] = 9.0
    longer = torch.cat((louder, torch.full((3, 6, 5), -7.0)), dim=1)
    alone = torch.cat(
        [encoder(short[row : row + 1, :n], torch.tensor([n])) for row, n in enumerate(LENGTHS)]
    )
    with torch.no_grad():
        assert torch.allclose(encoder(longer, LENGTHS), alone, atol=1e-6)


def test_padding_changes_no_loss():
    net, short = network(), frames()
    longer = torch.cat((short, torch.full((3, 6, 5), 3.0)), dim=1)
    for row, length in enumerate(LENGTHS):
        longer[row, length:] = 5.0
    with torch.no_grad():
        assert rmse(*net(longer, LENGTHS), LENGTHS).item() == pytest.approx(
            rmse(*net(short, LENGTHS), LENGTHS).item(), abs=1e-6
        )


def test_the_target_is_the_row_reversed_within_its_length():
    rows = torch.arange(10.0).reshape(2, 5, 1)
    turned = reversed_rows(rows, torch.tensor([5, 3]))
    assert turned[:, :, 0].tolist() == [[4, 3, 2, 1, 0], [7, 6, 5, 8, 9]]


@pytest.mark.parametrize("step", [0, 3, 7])
def test_the_decoder_sees_no_frame_before_it_has_reconstructed_it(step):
    decoder = network().decoder
    targets, embedding = frames(1), torch.rand((1, 30))
    changed = targets.clone()
    changed[0, step] += 0.5
    with torch.no_grad():
        before, after = decoder(embedding, targets), decoder(embedding, changed)
    assert torch.equal(before[0, : step + 1], after[0, : step + 1])
    assert not torch.equal(before[0, step + 1], after[0, step + 1])


def test_with_all_frames_dropped_the_decoder_has_the_embedding_alone():
    decoder = network(frame_dropout=1.0, dropout=0.0).decoder.train()
    embedding = torch.rand((1, 30))
    with torch.no_grad():
        assert torch.equal(
            decoder(embedding, frames(1, seed=1)), decoder(embedding, frames(1, seed=2))
        )


def test_pooling_is_mean_deviation_and_maximum():
    outputs = frames(2)
    found = pooled(outputs, torch.tensor([9, 4])).numpy()
    row = outputs[1, :4].numpy()
    wanted = np.concatenate((row.mean(0), np.sqrt(row.var(0) + 1e-4), row.max(0)))
    np.testing.assert_allclose(found[1], wanted, atol=1e-6)


def test_the_loss_is_one_root_over_all_valid_values():
    target = torch.zeros((2, 3, 2))
    reconstruction = torch.full((2, 3, 2), 2.0)
    reconstruction[1] = 4.0
    assert rmse(reconstruction, target, torch.tensor([3, 1])).item() == pytest.approx(
        np.sqrt((3 * 4.0 + 1 * 16.0) / 4)
    )


def test_a_perfect_reconstruction_has_a_finite_gradient():
    found = torch.zeros((1, 2, 2), requires_grad=True)
    rmse(found, torch.zeros((1, 2, 2)), torch.tensor([2])).backward()
    assert torch.isfinite(found.grad).all()
