"""The commands ``evaluate`` and ``predict``: runs, tables, files that come out, and one-line mistakes."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from trainer_data import RECIPE, with_fit, write_tones

from streamdeep_trainer import cli, evaluate_commands
from streamdeep_trainer.evaluation.predict import best_temperature, softmax
from streamdeep_trainer.tables.splits import add_partitions
from streamdeep_trainer.tables.storage import write_table
from streamdeep_trainer.tables.table import make_table
from streamdeep_trainer.tables.upsample import upsample

LABELS = ("dog [bark]", "rain $5", "雨")


def table(n_files=30, *, dim=6, distance=3.0, chunks=2, folds=3, labelled=True, seed=0, **known):
    random = np.random.default_rng(seed)
    classes = np.arange(n_files) % 3
    centres = distance * np.random.default_rng(5).standard_normal((3, dim))
    names = [f"{file:02d}.wav" for file in range(n_files)]
    held_out = (np.arange(n_files) // 3 % folds)[:, None] == np.arange(folds) if folds else None
    return make_table(
        np.repeat(names, chunks).tolist(),
        np.repeat(centres[classes], chunks, axis=0)
        + random.standard_normal((n_files * chunks, dim)),
        labels=np.repeat(np.array(LABELS)[classes], chunks).tolist() if labelled else None,
        chunk_numbers=np.tile(np.arange(chunks), n_files),
        held_out=None if held_out is None else np.repeat(held_out, chunks, axis=0),
        **known,
    )


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run a program that has these commands alone: exit code, standard output, standard error."""
    app = typer.Typer(rich_markup_mode=None)
    evaluate_commands.register(app)
    monkeypatch.setattr(cli, "app", app)
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["streamdeep-train", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def tell(run):
    def call(*arguments):
        code, out, err = run(*arguments, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    return call


@pytest.mark.parametrize("form", ["streamdeep", "audeep"])
def test_a_table_is_cross_validated(tell, form):
    write_table(Path("t.nc"), table(), form=form)
    told = tell("evaluate", "t.nc")
    [scores] = told["scores"]
    assert scores["name"] == "t"
    assert scores["accuracy"] > 0.9
    assert len(scores["fold_accuracies"]) == len(scores["chosen_c"]) == 3
    assert scores["n_files"] == 30
    assert sorted(scores["labels"]) == sorted(LABELS)
    assert [row["count"] for row in scores["classes"]] == [10, 10, 10]
    assert "bootstrap" in scores["interval_kind"]
    assert told["classifier"] == "linear-svm"
    assert told["protocol"] == "cross-validated"
    assert tell("evaluate", "t.nc") == told


def test_options_reach_the_protocol(tell):
    write_table(Path("t.nc"), table(folds=0))
    assert len(tell("evaluate", "t.nc")["scores"][0]["fold_accuracies"]) == 5
    [scores] = tell(
        "evaluate", "t.nc", "--folds", 2, "--repeat", 3, "--complexity", 0.5, "--seed", 7,
        "--upsample", "--majority-vote",
    )["scores"]  # fmt: skip
    assert scores["n_repeats"] == 3
    assert scores["chosen_c"] == [0.5] * 6
    assert np.sum(scores["confusion"]) == 90
    for name in ("mlp", "mlp-audeep"):
        told = tell("evaluate", "t.nc", "--folds", 2, "--classifier", name, "--mlp", "epochs=60")
        assert told["classifier"] == name
        assert told["scores"][0]["accuracy"] > 0.6
        assert told["scores"][0]["chosen_c"] == []


def test_partitions_are_judged_once(tell):
    shares = {"train": 0.6, "devel": 0.2, "test": 0.2}
    write_table(Path("t.nc"), add_partitions(table(folds=0), shares, seed=0))
    told = tell(
        "evaluate", "t.nc", "--train-partitions", "train,devel", "--eval-partitions", "test"
    )
    assert told["protocol"] == "trained on train+devel, judged on test"
    assert told["scores"][0]["n_files"] == 6
    assert told["scores"][0]["two_fold_deviations"] is None


def test_people_see_scores_classes_and_a_picture(run, monkeypatch):
    import matplotlib.image

    monkeypatch.setenv("COLUMNS", "160")
    write_table(Path("t.nc"), table(distance=0.7))
    code, out, err = run("evaluate", "t.nc", "--confusion", "c.png")
    assert (code, err) == (0, "")
    for text in (*LABELS, "UAR", "macro-F1", "95 % interval", "precision", "taken for", "c.png"):
        assert text in out
    picture = matplotlib.image.imread("c.png")
    assert min(picture.shape[:2]) > 300
    assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 50
    write_table(Path("t.nc"), table(distance=0.0))
    run("evaluate", "t.nc", "--confusion", "other.png")
    assert Path("c.png").read_bytes() != Path("other.png").read_bytes()
    assert not list(Path().glob("*.part"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one epoch and its data."""
    from streamdeep_trainer.datasets.layouts import find_clips
    from streamdeep_trainer.evaluation.subjects import MODEL, SPECTROGRAMS, UNTRAINED
    from streamdeep_trainer.fit import fit
    from streamdeep_trainer.spectrograms import make_spectrograms, save_spectrograms
    from streamdeep_trainer.steps import export_into

    folder = tmp_path_factory.mktemp("trained")
    data = write_tones(folder / "data", n_clips=4, esc=True)
    recipe = with_fit(RECIPE, epochs=1)
    made = make_spectrograms(find_clips(data), recipe.frontend.stored())
    fit(recipe, made, run=folder / "run")
    save_spectrograms(folder / "run" / SPECTROGRAMS, made)
    export_into(folder / "run", made, {MODEL: False, UNTRAINED: True})
    return folder


def test_a_run_is_judged_beside_its_untrained_twin(tell, trained):
    told = tell("evaluate", trained / "run", "--data", trained / "data", "--inductive",
                "--confusion", "c.png", "--repeat", 2)  # fmt: skip
    names = [row["name"] for row in told["scores"]]
    assert names == ["tiny", "tiny, inductive", "untrained twin", "pooled log-Mel"]
    assert told["scores"][0]["accuracy"] > 0.7
    assert told["scores"][0]["labels"] == ["high", "low"]
    assert set(told["scores"][0]["chosen_c"]) <= {0.01, 0.1}  # the recipe's
    assert [row["n_repeats"] for row in told["scores"]] == [2, 2, 2, 2]
    assert told["quoted"] == []
    assert told["picture"] == "c.png"
    assert sorted(p.name for p in (trained / "run" / "inductive").iterdir()) == ["fold-1", "fold-2"]


def test_an_inductive_encoder_hears_training_partitions_alone(tell, trained, tmp_path, monkeypatch):
    from streamdeep_trainer.evaluation import inductive

    parts = tmp_path / "parts"
    for name in ("train", "test"):
        for label in ("001 - low", "002 - high"):
            shutil.copytree(trained / "data" / label, parts / name / label[6:])
    heard = []
    fit = inductive.fit

    def listen(recipe, made, *, run):
        heard.append({clip.filename.split("/")[0] for clip in made.clips})
        return fit(recipe, made, run=run)

    monkeypatch.setattr(inductive, "fit", listen)
    run = shutil.copytree(trained / "run", tmp_path / "run")
    told = tell("evaluate", run, "--data", parts, "--inductive", "--complexity", 0.1,
                "--train-partitions", "train", "--eval-partitions", "test")  # fmt: skip
    assert heard == [{"train"}]
    assert [row["n_files"] for row in told["scores"]] == [8] * 4


def predictions(path):
    return [line.split("\t") for line in Path(path).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("classifier", ["linear-svm", "mlp"])
def test_predictions_are_sorted_and_right(tell, classifier):
    new = table(12, folds=0, seed=1, labelled=False)
    write_table(Path("new.nc"), new.only(np.random.default_rng(0).permutation(len(new))))
    options = ["--classifier", classifier, "--train-table", "train.nc", "--eval-table", "new.nc"]
    if classifier == "mlp":
        options += ["--mlp", "epochs=80"]
    write_table(Path("train.nc"), _renamed(table(), "known-"))
    told = tell("predict", *options, "--out", "plain.tsv")
    assert told["n_files"] == 12
    plain = predictions("plain.tsv")
    assert [row[0] for row in plain] == [f"{file:02d}.wav" for file in range(12)]
    assert np.mean([row[1] == LABELS[file % 3] for file, row in enumerate(plain)]) > 0.9
    tell("predict", *options, "--out", "more.tsv", "--header", "--probabilities")
    header, *more = predictions("more.tsv")
    assert header == ["filename", "label", *sorted(LABELS)]
    assert [row[:2] for row in more] == plain
    for row in more:
        shares = np.array(row[2:], dtype=float)
        assert shares.sum() == pytest.approx(1.0, abs=1e-5)
        assert header[2:][shares.argmax()] == row[1]
    tell("predict", *options, "--out", "votes.tsv", "--probabilities", "--majority-vote")
    assert {float(cell) for row in predictions("votes.tsv") for cell in row[2:]} <= {0, 0.5, 1}


def _renamed(made, prefix):
    from dataclasses import replace

    return replace(made, filenames=tuple(prefix + name for name in made.filenames))


def test_prediction_follows_partitions_and_says_what_it_also_learnt(run):
    write_table(Path("t.nc"), add_partitions(table(), {"train": 2.0, "test": 1.0}, seed=0))
    options = ["--train-table", "t.nc", "--eval-table", "t.nc", "--complexity", 0.1]
    parts = ["--train-partitions", "train", "--eval-partitions", "test"]
    code, out, err = run("predict", *options, *parts, "--out", "a.tsv")
    assert (code, err) == (0, "")
    assert "files labelled in a.tsv" in out
    n_tested = len(predictions("a.tsv"))
    assert 0 < n_tested < 30
    code, _, err = run("predict", *options, "--out", "b.tsv")
    assert code == 0
    assert err == "30 files are learnt and labelled; the first: 00.wav\n"


def test_the_temperature_makes_confidence_honest():
    random = np.random.default_rng(0)
    values = 3.0 * random.standard_normal((4000, 3))
    cumulated = softmax(values, 2.5).cumsum(axis=1)
    truths = (random.random((4000, 1)) > cumulated).sum(axis=1)
    assert best_temperature(values, truths) == pytest.approx(2.5, rel=0.1)
    assert best_temperature(np.eye(3), np.arange(3)) < 0.1
    assert np.isfinite(best_temperature(np.eye(3), np.array([1, 2, 0])))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("evaluate", "nowhere.nc"), 66, "there is no file nowhere.nc"),
        (("evaluate", "run"), 78, "say where they are with --data"),
        (("evaluate", "run", "--data", "."), 66, "there is no checkpoint"),
        (("evaluate", "t.nc", "--data", "."), 78, "leave out --data"),
        (("evaluate", "t.nc", "--inductive"), 78, "leave out --data and --inductive"),
        (("evaluate", "noise.nc"), 66, "not a netCDF file"),
        (("evaluate", "t.nc", "--confusion", "c.jpg"), 78, "ends in .png"),
        (("evaluate", "t.nc", "--complexity", "-1"), 78, "is not above 0"),
        (
            ("evaluate", "t.nc", "--classifier", "mlp", "--complexity", "1"),
            78,
            "is for --classifier",
        ),
        (("evaluate", "t.nc", "--classifier", "mlp", "--mlp", "depth=2"), 78, "no 'depth'"),
        (("evaluate", "t.nc", "--train-partitions", "train"), 78, "are both needed"),
        (
            ("evaluate", "t.nc", "--train-partitions", "train", "--eval-partitions", "test"),
            78,
            "no clips in the partition 'train'",
        ),
        (("evaluate", "unknown.nc"), 78, "30 of 30 clips have none, the first 00.wav; put each"),
        (("evaluate", "copies.nc"), 78, "with --upsample"),
        (("evaluate", "few.nc"), 78, "has 2 clips that can be used; 5 folds"),
        (("predict", "--train-table", "t.nc", "--eval-table", "wide.nc"), 65, "6 and 7 features"),
        (("predict", "--train-table", "t.nc", "--eval-table", "model.nc"), 65, "different models"),
        (("predict", "--train-table", "unknown.nc", "--eval-table", "t.nc"), 78, "clips have none"),
        (("predict", "--train-table", "t.nc", "--eval-table", "tab.nc"), 78, "tab-separated"),
    ],
)
def test_mistakes_end_in_one_line(run, arguments, code, says):
    Path("run").mkdir()
    Path("noise.nc").write_bytes(b"noise")
    write_table(Path("t.nc"), table(attributes={"model": "1" * 64}))
    write_table(Path("unknown.nc"), table(labelled=False))
    write_table(Path("copies.nc"), upsample(table(31, folds=0), seed=0))
    write_table(Path("few.nc"), table(6, folds=0))
    write_table(Path("wide.nc"), table(dim=7))
    write_table(Path("model.nc"), table(attributes={"model": "2" * 64}))
    write_table(Path("tab.nc"), _renamed(table(), "a\t"))
    out_file = ["--out", "out.tsv"] if arguments[0] == "predict" else []
    found, out, err = run(*arguments, *out_file)
    assert found == code
    assert out == ""
    assert err.startswith("streamdeep-train: ")
    assert says in err
    assert len(err.splitlines()) == 1
    assert not Path("out.tsv").exists()


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_every_help_has_an_example(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"Example: streamdeep-train {command}" in " ".join(out.split())
