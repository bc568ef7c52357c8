"""Export: the graph is the network, and nothing is written that is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from trainer_data import random_spectrograms, with_model

from streamdeep import onnxfile
from streamdeep.config import SegmentConfig
from streamdeep.encoder.model import Model
from streamdeep.errors import ModelError
from streamdeep.heads.novelty import novelty_scores
from streamdeep_trainer.agreement import check_against_torch
from streamdeep_trainer.checkpoint import network_from
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.export import export_model
from streamdeep_trainer.fit import fit
from streamdeep_trainer.spans import segment_spans
from streamdeep_trainer.statistics import (
    conformal_quantiles,
    describe_embeddings,
    describe_levels,
    groups_of,
    held_out_scores,
)


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
    axes, centres = statistics.axes.array(), statistics.centres.array()
    np.testing.assert_allclose(axes @ axes.T, np.eye(32), atol=1e-5)
    assert centres.shape == (32, 32)
    scores = novelty_scores(
        embeddings, statistics.mean.array(), axes, centres, statistics.mean_square
    )
    assert np.sqrt((scores**2).mean()) == pytest.approx(1.0, abs=0.01)
    assert statistics.novelty_probabilities == (0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995)
    plane = (embeddings - statistics.mean.array()) @ projection.array().T
    np.testing.assert_allclose(plane.var(axis=0, ddof=1), 1.0, rtol=1e-3)


def test_quantiles_hold_for_sound_that_the_statistics_have_not_seen():
    """With as many embeddings as dimensions, those that were fitted to lie much closer than new ones do."""
    random = np.random.default_rng(5)
    spread = np.linspace(2.0, 0.1, 200)
    training = (random.standard_normal((200, 200)) * spread).astype(np.float32)
    new = (random.standard_normal((4000, 200)) * spread).astype(np.float32)
    statistics, _ = describe_embeddings(training)

    def scores(embeddings):
        return novelty_scores(
            embeddings,
            statistics.mean.array(),
            statistics.axes.array(),
            statistics.centres.array(),
            statistics.mean_square,
        )

    level = statistics.novelty_probabilities.index(0.95)
    assert (scores(new) > np.quantile(scores(training), 0.95)).mean() > 0.2
    assert (scores(new) > statistics.novelty_quantiles[level]).mean() < 0.08


def test_what_belongs_together_is_no_test_of_itself():
    """Every embedding is there five times: only if copies are held out together is each as new as it is."""
    random = np.random.default_rng(6)
    once = random.standard_normal((24, 100)).astype(np.float32)
    copies, clips = np.repeat(once, 5, axis=0), np.repeat(np.arange(24), 5)
    together = held_out_scores(copies, clips)
    np.testing.assert_allclose(together[::5], held_out_scores(once), rtol=1e-2)
    assert np.median(held_out_scores(copies)) < 0.95 * np.median(together)


def test_a_quantile_counts_the_new_sound_in_and_what_so_few_scores_cannot_tell_is_left_out():
    levels, scores = conformal_quantiles(np.arange(1.0, 100.0))
    assert dict(zip(levels, scores, strict=True)) == {
        0.5: 50.0, 0.75: 75.0, 0.9: 90.0, 0.95: 95.0, 0.98: 98.0, 0.99: 99.0,
    }  # fmt: skip
    assert conformal_quantiles(np.array([3.0, 1.0])) == ((0.5,), (3.0,))
    assert conformal_quantiles(np.array([3.0])) == ((0.5,), (3.0,))


def test_official_folds_keep_clips_together_else_files_do():
    clips = [Clip(Path(name), name, "a", fold) for name, fold in (("x", 2), ("y", 1), ("z", 2))]
    assert groups_of(clips).tolist() == [2, 1, 2]
    assert groups_of([replace(clip, fold=None) for clip in clips]).tolist() == [0, 1, 2]


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
