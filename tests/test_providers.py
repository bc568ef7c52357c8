"""What runs a model is named; what is not installed is said in one line; the CPU is what runs by default."""

import os
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import soundfile
from tiny import tiny_content, tiny_model

from streamdeep import onnxfile
from streamdeep.cli.sound_files import embeddings_of
from streamdeep.encoder.model import BATCH_SEGMENTS, Model
from streamdeep.errors import ConfigurationError, MissingDependencyError
from streamdeep.providers import find_provider

ABSENT = [
    (name, runtime)
    for name, runtime in (
        ("cuda", "CUDAExecutionProvider"),
        ("tensorrt", "TensorrtExecutionProvider"),
        ("coreml", "CoreMLExecutionProvider"),
        ("directml", "DmlExecutionProvider"),
        ("openvino", "OpenVINOExecutionProvider"),
    )
    if runtime not in onnxruntime.get_available_providers()
]


def model(provider):
    file = onnxfile.check(tiny_content(), onnxfile.ENCODER_OPERATORS, "tiny")
    found = Model(file, "tiny", provider=provider)
    found.prove()
    return found


def test_the_cpu_by_name_is_the_default():
    named, default = model("cpu"), tiny_model()
    assert default.provider == "cpu"
    assert (named.incremental, named.complaint) == (True, None)
    frames = np.random.default_rng(0).uniform(-1, 1, (3, 24, 20)).astype(np.float32)
    np.testing.assert_array_equal(named.encode(frames), default.encode(frames))


@pytest.mark.parametrize(("name", "runtime"), ABSENT)
def test_what_is_not_installed_is_said_with_what_is_and_what_to_install(name, runtime):
    with pytest.raises(
        MissingDependencyError, match=rf"no provider {name}, only .*cpu.*onnxruntime"
    ):
        model(name)


def test_an_installed_provider_is_found():
    found = find_provider("cuda", ["CUDAExecutionProvider", "CPUExecutionProvider"])
    assert found.onnxruntime_name == "CUDAExecutionProvider"


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"no provider 'gpu'; choose cpu, cuda"):
        model("gpu")


@pytest.mark.parametrize("batchable", [True, False])
def test_whole_segments_go_to_an_accelerator_in_batches_and_come_back_the_same(batchable):
    """Which batches are made depends on the name alone, so that the CPU can stand in."""
    alone = model("cpu")
    frames = np.random.default_rng(0).uniform(-1, 1, (BATCH_SEGMENTS + 3, 24, 20))
    segments = frames.astype(np.float32)
    wanted = alone.encode_each(segments)
    alone.provider, alone.batchable = "cuda", batchable
    np.testing.assert_array_equal(alone.encode_each(segments), wanted)


def test_a_file_is_embedded_the_same_in_batches(tmp_path):
    random = np.random.default_rng(0)
    soundfile.write(tmp_path / "noise.wav", random.uniform(-0.5, 0.5, 8000 * 20), 8000)
    stepwise, batched = model("cpu"), model("cpu")
    batched.provider, batched.incremental = "cuda", False
    wanted, found = (embeddings_of(tmp_path / "noise.wav", m, None) for m in (stepwise, batched))
    assert len(found) > BATCH_SEGMENTS
    places = [
        [(row.start_sample, row.n_samples, row.novelty) for row in rows] for rows in (found, wanted)
    ]
    assert places[0] == places[1]
    np.testing.assert_array_equal([row.vector for row in found], [row.vector for row in wanted])


@pytest.mark.skipif(not ABSENT, reason="every provider is installed here")
@pytest.mark.parametrize(
    "command", [("verify",), ("inspect",), ("embed", "x.wav", "--out", "x.npz")]
)
def test_the_commands_end_with_69_and_one_line(command, tmp_path):
    name = ABSENT[0][0]
    done = subprocess.run(
        [sys.executable, "-m", "streamdeep", *command, "--provider", name],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ,
        check=False,
    )
    assert done.returncode == 69
    assert done.stderr.count("\n") == 1
    assert f"no provider {name}" in done.stderr


def test_the_model_runtime_leaves_nothing_in_the_users_home_and_reports_to_nobody(tmp_path):
    given = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    program = (
        "import os\n"
        "from streamdeep.onnxfile import Session\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=given | home | {"NUMBA_CACHE_DIR": str(tmp_path / "numba")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("1\n", "")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
