"""Every kind of model in a recipe trains, resumes, exports and runs in the engine's own pipeline."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from tiny import noise
from trainer_data import RECIPE, random_spectrograms, with_fit

from streamdeep import onnxfile
from streamdeep.encoder.model import Model
from streamdeep.errors import ConfigurationError
from streamdeep.pipeline import Pipeline
from streamdeep.records import Block
from streamdeep_trainer.building import shape_of
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.export import export_model
from streamdeep_trainer.fit import fit

SMALL = {"units": (8,), "decoder_units": (7,)}
WINDOWS = {"window_bands": 8, "window_overlap": 4}
KINDS = {
    "gru-reset-before": SMALL | {"cell": "gru-reset-before"},
    "lstm": SMALL | {"cell": "lstm", "readout": "final", "dim": 6},
    "both directions": SMALL | {"bidirectional_encoder": True},
    "scheduled sampling": SMALL
    | {"own_probability": 0.5, "encoder_noise": 0.2, "mask_silence": True},
    "decoder of both directions": SMALL | {"bidirectional_decoder": True, "feed": "nothing"},
    "exact": {"kind": "audeep-exact", "layers": 2, "units": 6, "bidirectional_decoder": True},
    "exact lstm": {"kind": "audeep-exact", "layers": 1, "units": 6, "cell": "lstm"},
    "f-rae": {"kind": "f-rae", "code": 9} | SMALL | WINDOWS,
    "ft-rae": {"kind": "ft-rae", "frequency_units": (5,), "frequency_decoder_units": (6,)}
    | SMALL
    | WINDOWS,
}


def recipe_of(name, **changes):
    plain = RECIPE.model_dump()
    plain["model"] = {"name": "tiny"} | KINDS[name] | changes
    plain["fit"] |= {"frame_dropout": 0.0}
    return Recipe.model_validate(plain)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_trains_exports_and_runs(name, tmp_path):
    recipe, made = recipe_of(name), random_spectrograms()
    content = export_model(fit(recipe, made, run=tmp_path), made)
    model = Model(onnxfile.check(content, onnxfile.ENCODER_OPERATORS, name), name)
    model.prove()
    assert model.complaint is None
    assert model.incremental == (name != "both directions")
    pipeline = Pipeline(model, 8000, 1)
    found = pipeline.push(Block(noise(12_000), 0)) + pipeline.flush()
    assert len(found) > 3
    assert all(np.isfinite(record.vector).all() for record in found)
    assert len(found[0].vector) == shape_of(recipe).embedding_dim


@pytest.mark.parametrize("name", ["lstm", "exact", "ft-rae"])
def test_a_run_that_was_interrupted_goes_on_to_the_same_weights(name, tmp_path):
    recipe, made = recipe_of(name), random_spectrograms()
    whole = fit(with_fit(recipe, epochs=2), made, run=tmp_path / "whole")
    fit(with_fit(recipe, epochs=1), made, run=tmp_path / "parts")
    resumed = fit(with_fit(recipe, epochs=2), made, run=tmp_path / "parts", resume=True)
    assert whole.weights.keys() == resumed.weights.keys()
    for key, values in whole.weights.items():
        np.testing.assert_array_equal(resumed.weights[key], values)
    assert whole.losses == resumed.losses


def test_a_table_without_a_kind_is_a_time_autoencoder():
    assert Recipe.model_validate({"model": {"units": (8,)}}).model.kind == "t-rae"


def test_options_of_another_kind_and_contradictions_are_refused():
    with pytest.raises(ValidationError, match="code"):
        Recipe.model_validate({"model": {"kind": "t-rae", "code": 3}})
    with pytest.raises(ValidationError, match="choose t-rae"):
        Recipe.model_validate({"model": {"kind": "vae"}})
    with pytest.raises(ConfigurationError, match=r"\[model\]"):
        shape_of(recipe_of("decoder of both directions", feed="previous"))
    with pytest.raises(ConfigurationError, match="leave"):
        shape_of(recipe_of("f-rae", window_bands=7))
    with pytest.raises(ConfigurationError, match="frame_dropout"):
        shape_of(with_fit(recipe_of("exact"), frame_dropout=0.5))


def test_audeeps_level_trains_on_whole_segments_and_exports_a_model_that_waits_for_them(tmp_path):
    plain = recipe_of("exact").model_dump()
    plain["frontend"] |= {
        "level": "segment",
        "clip_below_db": -60.0,
        "pre_emphasis": 0.95,
        "remove_frame_mean": True,
    }
    recipe = Recipe.model_validate(plain)
    made = replace(random_spectrograms(), frontend=recipe.frontend.stored())
    model_bytes = export_model(fit(recipe, made, run=tmp_path), made)
    model = Model(onnxfile.check(model_bytes, onnxfile.ENCODER_OPERATORS, "exact"), "exact")
    model.prove()
    assert not model.incremental
    assert model.contract.frontend.views[0].level.kind == "segment"
    pipeline = Pipeline(model, 8000, 1)
    found = pipeline.push(Block(noise(12_000), 0)) + pipeline.flush()
    quieter = Pipeline(model, 8000, 1)
    again = quieter.push(Block(noise(12_000) * np.float32(0.25), 0)) + quieter.flush()
    for one, other in zip(
        found, again, strict=True
    ):  # relative to the maximum: a gain changes nothing
        np.testing.assert_allclose(one.vector, other.vector, atol=1e-5)
