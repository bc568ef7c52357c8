"""t-rae's options: none lets the decoder see its target, unless it says so."""

import itertools

import pytest
import torch

from streamdeep_trainer.models.audeep_exact import ExactAutoencoder, ExactShape
from streamdeep_trainer.models.autoencoder import Autoencoder, Shape
from streamdeep_trainer.models.decoder import Decoder, DecoderShape
from streamdeep_trainer.models.rows import drop_steps, shifted
from streamdeep_trainer.objectives.squares import rmse

LENGTHS = torch.tensor([9, 4, 1])
CELLS = ["gru", "gru-reset-before", "lstm"]


def frames(n_rows=3, n_steps=9, width=5, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((n_rows, n_steps, width), generator=generator) * 2 - 1


def network(**changes):
    torch.manual_seed(0)
    shape = Shape(n_features=5, units=(6, 4), dim=7, decoder_units=(8, 3), **changes)
    return Autoencoder(shape).eval()


def decoder(**changes):
    torch.manual_seed(0)
    return Decoder(DecoderShape(5, 12, (8, 3), **changes)).eval()


def seen(net, n_steps=7):
    """``(output step, target step)`` bool: which output depends on which target, the embedding held."""
    targets, embedding = frames(1, n_steps), frames(1, 1, net.shape.embedding_dim, seed=2)[:, 0]
    found = torch.zeros((n_steps, n_steps), dtype=torch.bool)
    with torch.no_grad():
        before = net(embedding, targets)
        for step in range(n_steps):
            changed = targets.clone()
            changed[0, step] += 0.5
            found[:, step] = (net(embedding, changed) != before).any(2)[0]
    return found


@pytest.mark.parametrize("cell", CELLS)
def test_a_decoder_sees_what_its_feed_says(cell):
    steps = torch.arange(7)
    output, target = steps[:, None], steps[None]
    assert torch.equal(seen(decoder(cell=cell)), target < output)
    assert torch.equal(seen(decoder(cell=cell, feed="previous-but-one")), target < output - 1)
    assert not seen(decoder(cell=cell, feed="nothing")).any()
    assert not seen(decoder(cell=cell, feed="nothing", bidirectional=True)).any()
    leaking = seen(decoder(cell=cell, feed="leaking", bidirectional=True))
    assert torch.equal(leaking, (target < 6).expand(7, 7))  # every target but the last, its own too


@pytest.mark.parametrize(
    "changes",
    [
        {"bidirectional": True},
        {"bidirectional": True, "feed": "previous"},
        {"feed": "leaking"},
        {"bidirectional": True, "feed": "leaking", "own_probability": 0.5},
        {"feed": "nothing", "own_probability": 0.5},
        {"bridge": False},
    ],
)
def test_a_decoder_that_contradicts_itself_is_refused(changes):
    with pytest.raises(ValueError, match=r"decoder|bridge"):
        decoder(**changes)


@pytest.mark.parametrize("feed", ["previous", "previous-but-one"])
def test_fed_its_own_outputs_alone_a_decoder_never_sees_a_target(feed):
    assert not seen(decoder(feed=feed, own_probability=1.0)).any()


@pytest.mark.parametrize("cell", CELLS)
def test_its_own_output_is_fed_back_with_the_probability_asked_for(cell, monkeypatch):
    """Fed back nowhere, steps one by one are the whole run; fed back at one step, that one changes."""
    net = decoder(cell=cell, own_probability=0.4).train()
    targets, embedding = frames(), frames(3, 1, 12, seed=2)[:, 0]
    drawn = torch.full((9, 3), 0.9)  # the first step draws nothing: it has no output before it
    turn = itertools.count(1)
    monkeypatch.setattr(torch, "rand", lambda *_, **__: drawn[next(turn)][:, None, None])
    with torch.no_grad():
        never = net(embedding, targets)
        assert torch.allclose(never, net.eval()(embedding, targets), atol=1e-6)
        drawn[4, 1] = 0.3
        turn = itertools.count(1)
        once = net.train()(embedding, targets)
    changed = (once != never).any(2)
    assert not changed[[0, 2]].any()
    assert not changed[1, :4].any()
    assert changed[1, 4:].all()
    by_hand = targets.clone()
    by_hand[1, 3] = never[1, 3]  # step 4 is given the output of step 3
    with torch.no_grad():
        assert torch.allclose(net.eval()(embedding, by_hand)[1], once[1], atol=1e-6)


OPTIONS = [
    {},
    {"readout": "final"},
    {"bidirectional_encoder": True},
    {"bidirectional_decoder": True, "feed": "nothing"},
    {"bidirectional_encoder": True, "bidirectional_decoder": True, "feed": "leaking"},
    {"mask_silence": True},
    {"own_probability": 1.0},
]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("changes", OPTIONS, ids=str)
def test_padding_changes_neither_embedding_nor_loss(changes, cell):
    net, short = network(cell=cell, **changes), frames()
    short[0, 2:4] = -1.0
    longer = torch.full((3, 15, 5), 4.0)
    squares = 0.0
    with torch.no_grad():
        for row, length in enumerate(LENGTHS):
            longer[row, :length] = short[row, :length]
            alone = short[row : row + 1, :length]
            reconstruction, target = net(alone, length[None])
            squares += ((reconstruction - target) ** 2).sum().item()
            assert torch.allclose(
                net.encoder(longer, LENGTHS)[row], net.encoder(alone, length[None])[0], atol=1e-6
            )
        found = rmse(*net(longer, LENGTHS), LENGTHS).item()
    assert found == pytest.approx((squares / (14 * 5)) ** 0.5, abs=1e-6)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("changes", OPTIONS, ids=str)
def test_every_option_learns(changes, cell):
    net, rows = network(cell=cell, **changes), frames(8, 6)
    lengths = torch.tensor([6, 6, 6, 6, 5, 4, 2, 1])
    adam = torch.optim.Adam(net.parameters(), lr=0.02)
    losses = []
    for _ in range(25):
        loss = rmse(*net.train()(rows, lengths), lengths)
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.97 * losses[0]
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name


def test_encoder_noise_takes_whole_frames_and_only_while_training():
    torch.manual_seed(0)
    rows = drop_steps(torch.ones((50, 40, 3)), 0.25)
    assert ((rows == 0).all(2) | (rows == 1).all(2)).all()
    assert 0.2 < (rows == 0).float().mean() < 0.3
    net = network(encoder_noise=1.0, dropout=0.0)
    silent = torch.zeros((3, 9, 5))
    with torch.no_grad():
        nothing = net.encoder(silent, LENGTHS)
        assert torch.equal(net.train().encoder(frames(), LENGTHS), nothing)
        assert not torch.equal(net.eval().encoder(frames(), LENGTHS), nothing)


@pytest.mark.parametrize("exact", [False, True])
def test_masked_silence_is_no_error_and_moves_no_weight(exact):
    torch.manual_seed(0)
    if exact:
        net = ExactAutoencoder(ExactShape(5, units=4, dropout=0.0, mask_silence=True))
    else:
        net = network(mask_silence=True, dropout=0.0)
    rows = torch.full((3, 9, 5), -1.0)
    loss = rmse(*net(rows, LENGTHS), LENGTHS)
    loss.backward()
    assert loss.item() < 1e-5
    assert all(not p.grad.any() for p in net.parameters() if p.grad is not None)
    rows[0, 3] = 0.5
    assert rmse(*net(rows, LENGTHS), LENGTHS).item() > 0.01


def test_shifting_by_more_than_there_is_leaves_zeros():
    assert shifted(torch.ones((2, 1, 3)), 2).tolist() == [[[0.0] * 3]] * 2
    assert shifted(torch.ones((1, 3, 1)), 2)[0, :, 0].tolist() == [0, 0, 1]


def test_all_layers_keep_their_own_width():
    net = network(cell="lstm", bidirectional_encoder=True, readout="final")
    assert net.encoder.projection.in_features == 2 * 2 * (6 + 4)
    assert network(bidirectional_encoder=True).encoder.shape.n_outputs == 2 * (6 + 4)
    assert network(bidirectional_encoder=True).encoder(frames(), LENGTHS).shape == (3, 60)
