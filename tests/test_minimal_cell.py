"""The minimal cell streams through a ``Scan``; no other control flow gets in, and not everything in a ``Scan``."""

from functools import cache

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from tiny import FRONTEND, SEGMENT
from trainer_data import random_spectrograms, with_model

from streamdeep import onnxfile, onnxgraph
from streamdeep.encoder.model import Model, load_model
from streamdeep.errors import ModelError
from streamdeep_trainer.export import export_model
from streamdeep_trainer.fit import fit
from streamdeep_trainer.fusion import fuse_models, load_part
from streamdeep_trainer.graph import encoder_contract, write_encoder
from streamdeep_trainer.modelfile import seal_model
from streamdeep_trainer.models.arrays import encoder_weights
from streamdeep_trainer.models.autoencoder import Shape
from streamdeep_trainer.models.networks import build_network
from streamdeep_trainer.shrink import shrink_model


def loaded(content):
    model = Model(onnxfile.check(content, onnxfile.ENCODER_OPERATORS, "minimal"), "minimal")
    model.prove()
    return model


@cache
def exported(**changes):
    torch.manual_seed(0)
    shape = Shape(20, cell="minimal", units=(12, 9), decoder_units=(5,), dim=16, **changes)
    encoder = build_network(shape).encoder.eval()
    weights = encoder_weights(encoder, np.zeros(encoder.shape.n_outputs, np.float32))
    content = seal_model(
        write_encoder(weights, 20),
        frontend=FRONTEND,
        segment=SEGMENT,
        encoder=encoder_contract(weights),
    )
    return encoder, content


def in_chunks(model, rows, cut):
    state, at = model.fresh_state(len(rows)), 0
    while True:
        last = at + cut >= rows.shape[1]
        emit = np.arange(len(rows)) if last else np.empty(0, dtype=np.int64)
        chunk = np.ascontiguousarray(rows[:, at : at + cut])
        state, embeddings = model.step(chunk, state, emit)
        if last:
            return embeddings
        at += cut


@pytest.mark.parametrize("readout", ["pooled", "final"])
def test_a_trained_model_streams_bit_for_bit(readout, tmp_path):
    recipe = with_model(cell="minimal", readout=readout)
    checkpoint = fit(recipe, random_spectrograms(), run=tmp_path)
    first, last = checkpoint.losses[0][0], checkpoint.losses[-1][0]
    assert last < first
    model = loaded(export_model(checkpoint, random_spectrograms()))
    assert model.incremental
    assert model.complaint is None
    assert model.contract.encoder.cell == "minimal"


def test_standing_still_in_silence_is_exact_however_long_and_however_cut():
    """Narrow sums are off by 7e-4 after a thousand frames: this cell comes to rest, far from its mean."""
    encoder, content = exported(readout="pooled")
    model = loaded(content)
    rows = np.full((3, 1000, 20), -1.0, dtype=np.float32)
    rows[2, ::7] = 1.0
    with torch.no_grad():
        wanted = encoder(torch.from_numpy(rows), torch.full((3,), 1000)).numpy()
    whole = model.encode(rows)
    assert np.abs(whole - wanted).max() < 1e-5
    for cut in (1, 13, 700):
        np.testing.assert_array_equal(in_chunks(model, rows, cut), whole)


def changed(change):
    model = onnx.ModelProto.FromString(exported(readout="pooled")[1])
    change(next(node for node in model.graph.node if node.op_type == "Scan"))
    return onnxfile.seal(model)


def body_of(scan):
    return next(attribute.g for attribute in scan.attribute if attribute.name == "body")


def nest(scan):
    inner = helper.make_node("Scan", ["state"], ["x"], num_scan_inputs=0)
    inner.attribute.append(helper.make_attribute("body", body_of(scan)))
    body_of(scan).node.append(inner)


def hide_in_an_addition(scan):
    body_of(scan).node[1].attribute.append(
        helper.make_attribute("body", helper.make_graph([], "inner", [], []))
    )


def loop(scan):
    scan.op_type = "Loop"


def multiply_matrices(scan):
    body_of(scan).node[0].op_type = "MatMul"


def go_foreign(scan):
    body_of(scan).node[0].domain = "com.microsoft"


def add_a_second_body(scan):
    scan.attribute.append(helper.make_attribute("others", [helper.make_graph([], "inner", [], [])]))


def read_a_file(scan):
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "outside")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    body_of(scan).initializer.append(tensor)


def grow(scan):
    body = body_of(scan)
    body.node.extend([body.node[0]] * onnxgraph.MAX_NODES)


