"""Networks of others: what becomes a model file, what is run as it is, and what is refused."""

import json
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from trainer_data import RECIPE, write_tones

from streamdeep import onnxfile
from streamdeep.encoder.model import load_model
from streamdeep.errors import ConfigurationError, ModelError
from streamdeep_trainer import cli
from streamdeep_trainer.baselines.foreign import FOREIGN_OPERATORS, ForeignNetwork
from streamdeep_trainer.baselines.samples import samples_of
from streamdeep_trainer.baselines.settings import ForeignSettings
from streamdeep_trainer.comparing.given import ForeignSystem, ModelFileSystem
from streamdeep_trainer.comparing.spectra import Spectra
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.embed import embed_clips
from streamdeep_trainer.spectrograms import frames_of
from streamdeep_trainer.wrap import wrap_network

N_BANDS, N_UNITS, DIM = 20, 6, 4
LEVELS = Recipe.model_validate(
    RECIPE.model_dump()
    | {"frontend": RECIPE.frontend.model_dump() | {"floor_db": -90.0, "ceiling_db": -10.0}}
)
RANDOM = np.random.default_rng(7)
WEIGHTS = {
    "first": RANDOM.standard_normal((N_UNITS, N_BANDS)).astype(np.float32) / 4.0,
    "bias": RANDOM.standard_normal(N_UNITS).astype(np.float32),
    "second": RANDOM.standard_normal((DIM, N_UNITS)).astype(np.float32),
    "end": RANDOM.standard_normal(DIM).astype(np.float32),
}


def constant(name, values):
    return numpy_helper.from_array(np.asarray(values), name)


def network(
    folder, *, shape=("batch", "time", N_BANDS), first=(), middle=None, out=("batch", DIM), name="foreign.onnx",
    opset=17, more=(),
):  # fmt: skip
    """Frames, a dense layer, rectified, a mean over time, a dense layer: as exporters write it."""
    nodes = [
        *first,
        helper.make_node("MatMul", ["y" if first else "x", "first_turned"], ["a"]),
        helper.make_node("Constant", [], ["b"], value=constant("b", WEIGHTS["bias"])),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Identity", ["d"], ["e"]),
        middle or helper.make_node("ReduceMean", ["e"], ["f"], axes=[1], keepdims=0),
        helper.make_node("Gemm", ["f", "second", "end"], ["g"], transB=1),
        helper.make_node("Dropout", ["g"], ["z"]),
        *more,
    ]
    kept = [
        constant("first_turned", np.ascontiguousarray(WEIGHTS["first"].T)),
        constant("second", WEIGHTS["second"]),
        constant("end", WEIGHTS["end"]),
        constant("one", np.array([1])),
    ]
    outputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, list(out))]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))]
    graph = helper.make_graph(nodes, "foreign", inputs, outputs, kept)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(made)
    path = folder / name
    path.write_bytes(made.SerializeToString())
    return path


def by_hand(frames):
    """What the network computes, in numpy."""
    hidden = np.maximum(frames @ WEIGHTS["first"].T + WEIGHTS["bias"], 0.0)
    return hidden.mean(axis=-2) @ WEIGHTS["second"].T + WEIGHTS["end"]


def write_recipe(folder, levels="floor_db = -90.0\nceiling_db = -10.0\n"):
    path = folder / "frontend.toml"
    path.write_text(
        "[frontend]\nsample_rate_hz = 8000\nwindow_s = 0.04\nhop_s = 0.02\nbands = 20\n"
        f"{levels}[segment]\nlength_s = 0.5\nhop_s = 0.2\n"
    )
    return path


