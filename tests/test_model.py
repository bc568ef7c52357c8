"""A model file is refused unless it is whole, ours, known, allowed, and true on this machine."""

import json

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tiny import FRONTEND, SEGMENT, tiny_content, tiny_model

from streamdeep import onnxfile
from streamdeep.encoder.contract import METADATA_KEY, Contract, Floats
from streamdeep.encoder.golden import noise
from streamdeep.encoder.model import Model, load_model
from streamdeep.errors import ModelError


def load(content, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    return load_model(path)


def changed(change, content=None):
    """A resealed copy of the tiny model after ``change(proto)``."""
    model = onnx.ModelProto.FromString(content or tiny_content())
    change(model)
    return onnxfile.seal(model)


def metadata(model):
    return next(prop for prop in model.metadata_props if prop.key == METADATA_KEY)


def with_metadata(edit):
    def change(model):
        found = json.loads(metadata(model).value)
        edit(found)
        metadata(model).value = json.dumps(found)

    return changed(change)


def test_a_sealed_model_loads_and_keeps_its_promises(tmp_path):
    model = load(tiny_content(), tmp_path)
    assert model.incremental
    assert model.batchable
    assert model.complaint is None
    assert model.contract.segment == SEGMENT
    assert model.contract.frontend == FRONTEND


def test_the_digest_is_the_sha256_of_the_file_with_its_digits_as_zeros():
    import hashlib

    content = tiny_content()
    stated, computed = onnxfile.digest_of(content)
    zeroed = content.replace(stated.hex().encode(), b"0" * 64)
    assert stated == computed == hashlib.sha256(zeroed).digest()


@settings(max_examples=200, deadline=None)
@given(
    at=st.integers(0, 10**9),
    new=st.integers(1, 255),
    kind=st.sampled_from(["change", "insert", "remove", "cut"]),
)
def test_every_damaged_file_is_refused_in_one_line(at, new, kind):
    content = bytearray(tiny_content())
    at %= len(content)
    if kind == "change":
        content[at] ^= new
    elif kind == "insert":
        content.insert(at, new)
    elif kind == "remove":
        del content[at]
    else:
        del content[at:]
    with pytest.raises(ModelError) as refusal:
        onnxfile.check(bytes(content), onnxfile.ENCODER_OPERATORS, "model.onnx")
    assert "\n" not in str(refusal.value)
    assert "model.onnx" in str(refusal.value)


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes_that_are_no_model_are_refused(content):
    with pytest.raises(ModelError):
        onnxfile.check(content, onnxfile.ENCODER_OPERATORS, "model.onnx")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match="cannot read the model"):
        load_model(tmp_path / "nothing.onnx")


def test_a_foreign_onnx_file_is_refused_as_such(tmp_path):
    model = onnx.ModelProto.FromString(tiny_content())
    del model.metadata_props[:]
    with pytest.raises(ModelError, match="not one of streamdeep's"):
        load(model.SerializeToString(), tmp_path)


def test_a_newer_format_asks_for_an_upgrade(tmp_path):
    with pytest.raises(ModelError, match=r"format 2.*upgrade streamdeep"):
        load(with_metadata(lambda found: found.update(format=2)), tmp_path)


def test_an_unknown_key_is_refused_but_not_under_extensions(tmp_path):
    with pytest.raises(ModelError, match=r"unknown key 'frontend\.dither'"):
        load(with_metadata(lambda found: found["frontend"].update(dither=1)), tmp_path)
    load(with_metadata(lambda found: found.update(extensions={"anything": [1]})), tmp_path)


def test_shapes_that_contradict_the_contract_are_refused(tmp_path):
    def longer(found):
        found["encoder"]["dim"] = 64

    def longer_without_statistics(found):
        longer(found)
        del found["statistics"]

    with pytest.raises(ModelError, match="its contract says"):
        load(with_metadata(longer_without_statistics), tmp_path)
    with pytest.raises(ModelError, match="the statistics are of embeddings of another length"):
        load(with_metadata(longer), tmp_path)


def test_older_statistics_are_read_as_one_centre_whose_rates_nobody_knows(tmp_path):
    kept = {}

    def older(found):
        now = found["statistics"]
        kept.update(now)
        del now["centres"], now["mean_square"]
        axes, dim = now["axes"]["shape"]
        variances = Floats.of(np.full(axes, 2.0)).model_dump()
        now.update(variances=variances, residual_variance=0.5)
        kept["mean_square"] = 2.0 * axes + 0.5 * (dim - axes)

    found = load(with_metadata(older), tmp_path).contract.statistics
    assert not found.centres.array().any()
    assert found.centres.shape == (1, kept["axes"]["shape"][0])
    assert found.mean_square == kept["mean_square"]
    assert found.mean.base64 == kept["mean"]["base64"]
    assert found.novelty_quantiles == found.novelty_probabilities == ()


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("novelty_probabilities", [0.9, 0.5, 0.99], "must rise"),
        ("novelty_probabilities", [0.5, 0.9, 1.0], "must rise"),
        ("novelty_quantiles", [1.0, 2.0], "as many as"),
        ("novelty_quantiles", [2.0, 1.0, 3.0], "never fall"),
        ("centres", {"shape": [2], "base64": "AAAAAAAAAAA="}, "have the shapes"),
        ("mean_square", 0.0, "greater than 0"),
    ],
)
def test_statistics_that_make_no_sense_are_refused(tmp_path, key, value, complaint):
    with pytest.raises(ModelError, match=complaint):
        load(with_metadata(lambda found: found["statistics"].update({key: value})), tmp_path)


