"""Every command does its work, and bad input ends in one line, a code that means something, and no loss."""

import csv
import json
import socket
import sys

import numpy as np
import onnx
import pyarrow.parquet
import pytest
from tiny import noise, tiny_content, tiny_model

from streamdeep import onnxfile
from streamdeep.cli.soundscape import SCENES, write_soundscape
from streamdeep.heads.writing import write_linear_head
from streamdeep.pipeline import Pipeline
from streamdeep.records import Block


def refused(outcome, code, *words):
    found, out, err = outcome
    assert found == code, err
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in err
    assert all(line.startswith("ok  ") for line in out.splitlines())


def newer_format():
    model = onnx.ModelProto.FromString(tiny_content())
    for prop in model.metadata_props:
        prop.value = prop.value.replace('"format":1', '"format":2')
    return onnxfile.seal(model)


def foreign_onnx():
    model = onnx.ModelProto.FromString(tiny_content())
    del model.metadata_props[:]
    return model.SerializeToString()


@pytest.mark.parametrize("verb", ["run", "embed"])
@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("missing.wav", None, 66, ["there is no file"]),
        ("text.wav", b"this is no sound", 66, ["not a sound file"]),
        ("nothing.wav", b"", 66, ["is empty"]),
        ("samples.wav", 0, 66, ["is empty", "no samples"]),
        ("short.wav", 300, 66, ["38 ms of sound", "needs 40 ms"]),
    ],
)
def test_sound_that_cannot_be_had(
    command, tmp_path, write_sound, model_path, verb, name, content, code, words
):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        write_sound(name, noise(content))
    options = (
        ("--bind", "tcp://127.0.0.1:*", "--pace", "max", "--no-wait", "--json")
        if verb == "run"
        else ("--out", tmp_path / "out.npz")
    )
    found, _, err = command(verb, path, "--model", model_path, *options)
    assert found == code
    assert len(err.strip().splitlines()) == 1, err
    for word in words:
        assert word in err
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda: tiny_content()[:-200], ["is not an ONNX file, or is cut short"]),
        (lambda: tiny_content()[:3000] + b"x" + tiny_content()[3001:], ["is damaged", "SHA-256"]),
        (lambda: b"hello", ["is not an ONNX file"]),
        (lambda: b"", ["is not an ONNX file"]),
        (foreign_onnx, ["not one of streamdeep's"]),
        (newer_format, ["format 2", "upgrade streamdeep"]),
    ],
    ids=["truncated", "damaged", "text", "empty", "foreign", "newer"],
)
@pytest.mark.parametrize("verb", ["run", "embed", "verify"])
def test_a_model_that_cannot_be_used(command, tmp_path, sound_path, content, words, verb):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content())
    arguments = {
        "run": ("run", sound_path, "--model", path, "--bind", "tcp://127.0.0.1:*"),
        "embed": ("embed", sound_path, "--model", path, "--out", tmp_path / "out.npz"),
        "verify": ("verify", path),
    }[verb]
    refused(command(*arguments), 65, "bad.onnx", *words)


def test_a_head_is_no_model_and_a_model_is_no_head(command, tmp_path, sound_path, model_path):
    head = tmp_path / "head.onnx"
    write_linear_head(head, np.ones((2, 63)), np.zeros(2), ("a", "b"), tiny_model().digest)
    refused(command("run", sound_path, "--model", head), 65, "is a head; an encoder is needed here")
    refused(command("classify", "--head", model_path), 65, "is an encoder; a head is needed here")


def test_the_demo_ends_with_what_failed(command, tmp_path):
    outcome = command("demo", "--source", tmp_path / "missing.wav")
    refused(outcome, 66, "there is no file")
    refused(command("demo", "--count", 0), 78, "--count 0")


