"""The program: the whole line on generated sound, and mistakes that end in one line."""

import json
import sys
from pathlib import Path

import numpy as np
import places
import pytest
from trainer_data import RECIPE, write_tones

from streamdeep.config import load_toml
from streamdeep.encoder.model import load_model
from streamdeep.errors import ConfigurationError, SourceError
from streamdeep.heads.head import load_head
from streamdeep_trainer import cli
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.embed import embed_clips, load_embeddings, save_embeddings
from streamdeep_trainer.spectrograms import load_spectrograms, make_spectrograms, save_spectrograms

RECIPES = places.ROOT / "trainer" / "recipes"

TOML = """
data = "generated tones"
frontend = { sample_rate_hz = 8000, window_s = 0.04, hop_s = 0.02, bands = 20 }
segment = { length_s = 0.5, hop_s = 0.2 }
model = { name = "tiny", units = [12, 9], decoder_units = [10] }
fit = { epochs = 1, batch_size = 4, validation_fraction = 0.2 }
evaluate = { c_grid = [0.01], n_folds = 2 }
head = { c_grid = [0.01, 0.1], conditions = ["gain:-10dB"] }
"""


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["streamdeep-train", *map(str, arguments)])
    try:
        cli.main()
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return write_tones(tmp_path_factory.mktemp("tones") / "data", n_clips=6, esc=True)


