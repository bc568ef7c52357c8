"""The exact variant is auDeep to the last digit that float32 has, its faults included."""

import math

import numpy as np
import pytest
import torch
from places import audeep_golden

from streamdeep_trainer.models.audeep_exact import ExactAutoencoder, ExactShape
from streamdeep_trainer.models.audeep_weights import load_audeep_weights
from streamdeep_trainer.objectives.squares import rmse

LENGTHS = torch.full((3,), 9)
GOLDEN = {
    "uni_uni_gru": {},
    "uni_bi_gru": {"bidirectional_decoder": True},
    "bi_uni_gru": {"bidirectional_encoder": True},
    "uni_bi_lstm": {"bidirectional_decoder": True, "cell": "lstm"},
}


class Golden:
    """One of auDeep's own tiny models: its weights, its numbers, and ours with its weights."""

    def __init__(self, name):
        self._numbers, self._prefix = audeep_golden(), f"model_{name}/"
        self.frames = torch.from_numpy(self._numbers["model_inputs_TBF"]).transpose(0, 1)
        self.network = ExactAutoencoder(ExactShape(6, 2, 4, dropout=0.0, **GOLDEN[name]))
        load_audeep_weights(self.network, self.variables())

    def __getitem__(self, key):
        return self._numbers[self._prefix + key]

    def variables(self):
        prefix = self._prefix + "W0/"
        names = [name for name in self._numbers.files if name.startswith(prefix)]
        return {name.removeprefix(prefix): self._numbers[name] for name in names}


@pytest.fixture(params=list(GOLDEN))
def golden(request):
    return Golden(request.param)


def test_states_embedding_reconstruction_and_loss_are_audeeps(golden):
    net = golden.network.eval()
    with torch.no_grad():
        _, states = net.encoder.run(golden.frames, LENGTHS)
        embedding = net.encoder(golden.frames, LENGTHS)
        reconstruction, target = net(golden.frames, LENGTHS)
        loss = rmse(reconstruction, target, LENGTHS)
    np.testing.assert_allclose(states, golden["enc_state"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(embedding, golden["rep"], rtol=0, atol=1e-6)
    by_time = reconstruction.transpose(0, 1)
    np.testing.assert_allclose(by_time, golden["rec_TBF"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(loss, golden["loss0"], rtol=0, atol=1e-6)


def test_five_steps_of_adam_are_audeeps(golden):
    net = golden.network.train()
    adam = torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-8)
    losses = []
    for _ in range(6):
        loss = rmse(*net(golden.frames, LENGTHS), LENGTHS)
        losses.append(loss.item())
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(net.parameters(), 2.0)
        adam.step()
    wanted = golden["losses_before_each_of_5_adam_steps"]
    np.testing.assert_allclose(losses[:5], wanted, rtol=0, atol=1e-5)
    np.testing.assert_allclose(losses[5], golden["loss_after_5"], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda found: found.pop("model/representation/linear/bias"), "there is no variable"),
        (lambda found: found.update({"model/extra": np.zeros(1)}), "no place"),
        (
            lambda found: found.update({"model/representation/linear/bias": np.zeros(3)}),
            "the network has",
        ),
    ],
)
def test_variables_of_another_network_are_refused(spoil, message):
    golden = Golden("uni_bi_gru")
    found = golden.variables()
    spoil(found)
    with pytest.raises(ValueError, match=message):
        load_audeep_weights(golden.network, found)


@pytest.mark.parametrize(
    ("changes", "n_all", "n_deployed", "dim"),
    [
        ({"bidirectional_decoder": True}, 2_659_968, 1_214_976, 1024),
        ({"bidirectional_encoder": True}, 2_643_200, 1_904_128, 512),
        ({}, 1_691_392, 952_320, 512),
        ({"bidirectional_decoder": True, "n_features": 320}, 3_200_832, 1_362_432, 1024),
        ({"layers": 1, "units": 16}, 32_880, 7_232, 16),
        ({"bidirectional_decoder": True, "cell": "lstm"}, 4_923_520, 3_018_752, 2048),
    ],
)
def test_parameters_are_as_many_as_audeeps(changes, n_all, n_deployed, dim):
    net = ExactAutoencoder(ExactShape(**{"n_features": 128, "layers": 2, "units": 256} | changes))

    def count(part):
        return sum(p.numel() for p in part.parameters() if p.requires_grad)

    assert (count(net), count(net.encoder), net.shape.embedding_dim) == (n_all, n_deployed, dim)


def seen(net, n_steps=6):
    """``(output step, target step)`` bool, the embedding held."""
    torch.manual_seed(3)
    targets, embedding = torch.rand((1, n_steps, 6)), torch.rand((1, net.shape.embedding_dim))
    found = torch.zeros((n_steps, n_steps), dtype=torch.bool)
    with torch.no_grad():
        before = net.decoder(embedding, targets)
        for step in range(n_steps):
            changed = targets.clone()
            changed[0, step] += 0.5
            found[:, step] = (net.decoder(embedding, changed) != before).any(2)[0]
    return found


def test_the_bidirectional_decoder_leaks_its_target():
    found = seen(ExactAutoencoder(ExactShape(6, 2, 4, bidirectional_decoder=True)).eval())
    assert found[:, :5].all()
    assert not found[:, 5].any()


def test_the_unidirectional_decoder_is_shifted_twice():
    steps = torch.arange(6)
    found = seen(ExactAutoencoder(ExactShape(6, 2, 4)).eval())
    assert torch.equal(found, steps[None] < steps[:, None] - 1)


def test_a_fresh_network_has_tensorflows_initial_weights():
    torch.manual_seed(0)
    gru = ExactAutoencoder(ExactShape(n_features=40, units=64)).encoder
    layer = gru.layers[0]
    assert layer.bias_ih_l0.tolist() == [1.0] * 128 + [0.0] * 64
    for weight in (layer.weight_ih_l0, layer.weight_hh_l0):
        for part, bound in ((weight[:128], 6 / (104 + 128)), (weight[128:], 6 / (104 + 64))):
            assert 0.98 * math.sqrt(bound) < part.abs().max() <= math.sqrt(bound)
    assert 0.98 * math.sqrt(6 / 128) < gru.projection.weight.abs().max() <= math.sqrt(6 / 128)
    assert 0.9 * math.sqrt(3 / 64) < gru.projection.bias.abs().max() <= math.sqrt(3 / 64)
    lstm = ExactAutoencoder(ExactShape(n_features=40, units=64, cell="lstm")).encoder.layers[0]
    assert 0.98 * math.sqrt(6 / 360) < lstm.weight_ih_l0.abs().max() <= math.sqrt(6 / 360)
    assert not lstm.bias_ih_l0.any()


def test_dropout_lies_around_every_layer_of_both_parts():
    shape = ExactShape(6, 2, 4).encoder.stack
    assert (shape.dropout_placement, shape.dropout) == ("around", 0.2)
    assert ExactShape(6, 2, 4).decoder.stack.dropout_placement == "around"


def test_feeding_back_in_two_directions_is_refused():
    with pytest.raises(ValueError, match="its own output"):
        ExactAutoencoder(ExactShape(6, bidirectional_decoder=True, own_probability=0.5))