def samples_network(folder, *, fixed=None):
    """A convolution over samples, rectified, its maximum over time: SoundNet's kind, in small."""
    kernel = RANDOM.standard_normal((DIM, 1, 64)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["wave", "kernel"], ["a"], strides=[16]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("GlobalMaxPool", ["b"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "samples",
        [helper.make_tensor_value_info("wave", TensorProto.FLOAT, [1, 1, fixed or "samples"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, DIM, 1])],
        [constant("kernel", kernel)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "samples.onnx"
    path.write_bytes(made.SerializeToString())
    return path, kernel


@pytest.fixture
def say(monkeypatch, capsys):
    """Run the program: exit code, standard output, standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["streamdeep-train", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        found = capsys.readouterr()
        return code, found.out, found.err

    return call


# --- model files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "first"),
    [
        (("batch", "time", N_BANDS), ()),
        (("b", "t", "f"), ()),
        (("b", N_BANDS, "t"), [helper.make_node("Transpose", ["x"], ["y"], perm=[0, 2, 1])]),
        (("b", 1, "t", N_BANDS), [helper.make_node("Squeeze", ["x", "one"], ["y"])]),
    ],
    ids=["frames", "names", "bands first", "one channel"],
)
def test_a_wrapped_network_computes_what_it_did(tmp_path, shape, first):
    path = tmp_path / "model.onnx"
    path.write_bytes(wrap_network(network(tmp_path, shape=shape, first=first), LEVELS))
    model = load_model(path)
    assert model.complaint is None
    assert not model.incremental
    assert (model.contract.name, model.contract.encoder.dim) == ("foreign", DIM)
    for length in (1, 24, 50):
        frames = (
            np.random.default_rng(length).uniform(-1, 1, (3, length, N_BANDS)).astype(np.float32)
        )
        np.testing.assert_allclose(model.encode(frames), by_hand(frames), atol=1e-5)


@pytest.mark.parametrize(
    ("values", "unit"), [("decibels", 1.0), ("logarithms", np.log(10.0) / 10.0)]
)
def test_a_wrapped_network_is_given_the_values_that_it_wants(tmp_path, values, unit):
    path = tmp_path / "model.onnx"
    path.write_bytes(wrap_network(network(tmp_path), LEVELS, values=values, name="theirs"))
    model = load_model(path)
    assert model.contract.name == "theirs"
    frames = np.random.default_rng(0).uniform(-1, 1, (1, 24, N_BANDS)).astype(np.float32)
    wanted = by_hand(((frames + 1.0) * 40.0 - 90.0) * unit)
    np.testing.assert_allclose(model.encode(frames), wanted, rtol=1e-4, atol=1e-3)


def test_the_engine_runs_a_wrapped_network_on_sound(tmp_path):
    clips = find_clips(write_tones(tmp_path / "data", n_clips=2))
    path = tmp_path / "model.onnx"
    path.write_bytes(wrap_network(network(tmp_path), LEVELS))
    found = embed_clips(clips, path)
    frontend = load_model(path).contract.frontend
    for row, clip in enumerate(clips):
        first = int(np.flatnonzero(found.clip_rows == row)[0])
        frames = frames_of(clip.path, frontend).values[:24]
        np.testing.assert_allclose(found.vectors[first], by_hand(frames), atol=1e-4)
    system = ModelFileSystem("theirs", path)
    same = system.features(clips, np.ones(len(clips), bool), seed=0, run=tmp_path)
    assert np.array_equal(same.vectors, found.vectors)
    assert not same.cost.streamable
    assert same.cost.parameters >= sum(one.size for one in WEIGHTS.values())
    assert system.untrained(clips, np.ones(len(clips), bool), seed=0, run=tmp_path) is None


def test_wrap_writes_a_file_that_inspects(tmp_path, say):
    out = tmp_path / "model.onnx"
    code, said, _ = say(
        "wrap", network(tmp_path), "--recipe", write_recipe(tmp_path), "--out", out, "--json"
    )
    assert code == 0
    told = json.loads(said)
    assert told["sha256"] == load_model(out).digest.hex()
    assert (told["dim"], told["incremental"]) == (DIM, False)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"shape": ("b", "t", 13)}, "takes (any, any, 13), and a model file gives (batch, time, 20)"),
        ({"shape": ("b", 96, N_BANDS)}, "a stream's last segment is shorter"),
        ({"shape": (1, "t", N_BANDS)}, "with a batch and a time of any length"),
        ({"out": (1, DIM)}, "a batch of 1"),
        ({"out": ("b", "d")}, "(batch, dim) with a known dim"),
        ({"middle": helper.make_node("ReduceMean", ["e"], ["f"], axes=[2], keepdims=0)}, "mean over the axes [2]"),
        ({"middle": helper.make_node("ReduceL2", ["e"], ["f"], axes=[1], keepdims=0)}, "may not hold: ReduceL2"),
        ({"opset": 11}, "operator set 11"),
    ],
)  # fmt: skip
def test_what_no_model_file_can_carry_is_refused_in_one_line(tmp_path, say, made, says):
    recipe, out = write_recipe(tmp_path), tmp_path / "model.onnx"
    try:
        path = network(tmp_path, **made)
    except onnx.checker.ValidationError:
        pytest.skip("this onnx does not write such a network")
    code, _, said = say("wrap", path, "--recipe", recipe, "--out", out)
    assert code == 65
    assert says in said
    assert len(said.splitlines()) == 1
    assert not out.exists()


def test_files_that_are_no_networks_are_refused(tmp_path, say):
    recipe, out = write_recipe(tmp_path), tmp_path / "model.onnx"
    for content, says in ((b"", "not an ONNX file"), (b"\x08\x01junk" * 9, "not an ONNX file")):
        (tmp_path / "junk.onnx").write_bytes(content)
        code, _, said = say("wrap", tmp_path / "junk.onnx", "--recipe", recipe, "--out", out)
        assert (code, len(said.splitlines())) == (65, 1)
        assert says in said
    code, _, said = say("wrap", tmp_path / "none.onnx", "--recipe", recipe, "--out", out)
    assert code == 65
    assert "cannot read the network" in said
    samples, _ = samples_network(tmp_path)
    code, _, said = say("wrap", samples, "--recipe", recipe, "--out", out)
    assert code == 65
    assert "Conv" in said
    assert "kind foreign" in said


def test_levels_must_be_said(tmp_path):
    with pytest.raises(ConfigurationError, match="write floor_db and ceiling_db"):
        wrap_network(network(tmp_path), RECIPE)
    relative = RECIPE.model_copy(
        update={"frontend": RECIPE.frontend.model_copy(update={"level": "segment"})}
    )
    with pytest.raises(ConfigurationError, match="need a level that is fixed"):
        wrap_network(network(tmp_path), relative, values="decibels")
    wrap_network(network(tmp_path), relative)


def test_a_recurrent_network_as_torch_exports_it_is_wrapped(tmp_path):
    """A GRU that is told to begin with zeros, and a decision that is not asked for."""
    random = np.random.default_rng(0)
    weights = {
        "w": random.standard_normal((1, 3 * N_UNITS, N_BANDS)) / 4.0,
        "r": random.standard_normal((1, 3 * N_UNITS, N_UNITS)) / 3.0,
        "b": random.standard_normal((1, 6 * N_UNITS)),
    }
    nodes = [
        helper.make_node("Transpose", ["x"], ["turned"], perm=[1, 0, 2]),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["rows"]),
        helper.make_node("Concat", ["one", "rows", "units"], ["states"], axis=0),
        helper.make_node("ConstantOfShape", ["states"], ["begin"]),
        helper.make_node("GRU", ["turned", "w", "r", "b", "", "begin"], ["all", "last"],
                         hidden_size=N_UNITS, linear_before_reset=1),
        helper.make_node("Squeeze", ["last", "zero"], ["state"]),
        helper.make_node("LeakyRelu", ["state"], ["vector"], alpha=0.2),
        helper.make_node("Softmax", ["vector"], ["decision"], axis=1),
    ]  # fmt: skip
    kept = [constant(name, values.astype(np.float32)) for name, values in weights.items()]
    kept += [
        constant(name, np.array([n])) for name, n in (("zero", 0), ("one", 1), ("units", N_UNITS))
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", N_UNITS])
        for name in ("decision", "vector")
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", "t", N_BANDS])]
    graph = helper.make_graph(nodes, "theirs", inputs, outputs, kept)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "theirs.onnx"
    path.write_bytes(made.SerializeToString())
    out = tmp_path / "model.onnx"
    out.write_bytes(wrap_network(path, LEVELS, output="vector"))
    model = load_model(out)
    assert model.complaint is None
    frames = np.random.default_rng(1).uniform(-1, 1, (30, N_BANDS)).astype(np.float32)
    foreign = ForeignNetwork(path, "vector")
    wanted = foreign.vector(foreign.inputs_of_frames(frames))
    np.testing.assert_allclose(model.encode(frames[None])[0], wanted, atol=1e-6)


def test_an_output_is_chosen_where_there_are_several(tmp_path):
    path = network(tmp_path)
    made = onnx.ModelProto.FromString(path.read_bytes())
    made.graph.output.append(helper.make_tensor_value_info("f", TensorProto.FLOAT, ["b", N_UNITS]))
    path.write_bytes(made.SerializeToString())
    with pytest.raises(ModelError, match="has the outputs z, f; choose one"):
        wrap_network(path, LEVELS)
    with pytest.raises(ModelError, match="no output 'y'"):
        wrap_network(path, LEVELS, output="y")
    (tmp_path / "model.onnx").write_bytes(wrap_network(path, LEVELS, output="f"))
    assert load_model(tmp_path / "model.onnx").contract.encoder.dim == N_UNITS


# --- run as they are -------------------------------------------------------------------------------------------


def test_a_network_of_samples_is_run_on_segments_of_sound(tmp_path):
    clips = find_clips(write_tones(tmp_path / "data", n_clips=2))
    path, kernel = samples_network(tmp_path)
    settings = ForeignSettings(file=path, sample_rate_hz=8000, segment_s=0.5, hop_s=0.5)
    system = ForeignSystem("theirs", None, Spectra(tmp_path, None, tmp_path), settings)
    found = system.features(clips, np.ones(len(clips), bool), seed=0, run=tmp_path)
    assert np.array_equal(np.unique(found.clip_rows), np.arange(len(clips)))
    samples = samples_of(clips[0].path, 8000)[:4000]
    windows = np.lib.stride_tricks.sliding_window_view(samples, 64)[::16]
    wanted = np.maximum(windows @ kernel[:, 0].T, 0.0).max(axis=0)
    np.testing.assert_allclose(found.vectors[0], wanted, atol=1e-5)
    assert found.cost.parameters == kernel.size
    assert found.cost.macs_per_s > 0
    assert not found.cost.streamable


def test_what_is_too_short_for_a_fixed_length_is_continued_in_silence(tmp_path):
    path, _ = samples_network(tmp_path, fixed=256)
    foreign = ForeignNetwork(path)
    samples = np.random.default_rng(0).standard_normal(100).astype(np.float32)
    whole = np.concatenate((samples, np.zeros(156, np.float32)))
    short = foreign.vector(foreign.inputs_of_samples(samples))
    assert np.array_equal(short, foreign.vector(foreign.inputs_of_samples(whole)))
    with pytest.raises(ModelError, match="takes 256 at a time"):
        foreign.inputs_of_samples(np.zeros(300, np.float32))


def test_a_network_of_frames_is_run_as_it_is_too(tmp_path):
    frames = np.random.default_rng(0).uniform(-1, 1, (24, N_BANDS)).astype(np.float32)
    foreign = ForeignNetwork(network(tmp_path))
    found = foreign.vector(foreign.inputs_of_frames(frames))
    np.testing.assert_allclose(found, by_hand(frames), atol=1e-5)
    with pytest.raises(ModelError, match="frames have 13 bands"):
        foreign.inputs_of_frames(frames[:, :13])
    with pytest.raises(ModelError, match="takes frames, give a recipe"):
        foreign.inputs_of_samples(frames[:, 0])
    clips = find_clips(write_tones(tmp_path / "data", n_clips=2))
    settings = ForeignSettings(file=tmp_path / "foreign.onnx")
    system = ForeignSystem("f", LEVELS, Spectra(tmp_path / "data", None, tmp_path), settings)
    vectors = system.features(clips, np.ones(4, bool), seed=0, run=tmp_path).vectors
    (tmp_path / "model.onnx").write_bytes(wrap_network(tmp_path / "foreign.onnx", LEVELS))
    np.testing.assert_allclose(
        vectors, embed_clips(clips, tmp_path / "model.onnx").vectors, atol=1e-3
    )


def test_a_foreign_network_may_not_loop_nor_read_files():
    for operator in ("Loop", "If", "Scan", "SequenceMap", "DequantizeLinear"):
        assert operator not in FOREIGN_OPERATORS
    assert FOREIGN_OPERATORS > onnxfile.HEAD_OPERATORS
