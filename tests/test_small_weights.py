"""Weights stored as fp16 or int8: a smaller file, the same promises, and it says how far it moved."""

import json
import sys
from contextlib import suppress

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from tiny import FRONTEND, SEGMENT, tiny_content, tiny_model, weights
from trainer_data import random_spectrograms, with_model

from streamdeep import onnxfile
from streamdeep.encoder.model import Model, load_model
from streamdeep.errors import ModelError
from streamdeep_trainer import cli
from streamdeep_trainer.deviation import weights_provenance
from streamdeep_trainer.export import export_model
from streamdeep_trainer.fit import fit
from streamdeep_trainer.fusion import fuse_models, load_part
from streamdeep_trainer.graph import encoder_contract, narrow, write_encoder
from streamdeep_trainer.modelfile import seal_model
from streamdeep_trainer.shrink import shrink_model
from streamdeep_trainer.spectrograms import save_spectrograms

KINDS = ["fp16", "int8"]


def loaded(content):
    model = Model(onnxfile.check(content, onnxfile.ENCODER_OPERATORS, "small"), "small")
    model.prove()
    return model


def sealed(graph, drawn):
    content = seal_model(graph, frontend=FRONTEND, segment=SEGMENT, encoder=encoder_contract(drawn))
    return loaded(content)


@pytest.fixture
def file(tmp_path):
    """A model whose weights are most of it."""
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny_content(units=(128, 64)))
    return path


