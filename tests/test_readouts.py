"""Readouts and the stem: what they compute, that they are learnt, and that the model file streams as any other."""

from functools import cache

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tiny import FRONTEND, SEGMENT
from trainer_data import RECIPE, random_spectrograms, tone_spectrograms, with_fit, write_tones

from streamdeep import onnxfile
from streamdeep.config import describe
from streamdeep.encoder.model import Model, load_model
from streamdeep.errors import ConfigurationError
from streamdeep_trainer.building import shape_of, untrained_network
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.export import export_model
from streamdeep_trainer.fit import fit
from streamdeep_trainer.fusion import fuse_models, load_part
from streamdeep_trainer.graph import encoder_contract, heads_of, write_encoder
from streamdeep_trainer.modelfile import seal_model
from streamdeep_trainer.models.arrays import encoder_weights
from streamdeep_trainer.models.autoencoder import Shape
from streamdeep_trainer.models.networks import build_network
from streamdeep_trainer.models.rows import attended, pooled
from streamdeep_trainer.models.stem import Stem, StemShape
from streamdeep_trainer.shrink import shrink_model

ALL_OF_IT = {
    "readout": "attention",
    "attention_heads": 2,
    "readout_layers": "last",
    "stem": {"frames": 3, "units": 8},
}


def recipe_of(model, objective="reconstruction", **changes):
    plain = RECIPE.model_dump()
    kind = model.get("kind", "t-rae")
    base = plain["model"] if kind == "t-rae" else {"name": "tiny"}
    windows = {"window_bands": 8, "window_overlap": 4} if kind in ("f-rae", "ft-rae") else {}
    return Recipe.model_validate(
        plain
        | {"model": base | windows | model, "objective": {"kind": objective}}
        | {"augment": {"crop": 0.75}, "fit": plain["fit"] | changes}
    )


def loaded(content):
    model = Model(onnxfile.check(content, onnxfile.ENCODER_OPERATORS, "it"), "it")
    model.prove()
    return model


@cache
def exported(cell="gru", strength=20.0):
    """An encoder with a stem and scores that are far apart, and the file made of it."""
    torch.manual_seed(0)
    shape = Shape(20, cell=cell, units=(12, 9), readout="attention", stem=StemShape(3, 8))
    encoder = build_network(shape).encoder.eval().requires_grad_(False)
    encoder.attention.weight.mul_(strength)
    weights = encoder_weights(encoder, None)
    content = seal_model(
        write_encoder(weights, 20),
        frontend=FRONTEND,
        segment=SEGMENT,
        encoder=encoder_contract(weights),
    )
    return encoder, content


def test_where_all_frames_count_alike_attention_is_pooling():
    outputs, lengths = torch.randn((3, 17, 10)), torch.tensor([17, 1, 5])
    for score in (0.0, -9.0, 9.0):
        found = attended(outputs, torch.full((3, 17, 4), score), lengths)
        torch.testing.assert_close(found, pooled(outputs, lengths))


def test_a_frame_counts_by_its_score_for_the_outputs_of_that_head_alone():
    outputs = torch.tensor([[[1.0, 1.0], [3.0, 3.0], [9.0, 9.0]]])
    half = np.arctanh(np.log(3.0) / 4)  # three times as much as a score of 0
    looks = torch.tensor([[[0.0, half], [0.0, 0.0], [7.0, 7.0]]], dtype=torch.float32)
    found = attended(outputs, looks, torch.tensor([2]))[0].tolist()
    deviations = [np.sqrt(variance + 1e-4) for variance in (1.0, 0.75)]
    assert found == pytest.approx([2.0, 1.5, *deviations, 3.0, 3.0])


def test_heads_share_the_outputs_evenly_and_in_order():
    assert heads_of(8, 4).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert np.bincount(heads_of(10, 4)).tolist() == [3, 2, 3, 2]
    assert heads_of(3, 1).tolist() == [0, 0, 0]