def rows_without_columns(model):
    """A tensor of a million million rows that takes no memory: a Scan over it would go on for years."""
    scan = next(node for node in model.graph.node if node.op_type == "Scan")
    model.graph.initializer.append(helper.make_tensor("none", 1, [10**12, 0], []))
    scan.input[1] = scan.input[2] = "none"


def rows_without_columns_divided(model):
    scan = next(node for node in model.graph.node if node.op_type == "Scan")
    model.graph.initializer.append(helper.make_tensor("none", 1, [10**12, 0], []))
    model.graph.initializer.append(numpy_helper.from_array(np.ones(1, np.float32), "divisor"))
    at = list(model.graph.node).index(scan)
    scan.input[1] = scan.input[2] = "quotient"
    model.graph.node.insert(at, helper.make_node("Div", ["none", "divisor"], ["quotient"]))


def rows_without_columns_by_a_shape(model):
    scan = next(node for node in model.graph.node if node.op_type == "Scan")
    shape = numpy_helper.from_array(np.array([10**12, 1, 0]), "endless")
    model.graph.initializer.append(shape)
    at = list(model.graph.node).index(scan)
    wide = helper.make_node("Reshape", [scan.input[1], "endless"], ["none"], allowzero=1)
    scan.input[1] = scan.input[2] = "none"
    model.graph.node.insert(at, wide)


def rows_out_of_a_state(model):
    """What a Scan hands from step to step may be of any size; only what it writes a row a step is short."""
    first, second, *_ = [node for node in model.graph.node if node.op_type == "Scan"]
    second.input[1] = second.input[2] = first.output[0]


def another_axis(model):
    scan = next(node for node in model.graph.node if node.op_type == "Scan")
    scan.attribute.append(helper.make_attribute("scan_input_axes", [1, 1]))


def more_scanned_than_given(model):
    scan = next(node for node in model.graph.node if node.op_type == "Scan")
    next(item for item in scan.attribute if item.name == "num_scan_inputs").i = 9


@pytest.mark.parametrize(
    "change",
    [
        rows_without_columns,
        rows_without_columns_divided,
        rows_without_columns_by_a_shape,
        rows_out_of_a_state,
        another_axis,
        more_scanned_than_given,
    ],
)
def test_a_scan_over_something_else_than_frames_is_refused(change):
    model = onnx.ModelProto.FromString(exported(readout="pooled")[1])
    change(model)
    with pytest.raises(ModelError, match="a Scan over something else than its frames"):
        onnxfile.check(onnxfile.seal(model), onnxfile.ENCODER_OPERATORS, "model.onnx")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (nest, "Scan, which is not on the allow-list"),
        (hide_in_an_addition, "control flow"),
        (loop, "Loop, which is not on the allow-list"),
        (multiply_matrices, "MatMul, which is not on the allow-list"),
        (go_foreign, "allow-list"),
        (add_a_second_body, "control flow"),
        (read_a_file, "outside of its file"),
        (grow, "nodes; a model may have"),
    ],
)
def test_what_does_not_belong_into_a_scan_is_refused(change, message):
    content = changed(change)
    with pytest.raises(ModelError, match=message):
        onnxfile.check(content, onnxfile.ENCODER_OPERATORS, "model.onnx")


def test_a_node_without_inputs_is_refused_in_words():
    model = onnx.ModelProto.FromString(exported(readout="pooled")[1])
    model.graph.node.insert(0, helper.make_node("Reshape", ["frames"], ["x"]))
    with pytest.raises(ModelError, match="a Reshape without inputs"):
        onnxfile.check(onnxfile.seal(model), onnxfile.ENCODER_OPERATORS, "model.onnx")


@pytest.mark.parametrize("kind", ["fp32", "int8"])
def test_it_is_fused_and_shrunk_like_any_other(kind, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(exported(readout="pooled")[1])
    if kind != "fp32":
        path.write_bytes(shrink_model(path, kind))
    single, fused = load_model(path), loaded(fuse_models([load_part(path)] * 2, name="both"))
    assert fused.incremental
    assert fused.complaint is None
    frames = np.random.default_rng(0).uniform(-1, 1, (3, 24, 40)).astype(np.float32)
    wanted = [single.encode(np.ascontiguousarray(part)) for part in np.split(frames, 2, axis=2)]
    np.testing.assert_array_equal(fused.encode(frames), np.concatenate(wanted, axis=1))


def test_heads_have_no_scan_at_all():
    with pytest.raises(ModelError, match="not on the allow-list"):
        onnxfile.check(exported(readout="pooled")[1], onnxfile.HEAD_OPERATORS, "head.onnx")
