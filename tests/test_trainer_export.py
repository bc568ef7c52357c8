"""Export: the graph is the network, and nothing is written that is not."""

import numpy as np
import pytest
import torch
from trainer_data import random_spectrograms, with_model

from streamdeep import onnxfile
from streamdeep.config import SegmentConfig
from streamdeep.encoder.model import Model
from streamdeep.errors import ModelError
from streamdeep.heads.novelty import novelty_scores
from streamdeep_trainer.checkpoint import network_from
from streamdeep_trainer.export import check_against_torch, export_model
from streamdeep_trainer.fit import fit
from streamdeep_trainer.spans import segment_spans
from streamdeep_trainer.statistics import describe_embeddings, describe_levels


def load(content):
    model = Model(onnxfile.check(content, onnxfile.ENCODER_OPERATORS, "exported"), "exported")
    model.prove()
    return model


@pytest.fixture(scope="module", params=["pooled", "final"])
def exported(request, tmp_path_factory):
    recipe = with_model(readout=request.param)
    checkpoint = fit(recipe, random_spectrograms(), run=tmp_path_factory.mktemp("run"))
    return checkpoint, load(export_model(checkpoint, random_spectrograms()))


@pytest.mark.parametrize("n_rows", [1, 3, 64])
@pytest.mark.parametrize("length", [1, 2, 7, 33, 124])
def test_the_exported_graph_is_torch_for_lengths_never_seen(exported, length, n_rows):
    checkpoint, model = exported
    random = np.random.default_rng(length)
    frames = random.uniform(-1, 1, (n_rows, length, 20)).astype(np.float32)
    frames[0] = -1.0  # silence
    with torch.no_grad():
        wanted = network_from(checkpoint).encoder(
            torch.from_numpy(frames), torch.full((n_rows,), length)
        )
    assert np.abs(model.encode(frames) - wanted.numpy()).max() < 1e-4


def test_the_promise_of_parity_is_kept(exported):
    _, model = exported
    assert model.complaint is None
    assert model.incremental


@pytest.mark.parametrize("weight", ["layers.0.weight_ih_l0", "layers.1.bias_hh_l0"])
def test_a_planted_difference_is_refused(exported, weight):
    checkpoint, model = exported
    encoder = network_from(checkpoint).encoder
    with torch.no_grad():
        encoder.get_parameter(weight).view(-1)[-1] += 0.1
    with pytest.raises(ModelError, match="differs from torch by"):
        check_against_torch(model, encoder)


def test_the_file_tells_where_it_comes_from(exported):
    checkpoint, model = exported
    contract = model.contract
    about = contract.provenance
    assert about["name"] == "tiny"
    assert (about["n_clips"], about["epochs"], about["seed"]) == (8, 2, 0)
    assert len(about["losses"]) == 2
    assert contract.segment == SegmentConfig(length_frames=24, hop_frames=10)
    level = contract.frontend.views[0].level
    assert (level.floor_db, level.ceiling_db) == checkpoint.levels
    assert contract.level.dbfs_quantiles == tuple(sorted(contract.level.dbfs_quantiles))
    assert contract.projection.shape == (2, contract.encoder.dim)
    assert list(contract.statistics.novelty_quantiles) == sorted(
        contract.statistics.novelty_quantiles
    )


def test_the_untrained_twin_has_the_same_shape_and_other_weights(exported):
    checkpoint, model = exported
    twin = load(export_model(checkpoint, random_spectrograms(), untrained=True))
    assert twin.contract.provenance["name"] == "tiny-untrained"
    assert twin.contract.encoder == model.contract.encoder
    assert twin.contract.frontend == model.contract.frontend
    assert twin.digest != model.digest


def test_two_exports_of_one_checkpoint_are_the_same_file(exported):
    checkpoint, model = exported
    assert load(export_model(checkpoint, random_spectrograms())).digest == model.digest


def test_statistics_recognise_the_training_data():
    random = np.random.default_rng(0)
    embeddings = (random.standard_normal((300, 50)) * np.linspace(3.0, 0.1, 50) + 5).astype(
        np.float32
    )
    statistics, projection = describe_embeddings(embeddings)
    axes, variances = statistics.axes.array(), statistics.variances.array()
    np.testing.assert_allclose(axes @ axes.T, np.eye(32), atol=1e-5)
    assert (np.diff(variances) <= 0).all()
    scores = novelty_scores(
        embeddings, statistics.mean.array(), axes, variances, statistics.residual_variance
    )
    assert np.sqrt((scores**2).mean()) == pytest.approx(1.0, abs=0.01)
    assert statistics.novelty_quantiles[0] == pytest.approx(np.median(scores), rel=1e-6)
    plane = (embeddings - statistics.mean.array()) @ projection.array().T
    np.testing.assert_allclose(plane.var(axis=0, ddof=1), 1.0, rtol=1e-3)


def test_statistics_of_fewer_embeddings_than_axes():
    embeddings = np.random.default_rng(0).standard_normal((3, 40)).astype(np.float32)
    statistics, projection = describe_embeddings(embeddings)
    assert statistics.axes.shape == (2, 40)
    assert projection.shape == (2, 40)


def test_silence_has_a_level_too():
    assert describe_levels(np.zeros(3)).dbfs_quantiles == (-200.0,) * 5


@pytest.mark.parametrize(
    ("n_frames", "spans"),
    [
        (1, [(0, 1)]),
        (23, [(0, 23)]),
        (24, [(0, 24)]),
        (25, [(0, 24), (10, 25)]),
        (34, [(0, 24), (10, 34)]),
        (45, [(0, 24), (10, 34), (20, 44), (30, 45)]),
    ],
)
def test_segments_are_cut_as_the_engine_cuts_them(n_frames, spans):
    assert segment_spans(n_frames, SegmentConfig(length_frames=24, hop_frames=10)) == spans


def test_frames_between_far_segments_are_in_none():
    segment = SegmentConfig(length_frames=5, hop_frames=10)
    assert segment_spans(9, segment) == [(0, 5)]
    assert segment_spans(12, segment) == [(0, 5), (10, 12)]
