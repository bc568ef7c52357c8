"""A stranger's messy folder of sound through the commands: bad files are named, and end nothing."""

import csv
import json
import os
import sys

import numpy as np
import pytest
import soundfile
from tiny import tiny_content

from streamdeep.cli import main as engine_main
from streamdeep.errors import ConfigurationError
from streamdeep_trainer import cli
from streamdeep_trainer.writing import writing

RATE_HZ = 16_000
CLASSES = ("Töne, reine", "noise bursts", "chirps", "clicks")
BAD = {
    "chirps/broken.wav": "not a sound file",
    "chirps/empty.wav": "is empty: 0 bytes",
    "chirps/many.wav": "channels",
    "chirps/short.wav": "shorter than one frame",
    "chirps/text.wav": "not a sound file",
}
RECIPE = """
frontend = { sample_rate_hz = 16000, window_s = 0.04, hop_s = 0.02, bands = 16 }
segment = { length_s = 0.5, hop_s = 0.5 }
model = { name = "mine", units = [6], decoder_units = [6] }
fit = { epochs = 1, batch_size = 16 }
evaluate = { c_grid = [0.01], n_folds = 2 }
head = { c_grid = [0.01], conditions = [] }
"""


def sound(number, length_s, random):
    time_s = np.arange(int(RATE_HZ * length_s)) / RATE_HZ
    clicks = np.zeros(len(time_s))
    clicks[:: RATE_HZ // 10] = 0.9
    kinds = (
        0.3 * np.sin(2 * np.pi * random.uniform(300, 900) * time_s),
        0.2 * random.standard_normal(len(time_s)) * (np.sin(20 * time_s) > 0),
        0.3 * np.sin(2 * np.pi * (300 + 900 * time_s) * time_s),
        clicks,
    )
    return kinds[number] + 0.001 * random.standard_normal(len(time_s))


@pytest.fixture(scope="module")
def mess(tmp_path_factory):
    """Four classes of six good files, all that goes wrong in one of them, a model, and a plain manifest."""
    folder = tmp_path_factory.mktemp("mess") / "sounds"
    random = np.random.default_rng(0)
    for number, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for index in range(6):
            length_s = random.uniform(0.5, 1.5)
            soundfile.write(
                folder / name / f"{index}.wav", sound(number, length_s, random), RATE_HZ
            )
    chirps = folder / "chirps"
    good = (chirps / "0.wav").read_bytes()
    (chirps / "broken.wav").write_bytes(good[:30])
    (chirps / "half.wav").write_bytes(good[: len(good) // 2])
    (chirps / "empty.wav").touch()
    (chirps / "text.wav").write_text("a shopping list\n")
    (chirps / ".hidden.wav").write_bytes(b"\0")
    soundfile.write(chirps / "short.wav", np.ones(160), RATE_HZ)
    soundfile.write(chirps / "silent.wav", np.zeros(RATE_HZ), RATE_HZ)
    soundfile.write(chirps / "stereo.wav", random.standard_normal((8000, 2)) * 0.1, 8000)
    spoilt = sound(2, 1.0, random).astype(np.float32)
    spoilt[5] = np.nan
    soundfile.write(chirps / "spoilt.wav", spoilt, RATE_HZ, subtype="FLOAT")
    (chirps / "deeper").mkdir()
    soundfile.write(chirps / "deeper" / "0.wav", sound(2, 1.0, random), RATE_HZ)
    soundfile.write(chirps / "many.wav", random.uniform(-0.1, 0.1, (2000, 1000)), RATE_HZ)
    (folder.parent / "tiny.onnx").write_bytes(tiny_content())
    (folder.parent / "recipe.toml").write_text(RECIPE)
    return folder


@pytest.fixture
def tell(monkeypatch, capsys):
    """Run a command of the trainer, or of the engine, and see to it that there is no traceback."""

    def run(program, *arguments):
        monkeypatch.setattr(sys, "argv", [program, *map(str, arguments)])
        try:
            (cli.main if program == "streamdeep-train" else engine_main)()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return run


def manifest(folder, name, rows, header=("filename", "label")):
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return folder / name


def good_rows(folder):
    return [(f"{name}/{index}.wav", name) for name in CLASSES for index in range(6)]


def test_inspect_finds_what_is_wrong_with_each_file(tell, mess):
    code, out, err = tell("streamdeep-train", "inspect", mess, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert found["labels"] == {"Töne, reine": 6, "noise bursts": 6, "chirps": 16, "clicks": 6}
    assert [name for name, _ in found["unreadable"]] == [
        name for name in sorted(BAD) if name not in ("chirps/many.wav", "chirps/short.wav")
    ]
    assert found["cut_short"] == ["chirps/half.wav"]
    assert found["damaged"] == ["chirps/spoilt.wav"]
    assert found["silent"] == ["chirps/silent.wav"]
    assert found["channels"] == {"1": 29, "2": 1, "1000": 1}


def test_bad_files_end_no_run_and_are_named_with_reasons(tell, mess, tmp_path):
    arguments = ("spectrograms", mess, "--rate", RATE_HZ, "--out", tmp_path / "s.nc", "--json")
    code, out, err = tell("streamdeep-train", *arguments)
    told = json.loads(out)
    assert code == 66
    assert told["n_clips"] + told["n_skipped"] == 34
    assert {name for name, _ in told["skipped"]} == set(BAD)
    for name, reason in told["skipped"]:
        assert BAD[name] in reason
        assert f"skipped {name}: " in err
    again = json.loads(tell("streamdeep-train", *arguments)[1])
    assert again == told
    assert not (tmp_path / "s.nc.parts").exists()


def test_the_engine_embeds_the_rest_of_a_folder(tell, mess, tmp_path):
    model = mess.parent / "tiny.onnx"
    arguments = ("embed", mess, "--out", tmp_path / "x.npz", "--model", model, "--json")
    code, out, err = tell("streamdeep", *arguments)
    told = json.loads(out)
    assert code == 66
    assert told["files"] == 29
    assert len(told["failed"]) == len(told["reasons"]) == 5
    for name, reason in zip(told["failed"], told["reasons"], strict=True):
        assert name in reason
        assert f"skipped: {reason}" in err
    assert not any(".hidden" in name for name in np.load(tmp_path / "x.npz")["file"])


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (lambda rows: (("filname", "label"), rows), 78, "no column 'filename'"),
        (lambda rows: (("filename;label",), []), 78, "separated by ',', not by ';'"),
        (lambda rows: (None, [*rows, ("gone.wav", "chirps")]), 66, "the first gone.wav"),
        (lambda rows: (None, [*rows, rows[0]]), 78, "keep one row of each file"),
    ],
)
def test_a_wrong_manifest_is_refused_in_one_line(tell, mess, change, code, says):
    header, rows = change(good_rows(mess))
    table = manifest(mess, "wrong.csv", rows, header or ("filename", "label"))
    found, out, err = tell("streamdeep-train", "inspect", table)
    assert (found, out) == (code, "")
    assert says in err
    assert len(err.splitlines()) == 1


def test_a_manifest_in_another_encoding_is_refused_in_one_line(tell, mess):
    (mess / "latin.csv").write_bytes("filename,label\na.wav,Töne\n".encode("latin-1"))
    code, _, err = tell("streamdeep-train", "inspect", mess / "latin.csv")
    assert code == 66
    assert err == f"streamdeep-train: {mess / 'latin.csv'} is not text in UTF-8; save it as that\n"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([("chirps/stereo.wav", "")], "1 of 25 clips have none, the first chirps/stereo.wav"),
        ([("chirps/stereo.wav", "lonely")], "the class 'lonely' has 1 clips"),
    ],
)
def test_a_head_is_refused_before_the_work(tell, mess, tmp_path, rows, says):
    table = manifest(mess, "labels.csv", [*good_rows(mess), *rows])
    missing = tmp_path / "no-model.onnx"  # whose absence would be said if the work had begun
    arguments = ("head", "--data", table, "--model", missing, "--out", tmp_path / "h.onnx")
    code, out, err = tell("streamdeep-train", *arguments)
    assert (code, out) == (78, "")
    assert says in err


