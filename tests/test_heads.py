"""A head says what it was trained on, and gives each row the same answer in any company."""

import numpy as np
import onnx
import pytest
from tiny import tiny_content, tiny_model

from streamdeep import onnxfile
from streamdeep.errors import MismatchError, ModelError
from streamdeep.heads.head import METADATA_KEY, load_head
from streamdeep.heads.novelty import novelty_scores
from streamdeep.heads.writing import folded, write_linear_head

LABELS = ("dog", "rain", "sea")
DIGEST = bytes(range(32))


def write(path, dim=63, seed=0, **options):
    random = np.random.default_rng(seed)
    weight, bias = random.standard_normal((3, dim)), random.standard_normal(3)
    return write_linear_head(path, weight, bias, LABELS, DIGEST, **options), weight, bias


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_a_head_computes_what_was_written(tmp_path, activation):
    head, weight, bias = write(tmp_path / "head.onnx", activation=activation)
    embeddings = np.random.default_rng(1).standard_normal((20, 63)).astype(np.float32)
    logits = embeddings @ weight.T + bias
    expected = 1 / (1 + np.exp(-logits))
    if activation == "softmax":
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(head.probabilities(embeddings), expected, atol=1e-5)
    assert load_head(tmp_path / "head.onnx").contract == head.contract


@pytest.mark.parametrize("dim", [63, 512, 1536])
def test_a_row_does_not_depend_on_the_others(tmp_path, dim):
    head, *_ = write(tmp_path / "head.onnx", dim=dim)
    embeddings = np.random.default_rng(2).standard_normal((67, dim)).astype(np.float32)
    alone = np.concatenate([head.probabilities(row[None]) for row in embeddings])
    for n_rows in (2, 3, 7, 64, 67):
        np.testing.assert_array_equal(head.probabilities(embeddings[:n_rows]), alone[:n_rows])
    assert head.probabilities(embeddings[:0]).shape == (0, 3)


def test_folding_a_scaler_changes_nothing():
    random = np.random.default_rng(3)
    weight, bias, mean, scale = (
        random.standard_normal((3, 5)), random.standard_normal(3), random.standard_normal(5), random.uniform(0.5, 2, 5),
    )  # fmt: skip
    x = random.standard_normal((10, 5))
    folded_weight, folded_bias = folded(weight, bias, mean, scale)
    np.testing.assert_allclose(
        x @ folded_weight.T + folded_bias, ((x - mean) / scale) @ weight.T + bias
    )


def test_a_head_refuses_another_encoders_embeddings(tmp_path):
    head, *_ = write(tmp_path / "head.onnx")
    head.check(DIGEST)
    head.check(DIGEST[:8])
    with pytest.raises(MismatchError, match="trained for the encoder 0001020304050607"):
        head.check(bytes(8))
    assert not head.accepts(DIGEST[:4])


def test_an_encoder_is_no_head_and_a_damaged_head_is_refused(tmp_path):
    path = tmp_path / "head.onnx"
    path.write_bytes(tiny_content())
    with pytest.raises(ModelError, match="an encoder; a head is needed"):
        load_head(path)
    write(path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelError):
        load_head(path)


def test_a_head_of_a_newer_format_asks_for_an_upgrade(tmp_path):
    path = tmp_path / "head.onnx"
    write(path)
    model = onnx.ModelProto.FromString(path.read_bytes())
    for prop in model.metadata_props:
        if prop.key == METADATA_KEY:
            prop.value = prop.value.replace('"format":1', '"format":7')
    path.write_bytes(onnxfile.seal(model))
    with pytest.raises(ModelError, match=r"format 7.*upgrade"):
        load_head(path)


def test_novelty_is_about_one_for_what_was_trained_on_and_grows_with_distance():
    random = np.random.default_rng(4)
    spread = np.concatenate((np.linspace(3, 1, 8), np.full(56, 0.1)))
    training = random.standard_normal((4000, 64)) * spread
    axes, centre = np.eye(64)[:8], np.zeros((1, 8))
    scores = novelty_scores(training, np.zeros(64), axes, centre, float((spread**2).sum()))
    assert np.sqrt(np.mean(scores**2)) == pytest.approx(1.0, abs=0.05)
    farther = novelty_scores(training * 3, np.zeros(64), axes, centre, float((spread**2).sum()))
    np.testing.assert_allclose(farther, 3 * scores, rtol=1e-6)


def test_the_tiny_model_and_its_head_fit(tmp_path):
    model = tiny_model()
    head = write_linear_head(
        tmp_path / "h.onnx", np.ones((2, 63)), np.zeros(2), ("a", "b"), model.digest
    )
    head.check(model.short_digest)