def test_a_port_in_use(command, sound_path, model_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        refused(command("run", sound_path, "--model", model_path, "--bind", url), 69, "in use", url)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--bind", "tcp://0.0.0.0:5757"), ["--insecure"]),
        (("--bind", "tcp://127.0.0.1:99999"), ["99999"]),
        (("--bind", "nonsense"), ["nonsense"]),
        (("--hop-s", "0.123"), ["0.12 s or 0.14 s"]),
        (("--hop-s", "-1"), ["hop_s"]),
        (("--block-size", "0"), ["block size of 0"]),
        (("--stream", "Not A Name"), ["stream"]),
        (("--pace", "fast"), ["pace"]),
    ],
    ids=["network", "port", "url", "hop", "negative", "block", "name", "pace"],
)
def test_settings_that_cannot_be(command, sound_path, model_path, options, words):
    refused(command("run", sound_path, "--model", model_path, *options), 78, *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), ["--rate"]),
        (("--rate", "0"), ["sample rate of 0 Hz"]),
        (("--rate", "9999999"), ["sample rate of 9999999 Hz"]),
        (("--rate", "8000", "--channels", "0"), ["0 channels"]),
        (("--rate", "8000", "--format", "s24le"), ["s16le"]),
    ],
    ids=["none", "zero", "huge", "channels", "format"],
)
def test_raw_samples_that_cannot_be(command, model_path, options, words):
    refused(command("run", "-", "--model", model_path, *options), 78, *words)


def test_an_unknown_key_in_a_toml_file(command, tmp_path, sound_path):
    path = tmp_path / "site.toml"
    path.write_text('sauce = "mic"\n')
    refused(command("run", "--config", path), 78, "site.toml", "unknown key 'sauce'")
    path.write_text("bind = \n")
    refused(command("run", "--config", path), 78, "site.toml", "not valid TOML")
    refused(command("run", "--config", tmp_path / "none.toml"), 78, "cannot read")


def test_flags_win_over_the_environment_and_that_over_the_file(monkeypatch, tmp_path):
    from streamdeep.cli.run_settings import settings_from

    path = tmp_path / "site.toml"
    path.write_text('source = "mic"\nbind = "tcp://127.0.0.1:1111"\nhop_s = 0.5\n')
    merged = settings_from(path, {"bind": "tcp://127.0.0.1:2222", "hop_s": None})
    assert (merged.source, merged.bind, merged.hop_s, merged.pace) == (
        "mic",
        "tcp://127.0.0.1:2222",
        0.5,
        "realtime",
    )


def test_no_source_at_all(command):
    refused(command("run"), 78, "no source")