def test_the_whole_line_survives_a_messy_folder(tell, mess, tmp_path):
    run, recipe = tmp_path / "run", mess.parent / "recipe.toml"

    def told(*arguments):
        """It does its work, names what it had to do without, and ends with 66."""
        code, out, err = tell("streamdeep-train", *arguments, "--data", mess, "--json")
        found = json.loads(out)
        assert code == 66
        assert dict(found["skipped"]).keys() == BAD.keys()
        assert err.splitlines() == [f"skipped {name}: {why}" for name, why in found["skipped"]]
        assert all(BAD[name] in why for name, why in found["skipped"])
        return found

    found = told("fit", recipe, "--out", run)
    assert (found["n_clips"], found["n_skipped"]) == (29, 5)
    weights = found["models"]
    assert told("fit", recipe, "--out", run, "--resume")["models"] == weights

    model, head, table = run / "model.onnx", tmp_path / "h.onnx", tmp_path / "e.nc"
    assert told("embed", "--model", model, "--out", table)["n_skipped"] == 5
    found = told("head", "--model", model, "--recipe", recipe, "--out", head)
    assert found["labels"] == sorted(CLASSES)
    assert found["n_skipped"] == 5
    _, out, _ = tell("streamdeep", "inspect", head, "--json")
    about = json.loads(out)["provenance"]
    assert (about["n_clips"], about["n_skipped"]) == (29, 5)
    assert told("evaluate", run)["scores"][0]["n_files"] == 29
    assert told("reproduce", recipe, "--out", tmp_path / "all")["n_skipped"] == 5
    assert tell("streamdeep", "verify", model)[0] == 0

    labels = tmp_path / "labels.tsv"
    code, out, err = tell("streamdeep-train", "predict", "--train-table", table,
                          "--eval-table", table, "--out", labels, "--json")  # fmt: skip
    assert code == 0
    assert json.loads(out)["n_files"] == 29
    assert "29 files are learnt and labelled" in err  # a note, and not on standard output
    assert len(labels.read_text(encoding="utf-8").splitlines()) == 29

    code, out, _ = tell("streamdeep-train", "export-features", table, "--out", tmp_path / "features",
                        "--json")  # fmt: skip
    assert code == 0
    again = ("import-features", tmp_path / "features", "--out", tmp_path / "again.nc", "--json")
    _, out, _ = tell("streamdeep-train", *again)
    assert json.loads(out)["n_files"] == 29
    (tmp_path / "file").touch()
    for out in (tmp_path, tmp_path / "file" / "x.nc"):
        for command in (
            ("modify", table, "--add-folds", 2),
            ("modify", table, "--add-folds", 2, "--audeep"),
            ("import-features", tmp_path / "features"),
            ("predict", "--train-table", table, "--eval-table", table),
            ("visualize", table, "--method", "pca"),
        ):
            target = out.with_suffix(".png") if "visualize" in command else out
            if target == tmp_path.with_suffix(".png"):
                target.mkdir(exist_ok=True)
            code, _, err = tell("streamdeep-train", *command, "--out", target)
            assert (code, len(err.splitlines())) == (78, 1)
            assert f"cannot write {target}" in err