def test_external_data_is_refused(tmp_path):
    def point_outside(model):
        tensor = model.graph.initializer[0]
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../etc/passwd")

    with pytest.raises(ModelError, match="outside of its file"):
        load(changed(point_outside), tmp_path)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (helper.make_node("Conv", ["frames", "int_1"], ["x"]), "allow-list"),
        (helper.make_node("Add", ["frames", "frames"], ["x"], domain="com.example"), "allow-list"),
        (
            helper.make_node(
                "Where", ["c", "a", "b"], ["x"], body=helper.make_graph([], "inner", [], [])
            ),
            "control flow",
        ),
    ],
    ids=["Conv", "foreign domain", "control flow"],
)
def test_operators_off_the_allow_list_are_refused(node, message, tmp_path):
    with pytest.raises(ModelError, match=message):
        load(changed(lambda model: model.graph.node.append(node)), tmp_path)


def test_a_model_that_does_not_give_its_golden_embeddings_is_refused(tmp_path):
    def disturb(model):
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "layer1_R")
        values = numpy_helper.to_array(tensor) + np.float32(0.05)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    with pytest.raises(ModelError, match="golden embeddings"):
        load(changed(disturb), tmp_path)


def test_a_front_end_that_makes_other_frames_is_refused(tmp_path):
    def disturb(found):
        found["frontend"]["pre_emphasis"] = 0.5

    with pytest.raises(ModelError, match="front-end"):
        load(with_metadata(disturb), tmp_path)


def test_a_weight_that_is_not_a_number_is_refused(tmp_path):
    def disturb(model):
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "layer0_W")
        values = numpy_helper.to_array(tensor).copy()
        values[0, 0, 0] = np.nan
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    with pytest.raises(ModelError, match="golden embeddings"):
        load(changed(disturb), tmp_path)


def test_a_broken_parity_promise_switches_lanes_off_and_says_so():
    """A graph that counts calls instead of frames: right for whole segments, wrong for steps."""

    def count_calls(model):
        for node in model.graph.node:
            if (
                node.op_type == "Shape"
            ):  # the number of frames of this call becomes the whole segment's
                model.graph.initializer.append(
                    numpy_helper.from_array(
                        np.array([SEGMENT.length_frames], dtype=np.int64), "fixed_length"
                    )
                )
                node.op_type = "Slice"
                del node.attribute[:]
                del node.input[:]
                zero, one = "slice_from", "slice_to"
                model.graph.initializer.append(
                    numpy_helper.from_array(np.array([0], dtype=np.int64), zero)
                )
                model.graph.initializer.append(
                    numpy_helper.from_array(np.array([1], dtype=np.int64), one)
                )
                node.input.extend(["fixed_length", zero, one])

    content = changed(count_calls)
    model = Model(onnxfile.check(content, onnxfile.ENCODER_OPERATORS, "model"), "model")
    model.prove()
    assert not model.incremental
    assert "whole" in model.complaint


@pytest.mark.parametrize("readout", ["pooled", "final"])
@pytest.mark.parametrize("units", [(12, 9), (32,), (64, 48, 16)])
def test_rows_steps_chunks_and_neighbours_are_bit_identical(readout, units):
    model = tiny_model(readout, units=units)
    random = np.random.default_rng(0)
    frames = random.uniform(-1, 1, (67, 41, 20)).astype(np.float32)
    whole = np.concatenate([model.encode(row[None]) for row in frames[:9]])
    for n_rows in (1, 2, 3, 7, 64, 67):
        np.testing.assert_array_equal(model.encode(frames[:n_rows])[:9], whole[:n_rows])
    for cut in (1, 2, 5, 40):
        state, embeddings = model.fresh_state(9), None
        for at in range(0, 41, cut):
            chunk = np.ascontiguousarray(frames[:9, at : at + cut])
            emit = np.arange(9) if at + cut >= 41 else np.empty(0, dtype=np.int64)
            state, embeddings = model.step(chunk, state, emit)
        np.testing.assert_array_equal(embeddings, whole)


def test_an_empty_axis_never_reaches_the_runtime():
    model = tiny_model()
    for batch, time in ((0, 3), (3, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            model.step(
                np.empty((batch, time, 20), np.float32),
                model.fresh_state(batch),
                np.empty(0, np.int64),
            )


def test_the_golden_noise_is_the_recurrence():
    state, expected = 99, []
    for _ in range(1000):
        expected.append((state >> 8) / 2**23 - 1)
        state = (1664525 * state + 1013904223) % 2**32
    np.testing.assert_array_equal(noise(99, 1000), np.array(expected, dtype=np.float32))


def test_arrays_survive_the_metadata():
    values = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    packed = Floats.of(values)
    np.testing.assert_array_equal(
        Floats.model_validate_json(packed.model_dump_json()).array(), values
    )


def test_the_contract_survives_json():
    contract = tiny_model().contract
    assert Contract.model_validate_json(contract.model_dump_json(exclude_none=True)) == contract


def test_running_a_model_leaves_the_callers_floating_point_alone():
    """ONNX Runtime's denormal option would change it for this thread and all that it starts."""
    model = tiny_model()
    model.encode(np.zeros((1, 3, 20), dtype=np.float32))
    smallest = np.array([1e-40], dtype=np.float32)
    assert (smallest * np.float32(1.0) != 0).all()