def widened(graph):
    """The float32 graph whose matrices are exactly what a small graph's become."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    wide = onnx.ModelProto()
    wide.CopyFrom(graph)
    kept = []
    for node in graph.graph.node:
        if node.op_type == "Cast" and node.input[0] in constants:
            constants[node.output[0]] = constants.pop(node.input[0]).astype(np.float32)
        elif node.op_type == "Mul" and set(node.input) <= set(constants):
            steps, scale = (constants.pop(name) for name in node.input)
            constants[node.output[0]] = steps * scale
        else:
            kept.append(node)
    del wide.graph.node[:], wide.graph.initializer[:]
    wide.graph.node.extend(kept)
    wide.graph.initializer.extend(
        numpy_helper.from_array(values, name) for name, values in constants.items()
    )
    return wide


@pytest.mark.parametrize("readout", ["pooled", "final"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_small_model_is_to_the_bit_the_float32_model_of_its_widened_weights(kind, readout):
    drawn = weights(readout)
    small = narrow(write_encoder(drawn, 20), kind)
    wide = widened(small)
    float32 = {t.name for t in wide.graph.initializer if t.data_type == TensorProto.FLOAT}
    assert {"layer0_W", "layer0_R", "layer1_W", "layer1_R"} <= float32
    frames = np.random.default_rng(0).uniform(-1, 1, (7, 41, 20)).astype(np.float32)
    np.testing.assert_array_equal(
        sealed(small, drawn).encode(frames), sealed(wide, drawn).encode(frames)
    )


@pytest.mark.parametrize("readout", ["pooled", "final"])
@pytest.mark.parametrize("kind", KINDS)
def test_steps_chunks_and_neighbours_stay_bit_identical(kind, readout, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny_content(readout, units=(64, 48)))
    model = loaded(shrink_model(path, kind))
    assert model.incremental
    assert model.complaint is None
    frames = np.random.default_rng(0).uniform(-1, 1, (67, 41, 20)).astype(np.float32)
    whole = np.concatenate([model.encode(row[None]) for row in frames[:9]])
    for n_rows in (2, 7, 67):
        np.testing.assert_array_equal(model.encode(frames[:n_rows])[:9], whole[:n_rows])
    for cut in (1, 5, 40):
        state, embeddings = model.fresh_state(9), None
        for at in range(0, 41, cut):
            chunk = np.ascontiguousarray(frames[:9, at : at + cut])
            emit = np.arange(9) if at + cut >= 41 else np.empty(0, dtype=np.int64)
            state, embeddings = model.step(chunk, state, emit)
        np.testing.assert_array_equal(embeddings, whole)


@pytest.mark.parametrize(("kind", "share", "deviation"), [("fp16", 0.5, 1e-2), ("int8", 0.25, 0.2)])
def test_weights_shrink_to_their_share_and_the_file_says_how_far_it_moved(
    kind, share, deviation, file
):
    full, small = loaded(file.read_bytes()), loaded(content := shrink_model(file, kind))
    matrices = 4 * 3 * (128 * (20 + 128) + 64 * (128 + 64))
    saved = (1 - share) * matrices
    assert abs(len(file.read_bytes()) - len(content) - saved) < 0.02 * matrices + 3000
    about = small.contract.provenance["weights"]
    assert about["kind"] == kind
    assert about["sha256_of_float32"] == full.digest.hex()
    frames = np.random.default_rng(3).uniform(-1, 1, (20, 30, 20)).astype(np.float32)
    moved = np.abs(small.encode(frames) - full.encode(frames)).max()
    assert 0 < moved < 3 * about["largest_deviation"] < 3 * deviation
    assert 0.99 < about["lowest_cosine"] < 1


def test_a_small_model_keeps_everything_else_that_the_file_says(file):
    full, small = loaded(file.read_bytes()).contract, loaded(shrink_model(file, "int8")).contract
    changed = {"provenance", "golden"}
    assert small.model_dump(exclude=changed) == full.model_dump(exclude=changed)
    assert small.golden.frames == full.golden.frames
    assert small.golden.embeddings != full.golden.embeddings
    assert set(small.provenance) == {*full.provenance, "weights"}


def test_int8_is_within_half_a_step_of_each_outputs_scale():
    drawn = weights("final")
    small = narrow(write_encoder(drawn, 20), "int8")
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in small.graph.initializer}
    assert stored["layer0_R_scale"].shape == (1, 36, 1)
    assert stored["projection_W_scale"].shape == (1, 16)
    scale = stored["projection_W_scale"]
    np.testing.assert_array_equal(np.abs(stored["projection_W_int8"]).max(axis=0), 127)
    off = stored["projection_W_int8"] * scale - drawn.projection.weight
    assert (np.abs(off) <= 0.5001 * scale).all()
    assert stored["projection_b"].dtype == stored["layer0_B"].dtype == np.float32


def test_an_output_without_weights_stays_without():
    drawn = weights()
    drawn.layers[0].weight_hh[:5] = 0.0
    small = narrow(write_encoder(drawn, 20), "int8")
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in small.graph.initializer}
    assert np.isfinite(stored["layer0_R_scale"]).all()
    assert (np.abs(stored["layer0_R_int8"]).max(axis=2) == 0).sum() == 5
    assert sealed(small, drawn).complaint is None


@pytest.mark.parametrize(("kind", "value"), [("fp16", 1e5), ("int8", np.nan), ("fp16", np.inf)])
def test_weights_that_cannot_be_stored_are_refused(kind, value):
    drawn = weights()
    drawn.layers[1].weight_ih[0, 0] = value
    with pytest.raises(ModelError, match=r"layer1_W reach .* cannot hold"):
        narrow(write_encoder(drawn, 20), kind)


def test_more_than_rounding_is_refused():
    with pytest.raises(ModelError, match="more than rounding"):
        weights_provenance(tiny_model(seed=1), tiny_model(seed=0), "int8")


def test_weights_are_not_made_small_twice(file):
    path = file.with_name("small.onnx")
    path.write_bytes(shrink_model(file, "fp16"))
    with pytest.raises(ModelError, match="has small weights already"):
        shrink_model(path, "int8")
    with pytest.raises(ModelError, match="no float32 weights left"):
        narrow(onnx.ModelProto.FromString(path.read_bytes()), "int8")


def test_a_fused_model_shrinks_to_the_fusion_of_its_shrunk_parts(tmp_path):
    paths = [tmp_path / f"{seed}.onnx" for seed in (0, 1)]
    for seed, path in enumerate(paths):
        path.write_bytes(tiny_content(seed=seed))
    fused = tmp_path / "fused.onnx"
    fused.write_bytes(fuse_models([load_part(path) for path in paths], name="both"))
    together = loaded(shrink_model(fused, "int8"))
    for path in paths:
        path.write_bytes(shrink_model(path, "int8"))
    apart = loaded(fuse_models([load_part(path) for path in paths], name="both"))
    frames = np.random.default_rng(0).uniform(-1, 1, (3, 24, 40)).astype(np.float32)
    np.testing.assert_array_equal(together.encode(frames), apart.encode(frames))


def test_an_exported_small_model_is_judged_by_itself(tmp_path):
    made = random_spectrograms()
    checkpoint = fit(with_model(readout="pooled"), made, run=tmp_path)
    full = loaded(export_model(checkpoint, made)).contract
    small = loaded(export_model(checkpoint, made, kind="int8")).contract
    assert "weights" not in full.provenance
    assert small.provenance["weights"]["kind"] == "int8"
    assert small.statistics != full.statistics
    distance = small.statistics.mean.array() - full.statistics.mean.array()
    assert 0 < np.abs(distance).max() < 0.01


def test_the_commands_write_small_models(file, tmp_path, monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["streamdeep-train", *map(str, arguments)])
        with suppress(SystemExit):
            cli.main()
        told = capsys.readouterr()
        assert told.out, told.err
        return json.loads(told.out)

    out = tmp_path / "small.onnx"
    told = run("shrink", file, "--weights", "int8", "--out", out, "--json")
    assert load_model(out).digest.hex() == told["sha256"]
    assert out.stat().st_size == told["bytes"] < file.stat().st_size
    fit(with_model(readout="pooled"), random_spectrograms(), run=tmp_path / "run")
    save_spectrograms(tmp_path / "run/spectrograms.nc", random_spectrograms())
    told = run("export", tmp_path / "run", "--weights", "fp16", "--out", out, "--json")
    assert load_model(out).contract.provenance["weights"]["kind"] == "fp16"