def test_no_score_makes_a_frame_count_more_than_the_bound_allows():
    """Nothing overflows and no frame is lost, however large the scores become."""
    outputs = torch.tensor([[[0.0], [1.0]]])
    looks = torch.tensor([[[1e30], [-1e30]]])
    mean = attended(outputs, looks, torch.tensor([2]))[0, 0].item()
    assert mean == pytest.approx(1 / (1 + np.exp(8.0)))


def test_a_stem_sees_what_was_before_and_the_first_frame_stands_for_what_was_before_it():
    torch.manual_seed(0)
    stem, frames = Stem(StemShape(3, 5), 4), torch.randn((2, 7, 4))
    found = stem(frames)
    whole = torch.cat((frames[:, :1], frames[:, :1], frames), dim=1)
    for step in range(7):
        patch = whole[:, step : step + 3].flatten(1)
        torch.testing.assert_close(found[:, step], torch.relu(stem.linear(patch)))
    changed = frames.clone()
    changed[:, 4:] = 9.0
    assert torch.equal(stem(changed)[:, :4], found[:, :4])


@pytest.mark.parametrize("cell", ["gru", "gru-reset-before", "lstm", "minimal"])
def test_long_silence_and_large_scores_are_exact_however_they_are_cut(cell):
    encoder, content = exported(cell, strength=200.0)
    model = loaded(content)
    rows = np.full((3, 1000, 20), -1.0, dtype=np.float32)
    rows[2, ::7] = 1.0
    with torch.no_grad():
        wanted = encoder(torch.from_numpy(rows), torch.full((3,), 1000)).numpy()
    whole = model.encode(rows)
    assert np.abs(whole - wanted).max() < 1e-4
    for cut in (1, 13, 700):
        state, embeddings = model.fresh_state(3), None
        for at in range(0, 1000, cut):
            emit = np.arange(3 if at + cut >= 1000 else 0)
            chunk = np.ascontiguousarray(rows[:, at : at + cut])
            state, embeddings = model.step(chunk, state, emit)
        np.testing.assert_array_equal(embeddings, whole)


LEARNT = [
    ({}, "reconstruction"),
    ({"cell": "lstm"}, "contrastive"),
    ({"cell": "gru-reset-before"}, "vicreg"),
    ({"cell": "minimal"}, "vicreg"),
]


@pytest.mark.parametrize(("model", "objective"), LEARNT)
def test_scores_and_stem_are_learnt_and_a_resumed_run_ends_with_the_same(
    model, objective, tmp_path
):
    recipe = recipe_of(ALL_OF_IT | model, objective, epochs=3)
    whole = fit(recipe, random_spectrograms(), run=tmp_path / "a")
    drawn = untrained_network(recipe).state_dict()
    for name in ("attention.weight", "stem.linear.weight"):
        moved = np.abs(whole.weights[f"encoder.{name}"] - drawn[f"encoder.{name}"].numpy())
        assert moved.min() > 0.0
    fit(with_fit(recipe, epochs=1), random_spectrograms(), run=tmp_path / "b")
    resumed = fit(recipe, random_spectrograms(), run=tmp_path / "b", resume=True)
    assert all(np.array_equal(whole.weights[n], resumed.weights[n]) for n in whole.weights)
    for untrained in (False, True):
        model_file = loaded(export_model(whole, random_spectrograms(), untrained=untrained))
        assert model_file.incremental
        assert model_file.complaint is None
        assert model_file.contract.encoder.readout == "attention"
        assert model_file.contract.encoder.dim == 3 * 9
        told = model_file.contract.provenance["recipe"]["model"]
        assert {key: told[key] for key in ALL_OF_IT} == ALL_OF_IT