def test_no_training_is_written_over_by_mistake(tell, mess, tmp_path):
    recipe, run = mess.parent / "recipe.toml", tmp_path / "run"
    arguments = ("--data", mess, "--out", run)
    tell("streamdeep-train", "fit", recipe, *arguments)
    kept = (run / "checkpoint.npz").read_bytes()
    for command in ("fit", "reproduce"):
        code, out, err = tell("streamdeep-train", command, recipe, *arguments)
        assert (code, out) == (78, "")
        assert err == (
            f"streamdeep-train: {run} holds a run of 1 epochs; --resume goes on, "
            "or choose another --out\n"
        )
    assert (run / "checkpoint.npz").read_bytes() == kept


@pytest.mark.parametrize(
    "command", ["fit", "reproduce", "embed", "head", "export", "evaluate", "fuse-models"]
)
def test_what_cannot_be_written_is_said_before_the_work(tell, mess, tmp_path, command):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "x.png"
    sound = ("--data", mess, "--out", out)
    recipe = mess.parent / "recipe.toml"
    arguments = {
        "fit": (recipe, *sound),
        "reproduce": (recipe, *sound),
        "embed": (*sound, "--model", tmp_path / "no-model"),
        "head": (*sound, "--model", tmp_path / "no-model"),
        "export": (tmp_path / "no-run", "--out", out),
        "fuse-models": (mess.parent / "tiny.onnx", mess.parent / "tiny.onnx", "--out", out),
        "evaluate": (tmp_path / "no-run", "--data", mess, "--confusion", out),
    }[command]
    code, said, err = tell("streamdeep-train", command, *arguments)
    assert (code, said, len(err.splitlines())) == (78, "", 1)
    assert f"cannot write {out}" in err


def test_a_full_disk_is_seen_before_it_is_met(tmp_path):
    path = tmp_path / "x.nc"
    with pytest.raises(ConfigurationError, match="No space left"), writing(path, n_bytes=1 << 60):
        path.touch()
    assert not path.exists()


def test_what_nobody_foresaw_of_the_system_is_one_line_too(tell, mess, tmp_path):
    model = mess.parent / "tiny.onnx"
    (tmp_path / "x.onnx.part").mkdir()  # where the file is drafted
    out = tmp_path / "x.onnx"
    code, said, err = tell("streamdeep-train", "fuse-models", model, model, "--out", out)
    assert (code, said) == (78, "")
    assert err == f"streamdeep-train: {out}.part: Is a directory\n"


def test_labels_are_missed_before_a_training(tell, mess, tmp_path):
    table = manifest(mess, "none.csv", [(name, "") for name, _ in good_rows(mess)])
    arguments = ("reproduce", mess.parent / "recipe.toml", "--data", table, "--out", tmp_path / "r")
    code, _, err = tell("streamdeep-train", *arguments)
    assert code == 78
    assert "24 of 24 clips have none, the first Töne, reine/0.wav" in err
    assert not (tmp_path / "r").exists()


def test_a_pipe_that_is_called_like_sound_keeps_nobody_waiting(tell, mess, tmp_path):
    pipe = tmp_path / "x.wav"
    os.mkfifo(pipe)
    code, _, err = tell("streamdeep", "embed", pipe, "--out", tmp_path / "x.npz")
    assert code == 66
    assert "is no regular file" in err


def test_the_exit_code_reaches_the_shell(mess, tmp_path):
    import subprocess

    program = "from streamdeep_trainer.program import main; main()"
    outcome = subprocess.run(
        [sys.executable, "-c", program, "inspect", mess / "nothing", "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (outcome.returncode, outcome.stdout) == (66, "")
    assert outcome.stderr == f"streamdeep-train: there is no folder {mess / 'nothing'}\n"