def test_the_whole_line(monkeypatch, capsys, tmp_path, tones):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(TOML)
    folder = tmp_path / "run"

    def tell(*arguments):
        code, out, err = run(monkeypatch, capsys, *arguments, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    told = tell("fit", recipe, "--data", tones, "--out", folder)
    model = load_model(folder / "model.onnx")
    assert told["models"]["model.onnx"] == model.digest.hex()
    assert told["n_clips"] == 12
    told = tell("fit", recipe, "--data", tones, "--out", folder, "--resume")
    assert told["models"]["model.onnx"] == model.digest.hex()

    tell("export", folder, "--out", tmp_path / "again.onnx")
    assert load_model(tmp_path / "again.onnx").digest == model.digest

    told = tell(
        "embed", "--data", tones, "--model", folder / "model.onnx", "--out", tmp_path / "e.nc"
    )
    assert told["n_embeddings"] == len(load_embeddings(tmp_path / "e.nc").vectors)

    told = tell("evaluate", folder, "--data", tones, "--inductive")
    names = [row["name"] for row in told["scores"]]
    assert names == ["tiny", "tiny, inductive", "untrained twin", "pooled log-Mel"]
    assert told["scores"][0]["accuracy"] > 0.9
    code, out, _ = run(monkeypatch, capsys, "evaluate", folder, "--data", tones)
    assert code == 0
    assert "auDeep" not in out  # quoted for ESC-10 alone
    assert "100.0" in out

    told = tell(
        "head",
        "--data",
        tones,
        "--model",
        folder / "model.onnx",
        "--recipe",
        recipe,
        "--out",
        tmp_path / "h.onnx",
    )
    assert told["labels"] == ["high", "low"]
    head = load_head(tmp_path / "h.onnx")
    head.check(model.digest)
    embedded = load_embeddings(tmp_path / "e.nc")
    chosen = head.probabilities(embedded.vectors).argmax(axis=1)
    truths = [told["labels"].index(embedded.clips[row].label) for row in embedded.clip_rows]
    assert np.mean(chosen == truths) > 0.9


def test_reproduce_goes_from_audio_to_a_report(monkeypatch, capsys, tmp_path, tones):
    (tmp_path / "recipe.toml").write_text(TOML)
    out = tmp_path / "run"
    code, told, _ = run(
        monkeypatch,
        capsys,
        "reproduce",
        tmp_path / "recipe.toml",
        "--data",
        tones,
        "--out",
        out,
        "--json",
    )
    assert code == 0
    assert json.loads(told)["report"] == str(out / "report.md")
    report = (out / "report.md").read_text()
    for word in (
        "untrained twin",
        "pooled log-Mel",
        "losses.png",
        "confusion.png",
        load_model(out / "model.onnx").digest.hex(),
    ):
        assert word in report
    figures = json.loads((out / "report.json").read_text())
    assert [row["name"] for row in figures["scores"]] == [
        "tiny",
        "untrained twin",
        "pooled log-Mel",
    ]
    assert f"| tiny | {100 * figures['scores'][0]['accuracy']:.1f} |" in report
    for picture in ("losses.png", "confusion.png"):
        assert (out / picture).read_bytes().startswith(b"\x89PNG")


def test_spectrograms_come_back_as_they_were(tmp_path, tones):
    wanted = make_spectrograms(find_clips(tones), RECIPE.frontend.stored())
    save_spectrograms(tmp_path / "s.nc", wanted)
    found = load_spectrograms(tmp_path / "s.nc")
    assert np.array_equal(found.values, wanted.values)
    assert np.array_equal(found.energies, wanted.energies)
    assert [(c.filename, c.label, c.fold) for c in found.clips] == [
        (c.filename, c.label, c.fold) for c in wanted.clips
    ]
    assert found.frontend == wanted.frontend


def test_clips_that_cannot_be_read_are_skipped_and_silence_is_not(monkeypatch, capsys, tmp_path):
    import soundfile

    folder = write_tones(tmp_path / "data", n_clips=2)
    (folder / "low" / "broken.wav").write_bytes(b"not sound")
    soundfile.write(folder / "low" / "short.wav", np.zeros(10), 8000)
    soundfile.write(folder / "low" / "silent.wav", np.zeros(8000), 8000)
    found = make_spectrograms(find_clips(folder), RECIPE.frontend.stored())
    assert sorted(name for name, _ in found.skipped) == ["low/broken.wav", "low/short.wav"]
    silent = [clip.filename for clip in found.clips].index("low/silent.wav")
    assert (found.only(np.array([silent])).values == -160.0).all()
    save_spectrograms(tmp_path / "s.nc", found)
    assert load_spectrograms(tmp_path / "s.nc").skipped == found.skipped


def test_workers_change_no_embedding(tmp_path, tones):
    from tiny import tiny_content

    from streamdeep import onnxfile

    onnxfile.write(tmp_path / "m.onnx", tiny_content())
    clips = find_clips(tones)[:3]
    alone = embed_clips(clips, tmp_path / "m.onnx")
    shared = embed_clips(clips, tmp_path / "m.onnx", workers=2)
    assert np.array_equal(alone.vectors, shared.vectors)
    save_embeddings(tmp_path / "e.nc", alone)
    again = load_embeddings(tmp_path / "e.nc")
    assert np.array_equal(again.vectors, alone.vectors)
    assert again.model_digest == alone.model_digest
    assert np.array_equal(again.start_samples, alone.start_samples)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("fit", "nowhere.toml", "--data", ".", "--out", "r"), 78, "cannot read nowhere.toml"),
        (("fit", "typo.toml", "--data", ".", "--out", "r"), 78, "unknown key 'fit.epoch'"),
        (("fit", "frames.toml", "--data", ".", "--out", "r"), 78, "no whole number"),
        (("fit", "good.toml", "--data", "nowhere", "--out", "r"), 66, "there is no folder nowhere"),
        (("evaluate", "r", "--data", "."), 66, "there is no checkpoint"),
        (("export", "r", "--out", "m.onnx"), 66, "there is no file"),
        (
            ("head", "--data", "two", "--model", "good.toml", "--out", "h.onnx"),
            65,
            "not an ONNX file",
        ),
        (
            ("embed", "--data", "sound", "--model", "x.onnx", "--out", "e.nc"),
            65,
            "cannot read the model",
        ),
    ],
)
def test_mistakes_end_in_one_line(monkeypatch, capsys, tmp_path, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    Path("good.toml").write_text(TOML)
    Path("typo.toml").write_text("[fit]\nepoch = 3\n")
    Path("frames.toml").write_text("[segment]\nlength_s = 5.01\n")
    Path("sound").mkdir()
    Path("sound/a.wav").touch()
    for number in range(10):
        Path(f"two/{number % 2}").mkdir(parents=True, exist_ok=True)
        Path(f"two/{number % 2}/{number}.wav").touch()
    found, out, err = run(monkeypatch, capsys, *arguments)
    assert found == code
    assert out == ""
    assert err.startswith("streamdeep-train: ")
    assert says in err
    assert len(err.splitlines()) == 1


def test_an_interrupt_ends_with_130(monkeypatch, capsys, tmp_path, tones):
    from streamdeep_trainer import spectrograms

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(spectrograms, "frames_of", interrupt)
    (tmp_path / "recipe.toml").write_text(TOML)
    code, _, err = run(
        monkeypatch,
        capsys,
        "fit",
        tmp_path / "recipe.toml",
        "--data",
        tones,
        "--out",
        tmp_path / "run",
    )
    assert code == 130
    assert err == "streamdeep-train: interrupted; what was written is whole\n"


def test_an_interrupted_fit_computes_no_spectrogram_twice(monkeypatch, capsys, tmp_path, tones):
    from streamdeep_trainer import spectrograms

    wanted = make_spectrograms(
        find_clips(tones), load_toml(_recipe(tmp_path), Recipe).frontend.stored()
    )
    real, computed = spectrograms.frames_of, []

    def until(n_clips):
        def frames_of(path, config):
            if len(computed) == n_clips:
                raise KeyboardInterrupt
            computed.append(path)
            return real(path, config)

        return frames_of

    arguments = ("fit", tmp_path / "recipe.toml", "--data", tones, "--out", tmp_path / "run")
    monkeypatch.setattr(spectrograms, "frames_of", until(7))
    assert run(monkeypatch, capsys, *arguments)[0] == 130
    monkeypatch.setattr(spectrograms, "frames_of", until(100))
    assert run(monkeypatch, capsys, *arguments)[0] == 0
    assert len(computed) == len(set(computed)) == 12
    found = load_spectrograms(tmp_path / "run" / "spectrograms.nc")
    assert np.array_equal(found.values, wanted.values)
    assert np.array_equal(found.energies, wanted.energies)
    assert not list((tmp_path / "run").glob("*.parts"))


def _recipe(folder):
    (folder / "recipe.toml").write_text(TOML)
    return folder / "recipe.toml"


@pytest.mark.parametrize(
    "command",
    [
        "fit",
        "spectrograms",
        "export",
        "embed",
        "evaluate",
        "predict",
        "head",
        "fuse-models",
        "reproduce",
    ],
)
def test_every_help_has_an_example(monkeypatch, capsys, command):
    code, out, _ = run(monkeypatch, capsys, command, "--help")
    assert code == 0
    assert f"Example: streamdeep-train {command}" in " ".join(out.split())


@pytest.mark.parametrize("name", ["esc10.toml", "esc10-quick.toml"])
def test_recipes_in_the_repository_are_good(name):
    recipe = load_toml(RECIPES / name, Recipe)
    segment = recipe.segment.config(recipe.frontend.stored())
    assert (segment.length_frames, segment.hop_frames) == (124, 25)
    assert recipe.model.readout == "pooled"


def test_a_window_of_broken_samples_is_refused():
    frontend = RECIPE.frontend.model_copy(update={"window_s": 0.0401})
    with pytest.raises(ConfigurationError, match="no whole number of samples"):
        frontend.stored()


def test_a_foreign_netcdf_file_is_refused(tmp_path, tones):
    made = make_spectrograms(find_clips(tones)[:2], RECIPE.frontend.stored())
    save_spectrograms(tmp_path / "s.nc", made)
    with pytest.raises(ConfigurationError, match="holds spectrograms; embeddings are needed"):
        load_embeddings(tmp_path / "s.nc")
    (tmp_path / "bad.nc").write_bytes(b"CDF?")
    with pytest.raises(SourceError, match="not a netCDF file"):
        load_spectrograms(tmp_path / "bad.nc")


def test_without_its_packages_the_program_says_what_to_install(tmp_path):
    """As on a machine that has the engine only: a package that is not there cannot be imported."""
    import os
    import subprocess
    import sys

    (tmp_path / "xarray.py").write_text("raise ModuleNotFoundError('no xarray', name='xarray')\n")
    outcome = subprocess.run(
        [sys.executable, "-c", "from streamdeep_trainer.program import main; main()", "--help"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 69
    assert outcome.stderr.splitlines() == [
        "streamdeep-train: the package 'xarray' is not installed; the trainer needs: pip install 'streamdeep[train]'"
    ]