@pytest.mark.parametrize(
    ("model", "objective", "dim"),
    [
        ({"kind": "ft-rae", "frequency_units": (6,), "units": (8, 7)}, "reconstruction", 45),
        ({"kind": "f-rae", "units": (6,), "code": 10}, "contrastive", 30),
    ],
)
def test_attention_stands_behind_a_frequency_encoder_too(model, objective, dim, tmp_path):
    recipe = recipe_of(model | {"readout": "attention"}, objective, epochs=1)
    found = fit(recipe, random_spectrograms(), run=tmp_path)
    drawn = untrained_network(recipe).encoder.attention.weight.detach().numpy()
    assert not np.array_equal(found.weights["encoder.attention.weight"], drawn)
    model_file = loaded(export_model(found, random_spectrograms()))
    assert model_file.incremental
    assert model_file.complaint is None
    assert model_file.contract.encoder.dim == dim


def test_training_lowers_the_loss_with_all_of_it(tmp_path):
    tones = tone_spectrograms(write_tones(tmp_path / "tones"))
    changes = {"epochs": 20, "learning_rate": 1e-2, "dropout": 0.0, "batch_size": 8}
    losses = fit(recipe_of(ALL_OF_IT, **changes), tones, run=tmp_path / "run").losses
    first, last = (
        np.mean([training for training, _ in part]) for part in (losses[:3], losses[-3:])
    )
    assert last < 0.8 * first


def test_a_readout_does_not_change_the_layers_that_are_drawn():
    wanted = untrained_network(recipe_of({})).encoder.state_dict()
    found = untrained_network(recipe_of({"readout": "attention"})).encoder.state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_recipe_without_the_keys_leaves_them_out_of_the_model_file(tmp_path):
    """Its bytes are what they were before there were such keys."""
    found = fit(with_fit(epochs=1), random_spectrograms(), run=tmp_path)
    told = loaded(export_model(found, random_spectrograms())).contract.provenance["recipe"]
    assert not told["model"].keys() & {"readout_layers", "attention_heads", "stem"}
    assert Recipe.model_validate(told).model == found.recipe.model


@pytest.mark.parametrize("kind", ["fp32", "fp16", "int8"])
def test_it_is_fused_and_shrunk_like_any_other(kind, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(exported()[1])
    if kind != "fp32":
        path.write_bytes(shrink_model(path, kind))
    single, fused = load_model(path), loaded(fuse_models([load_part(path)] * 2, name="both"))
    assert fused.incremental
    assert fused.complaint is None
    frames = np.random.default_rng(0).uniform(-1, 1, (3, 24, 40)).astype(np.float32)
    wanted = [single.encode(np.ascontiguousarray(part)) for part in np.split(frames, 2, axis=2)]
    np.testing.assert_array_equal(fused.encode(frames), np.concatenate(wanted, axis=1))


@pytest.mark.parametrize(
    ("model", "objective", "says"),
    [
        (ALL_OF_IT, "prediction", "prediction of t-rae looks at frames one by one and would leave"),
        (ALL_OF_IT, "masked", "masked of t-rae looks at frames one by one"),
        (ALL_OF_IT, "cluster-prediction", "cluster-prediction of t-rae looks at frames one by one"),
        (
            {"kind": "f-rae", "readout": "attention"},
            "reconstruction",
            "reconstruction of f-rae looks at",
        ),
        ({"kind": "ft-rae", "stem": {}}, "reconstruction", "stem"),
        ({"kind": "dictionary", "readout": "attention"}, "reconstruction", "readout"),
        ({"stem": {"frames": 0}}, "reconstruction", "greater than or equal to 1"),
        ({"stem": {"layers": 2}}, "reconstruction", "layers"),
        ({"readout_layers": "first"}, "reconstruction", "'all' or 'last'"),
        ({"readout": "attention", "attention_heads": 0}, "reconstruction", "greater than or equal"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(model, objective, says):
    with pytest.raises(ValidationError) as caught:
        recipe_of(model, objective)
    assert says in describe(caught.value)
    assert "\n" not in describe(caught.value)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"readout": "final", "readout_layers": "last"}, "readout = 'final' reads the last states"),
        ({"readout": "attention", "attention_heads": 22}, "22 attention_heads cannot share 21"),
    ],
)
def test_contradictions_are_refused_before_anything_is_trained(model, says):
    with pytest.raises(ConfigurationError, match=says):
        shape_of(recipe_of(model))
