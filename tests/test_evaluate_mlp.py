"""The neural classifier: its shape, its seeds, and what makes the exact variant exact."""

import numpy as np
import pytest
import torch

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.evaluation.mlp import Mlp, MlpConfig, init_layers, logits


def blobs(n_rows=60, n_classes=3, dim=6, distance=4.0, seed=0):
    random = np.random.default_rng(seed)
    labels = np.arange(n_rows) % n_classes
    centres = distance * np.random.default_rng(9).standard_normal((n_classes, dim))
    vectors = centres[labels] + random.standard_normal((n_rows, dim))
    return vectors.astype(np.float32), labels * 10 + 5


def test_the_shape_is_audeeps():
    vectors, labels = blobs()
    mlp = Mlp(MlpConfig(epochs=0), 0).fit(vectors, labels)
    assert [tuple(weight.shape) for weight, _ in mlp.layers] == [(6, 150), (150, 150), (150, 3)]
    assert [tuple(bias.shape) for _, bias in mlp.layers] == [(150,), (150,), (3,)]
    assert mlp.n_parameters == 6 * 150 + 150 + 150 * 150 + 150 + 150 * 3 + 3
    assert MlpConfig() == MlpConfig("plain", 2, 150, 0.6, 1e-3, 400)
    assert mlp.logits(vectors).shape == (60, 3)
    assert mlp.logits(vectors).dtype == np.float32
    assert len(mlp.losses) == 0


@pytest.mark.parametrize("variant", ["plain", "audeep-exact"])
def test_it_learns_and_answers_with_the_labels_it_was_given(variant):
    vectors, labels = blobs()
    # of three rectified logits one is often dead from the start, and its class never learnt: hence this seed
    mlp = Mlp(MlpConfig(variant, epochs=60), 0).fit(vectors, labels)
    others, truths = blobs(seed=1)
    shares = mlp.decision_function(others)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert mlp.classes_.tolist() == [5, 15, 25]
    assert (mlp.classes_[shares.argmax(axis=1)] == truths).mean() > 0.9
    assert mlp.losses[-1] < 0.5 * mlp.losses[0]


def test_a_seed_decides_everything_and_leaves_torch_alone():
    vectors, labels = blobs()
    threads = torch.get_num_threads()
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    config = MlpConfig(epochs=5)
    first = Mlp(config, 1).fit(vectors, labels).logits(vectors)
    assert torch.equal(torch.rand(2), wanted)  # the global generator was not touched
    assert torch.get_num_threads() == threads
    torch.manual_seed(4)
    again = Mlp(config, 1)
    again.fit(vectors[:10], labels[:10])
    assert np.array_equal(again.fit(vectors, labels).logits(vectors), first)  # nothing is left over
    assert not np.array_equal(Mlp(config, 2).fit(vectors, labels).logits(vectors), first)


def test_exact_logits_are_rectified_and_plain_ones_are_not():
    vectors, labels = blobs(distance=0.5)
    assert (
        Mlp(MlpConfig("audeep-exact", epochs=10), 0).fit(vectors, labels).logits(vectors).min() >= 0
    )
    assert Mlp(MlpConfig("plain", epochs=10), 0).fit(vectors, labels).logits(vectors).min() < 0


def test_a_class_with_a_negative_exact_logit_gets_no_gradient():
    weight = torch.tensor([[1.0, -1.0]], requires_grad=True)
    bias = torch.zeros(2, requires_grad=True)
    found = logits([(weight, bias)], torch.tensor([[2.0]]), variant="audeep-exact")
    assert found.tolist() == [[2.0, 0.0]]
    torch.nn.functional.cross_entropy(found, torch.tensor([1])).backward()
    assert bias.grad.tolist()[0] > 0
    assert bias.grad.tolist()[1] == 0


def test_weights_are_glorot_and_biases_by_variant():
    generator = torch.Generator().manual_seed(0)
    config = MlpConfig("audeep-exact")
    for (weight, bias), (inputs, outputs) in zip(
        init_layers(600, 50, config, generator), [(600, 150), (150, 150), (150, 50)], strict=True
    ):
        limit = np.sqrt(6 / (inputs + outputs))
        assert 0.95 * limit < weight.abs().max() <= limit
        assert abs(weight.mean()) < 0.1 * limit
        assert 0.5 * np.sqrt(3 / outputs) < bias.abs().max() <= np.sqrt(3 / outputs)
    plain = init_layers(600, 50, MlpConfig(), generator)
    assert all((bias == 0).all() for _, bias in plain)


def test_dropout_keeps_its_share_and_the_mean():
    vectors, labels = blobs()
    seen = []

    def drop(values):
        seen.append(values.shape)
        return values

    logits(init_layers(6, 3, MlpConfig(), torch.Generator()), torch.zeros(4, 6), drop=drop)
    assert seen == [(4, 150), (4, 150)]  # after each hidden layer, not on inputs or logits
    without = Mlp(MlpConfig(keep=1.0, epochs=30), 0).fit(vectors, labels)
    assert without.losses == sorted(without.losses, reverse=True)  # nothing random is left
    assert (
        Mlp(MlpConfig(keep=0.3, epochs=30), 0).fit(vectors, labels).losses[-1] > without.losses[-1]
    )


def test_training_rows_alone_are_the_standard():
    vectors, labels = blobs()
    mlp = Mlp(MlpConfig(epochs=20), 0).fit(vectors, labels)
    moved = Mlp(MlpConfig(epochs=20), 0).fit(vectors * 100 + 7, labels)
    np.testing.assert_allclose(moved.logits(vectors * 100 + 7), mlp.logits(vectors), atol=1e-2)
    before = mlp.logits(vectors[:1])
    assert np.allclose(mlp.logits(vectors)[:1], before, atol=1e-5)  # neighbours do not matter


@pytest.mark.parametrize(
    "changes", [{"units": 0}, {"keep": 0.0}, {"keep": 1.1}, {"learning_rate": 0}]
)
def test_impossible_settings_are_refused(changes):
    with pytest.raises(ConfigurationError, match="an MLP"):
        MlpConfig(**changes)