def test_a_missing_portaudio_library(command, monkeypatch, tmp_path, model_path):
    """The package is there, the system library is not: what its import then does."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    refused(command("devices"), 69, "PortAudio", "apt install libportaudio2")
    refused(
        command("run", "mic", "--model", model_path), 69, "PortAudio", "apt install libportaudio2"
    )


def test_embed_writes_what_the_pipeline_gives_in_every_format(
    command, tmp_path, sound_path, model_path
):
    import soundfile

    samples, rate_hz = soundfile.read(sound_path, dtype="float32", always_2d=True)
    pipeline = Pipeline(tiny_model(), rate_hz, 1)
    expected = pipeline.push(Block(samples, 0)) + pipeline.flush()
    vectors = np.stack([record.vector for record in expected])
    for suffix in (".npz", ".csv", ".parquet"):
        out = tmp_path / f"out{suffix}"
        code, printed, _ = command(
            "embed", sound_path, "--model", model_path, "--out", out, "--json"
        )
        assert code == 0
        assert json.loads(printed)["embeddings"] == len(expected)
    with np.load(tmp_path / "out.npz", allow_pickle=False) as table:
        np.testing.assert_array_equal(table["embedding"], vectors)
        assert table["start_sample"].tolist() == [record.start_sample for record in expected]
        assert table["n_samples"].tolist() == [record.n_samples for record in expected]
        assert table["novelty"].tolist() == [record.novelty for record in expected]
        assert set(table["file"]) == {str(sound_path)}
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    read_back = np.array(
        [[row[f"embedding_{i}"] for i in range(63)] for row in rows], dtype=np.float32
    )
    np.testing.assert_array_equal(read_back, vectors)
    assert [float(row["novelty"]) for row in rows] == [record.novelty for record in expected]
    parquet = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pydict()
    np.testing.assert_array_equal(np.array(parquet["embedding"], dtype=np.float32), vectors)
    assert parquet["novelty"] == [record.novelty for record in expected]


def test_embed_goes_on_after_a_bad_file_and_says_so(command, tmp_path, write_sound, model_path):
    folder = tmp_path / "sounds"
    folder.mkdir()
    write_sound("sounds/a.wav", noise(8000))
    (folder / "b.wav").write_bytes(b"no sound")
    write_sound("sounds/c.flac", noise(8000, 2))
    write_sound("sounds/silence.wav", np.zeros(8000))
    write_sound("sounds/wild.wav", np.full(8000, np.nan), subtype="FLOAT")
    out = tmp_path / "out.npz"
    code, _, err = command("embed", folder, "--model", model_path, "--out", out)
    assert code == 66
    assert "1 of 5 files could not be embedded; the others were written" in err
    with np.load(out) as table:
        assert {name.rsplit("/", 1)[1] for name in table["file"]} == {
            "a.wav",
            "c.flac",
            "silence.wav",
            "wild.wav",
        }
        assert np.isfinite(table["embedding"]).all()


def test_embed_refuses_an_unknown_format_and_an_empty_folder(
    command, tmp_path, sound_path, model_path
):
    refused(
        command("embed", sound_path, "--model", model_path, "--out", tmp_path / "x.txt"),
        78,
        ".parquet",
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(
        command("embed", empty, "--model", model_path, "--out", tmp_path / "x.npz"),
        66,
        "holds no sound files",
    )


def test_inspect_prints_the_whole_contract(command, model_path):
    code, out, _ = command("inspect", model_path)
    assert code == 0
    for word in (
        "sha256",
        "frontend.sample_rate_hz",
        "8000",
        "segment.length_frames",
        "golden.seed",
        "tiny-pooled-0",
    ):
        assert word in out
    code, out, _ = command("inspect", model_path, "--json")
    found = json.loads(out)
    assert found["sha256"] == tiny_model().digest.hex()
    assert found["frontend"]["hop_samples"] == 160


def test_inspect_and_verify_know_heads(command, tmp_path):
    path = tmp_path / "head.onnx"
    write_linear_head(path, np.ones((2, 63)), np.zeros(2), ("dog", "rain"), tiny_model().digest)
    code, out, _ = command("inspect", path)
    assert code == 0
    assert "dog, rain" in out
    assert command("verify", path)[0] == 0


def test_verify_runs_every_check(command, model_path):
    code, out, _ = command("verify", model_path)
    assert code == 0
    assert "parity" in out
    code, out, _ = command("verify", model_path, "--json")
    assert all(json.loads(line)["ok"] for line in out.splitlines())


@pytest.mark.parametrize(
    "verb", ["run", "send", "classify", "watch", "demo", "embed", "inspect", "verify", "devices"]
)
def test_every_commands_help_has_a_runnable_example(command, verb):
    code, out, _ = command(verb, "--help")
    assert code == 0
    assert f"Example: streamdeep {verb}" in out


def test_a_soundscape_is_the_same_for_the_same_seed_and_never_clips(tmp_path):
    import soundfile

    first, second, other = tmp_path / "1.wav", tmp_path / "2.wav", tmp_path / "3.wav"
    scenes = write_soundscape(first, seed=1, scene_s=0.5)
    write_soundscape(second, seed=1, scene_s=0.5)
    write_soundscape(other, seed=2, scene_s=0.5)
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()
    assert [name for _, name in scenes] == list(SCENES)
    samples, _ = soundfile.read(first)
    assert np.abs(samples).max() < 0.999
    for scene in np.split(samples, len(SCENES)):
        assert np.abs(scene).max() > 0.01
