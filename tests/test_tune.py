"""Choosing hyper-parameters: what may vary, which clips are never heard, and a study that goes on."""

import csv
import json
import sys
import tomllib
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from trainer_data import RATE_HZ, RECIPE, with_fit, with_model, write_tones

from streamdeep.encoder.model import load_model
from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer import cli
from streamdeep_trainer.checkpoint import load_checkpoint
from streamdeep_trainer.config import EvaluateRecipe, Recipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.lock import alone_in
from streamdeep_trainer.model_recipe import (
    ExactModel,
    FrequencyModel,
    FrequencyTimeModel,
)
from streamdeep_trainer.run_folder import CHECKPOINT
from streamdeep_trainer.tuning.aside import put_aside
from streamdeep_trainer.tuning.bench import Bench
from streamdeep_trainer.tuning.defaults import default_space
from streamdeep_trainer.tuning.space import check_space, load_space, parse_space, with_values
from streamdeep_trainer.tuning.study import Study
from streamdeep_trainer.tuning.trials import Measured
from streamdeep_trainer.tuning.tune import Plan, tune

TINY = with_fit(with_model(units=(6,), decoder_units=(5,)), epochs=1).model_copy(
    update={"evaluate": EvaluateRecipe(c_grid=(0.01,), n_folds=3)}
)
SPACE = parse_space(
    {
        "fit": {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}},
        "model.units": {"choices": [[6], [8, 4]]},
    }
)


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Twelve clips without folds: three are made, of four clips each. Half of them are noise, so that not all is right."""
    folder = write_tones(tmp_path_factory.mktemp("tones") / "data", n_clips=6)
    random = np.random.default_rng(3)
    for clip in find_clips(folder)[::2]:
        soundfile.write(clip.path, random.uniform(-0.1, 0.1, RATE_HZ // 2), RATE_HZ)
    return folder


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, tones):
    plan = Plan(TINY, tones, tmp_path_factory.mktemp("tuned") / "out", SPACE, n_trials=3)
    return plan, tune(plan)


def rows(folder):
    with (folder / "trials.csv").open(newline="") as file:
        return [row | {"seconds": ""} for row in csv.DictReader(file)]


def test_a_space_is_ranges_and_choices_under_paths_of_the_recipe(tmp_path):
    file = tmp_path / "space.toml"
    file.write_text(
        '"fit.learning_rate" = { low = 1e-4, high = 1e-2, log = true }\n'
        '"model.units" = { choices = [[128, 128], [256, 256]] }\n'
        "[fit]\nepochs = { low = 1, high = 9, step = 2 }\n"
    )
    space = load_space(file)
    assert list(space) == ["fit.learning_rate", "model.units", "fit.epochs"]
    check_space(RECIPE, space, "accuracy")
    found = with_values(RECIPE, {"model.units": [128, 64], "fit.epochs": 3})
    assert (found.model.units, found.fit.epochs) == ((128, 64), 3)
    assert found.model.decoder_units == RECIPE.model.decoder_units


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({}, "nothing varies"),
        ({"fit.dropout": 0.3}, "neither"),
        ({"fit.dropout": {"low": 0.5, "high": 0.1}}, "must lie below"),
        ({"fit.dropout": {"low": 0.1}}, "high: Field required"),
        ({"fit.dropout": {"low": "a", "high": 0.1}}, "fit.dropout: low"),
        ({"fit.dropout": {"low": 0.0, "high": float("inf")}}, "finite"),
        ({"fit.dropout": {"low": 0.0, "high": 0.5, "log": True}}, "above 0"),
        ({"fit.dropout": {"low": 0.1, "high": 0.5, "log": True, "step": 0.1}}, "no step"),
        ({"fit.epochs": {"low": 1, "high": 4, "step": 2}}, "whole number of steps"),
        ({"fit.epochs": {"low": 1, "high": 4, "step": 0}}, "step is above 0"),
        ({"fit.dropout": {"low": 0.1, "hihg": 0.5}}, "unknown key 'hihg'"),
        ({"model.units": {"choices": []}}, "at least 1"),
        ({"model.units": {"choices": [[6], [6]]}}, "twice"),
        ({"fit.dropout": {"low": 0.1, "high": 1.0}}, "fit.dropout = 1.0"),
        ({"fit.epochs": {"low": 1.0, "high": 3.0}}, "fit.epochs = 1.0"),
        ({"fit.epochs": {"choices": ["2"]}}, 'fit.epochs = "2"'),
        ({"model.units": {"choices": [[6], 6]}}, "model.units = 6"),
        ({"fit.rate": {"low": 0.1, "high": 0.5}}, "no fit.rate"),
        ({"trainer.rate": {"low": 0.1, "high": 0.5}}, "no trainer.rate"),
        ({"frontend.hop_s": {"choices": [0.0333]}}, "whole number of samples"),
        ({"evaluate.n_folds": {"low": 2, "high": 5}}, "does not change what is learnt"),
        ({"views": {"choices": [[{"name": "few", "bands": 10}], []]}}, "cannot be tuned together"),
    ],
)
def test_a_wrong_space_is_one_line_before_any_work(entry, said):
    with pytest.raises(ConfigurationError, match=said) as caught:
        check_space(RECIPE, parse_space(entry), "accuracy")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["frontend.bands", "segment.length_s", "fit.validation_fraction"])
def test_rmse_compares_nothing_that_moves_its_yardstick(path):
    space = parse_space(
        {path: {"choices": [RECIPE.model_dump()[path.split(".")[0]][path.split(".")[1]]]}}
    )
    check_space(RECIPE, space, "accuracy")
    with pytest.raises(ConfigurationError, match="cannot be compared"):
        check_space(RECIPE, space, "rmse")


@pytest.mark.parametrize("measure", ["accuracy", "rmse"])
@pytest.mark.parametrize(
    "model",
    [
        RECIPE.model,
        ExactModel(kind="audeep-exact"),
        FrequencyModel(kind="f-rae"),
        FrequencyTimeModel(kind="ft-rae"),
    ],
)
def test_every_kind_of_model_has_a_space_of_its_own(model, measure):
    recipe = RECIPE.model_copy(update={"model": model})
    space = default_space(recipe, measure)
    check_space(recipe, space, measure)
    own = "model.layers" if model.kind == "audeep-exact" else "model.units"
    assert {own, "fit.learning_rate", "fit.dropout"} <= set(space)


def clips(n_clips=12, **per_clip):
    return [
        Clip(f"{n}.wav", f"{n}.wav", "ab"[n % 2], **{key: of(n) for key, of in per_clip.items()})
        for n in range(n_clips)
    ]


def names(some):
    return {clip.filename for clip in some}


def test_the_last_fold_is_put_aside_unless_another_is_named():
    known = clips(fold=lambda n: n // 4 + 1)
    aside = put_aside(known, EvaluateRecipe(), final=None, labelled=True)
    assert names(aside.final) == names(known[8:])
    assert aside.rest == tuple(known[:8])
    other = put_aside(known, EvaluateRecipe(), final="1", labelled=True)
    assert names(other.final) == names(known[:4])
    with pytest.raises(ConfigurationError, match="none of the folds 1, 2, 3"):
        put_aside(known, EvaluateRecipe(), final="4", labelled=True)


def test_a_clip_of_the_final_fold_is_in_no_other_where_folds_overlap():
    known = clips(held_out=lambda n: ((), (1,), (2,), (1, 3))[n // 3])
    aside = put_aside(known, EvaluateRecipe(), final=None, labelled=True)
    assert (aside.name, names(aside.final)) == ("fold 3", names(known[9:]))
    assert not names(aside.rest) & names(aside.final)


def test_the_test_partition_is_put_aside_and_folds_are_made_of_the_rest():
    known = clips(20, partition=lambda n: ("train", "train", "devel", "test")[n // 5])
    aside = put_aside(known, EvaluateRecipe(n_folds=3), final=None, labelled=True)
    assert (aside.name, names(aside.final)) == ("partition test", names(known[15:]))
    with pytest.raises(ConfigurationError, match="no clips in the partition 'test'"):
        put_aside(known[:15], EvaluateRecipe(n_folds=3), final="test", labelled=True)


def test_unlabelled_clips_are_dealt_for_rmse_and_refused_for_accuracy():
    known = [replace(clip, label=None) for clip in clips()]
    aside = put_aside(known, EvaluateRecipe(n_folds=3), final=None, labelled=False)
    assert (len(aside.rest), len(aside.final)) == (8, 4)
    with pytest.raises(ConfigurationError, match="label"):
        put_aside(known, EvaluateRecipe(n_folds=3), final=None, labelled=True)


def study(path, *, about="it", seed=0):
    return Study(path, about={"about": about}, space=SPACE, maximise=True, seed=seed)


def course(path, stops):
    """The values that a study proposes, begun anew after some of the trials."""
    found, current = [], study(path)
    for number in range(1, 16):
        if number in stops:
            current.ask()  # and its program dies
            current = study(path)
        candidate = current.ask()
        assert candidate.number == number
        found.append(candidate.values)
        value = -abs(candidate.values["fit.learning_rate"] - 3e-3)
        current.tell(number, "done", Measured(value, 0.0, 1.0))
    return found, current.importances()


def test_a_study_that_died_goes_on_as_if_it_had_not(tmp_path):
    values, importances = course(tmp_path / "a", ())
    assert course(tmp_path / "b", (2, 13)) == (values, importances)
    assert len({each["fit.learning_rate"] for each in values}) == 15
    assert list(importances) == [
        "fit.learning_rate",
        "model.units",
    ]  # the measure is made of the first


def test_half_a_line_and_a_lock_of_a_program_that_died_are_no_obstacle(tmp_path):
    path = tmp_path / "study"
    first = study(path)
    first.tell(first.ask().number, "done", Measured(0.5, 0.4, 1.0))
    with path.open("ab") as file:
        file.write(b'{"op_code":4,"wor')
    path.with_name("study.lock").symlink_to(path)
    again = study(path)
    assert [trial.number for trial in again.trials] == [1]
    again.tell(again.ask().number, "failed", None, "no reason")
    assert [trial.state for trial in study(path).trials] == ["done", "failed"]


def test_two_tunings_are_not_at_work_in_one_folder(tmp_path):
    with (
        alone_in(tmp_path),
        pytest.raises(ConfigurationError, match="another program is at work"),
        alone_in(tmp_path),
    ):
        pass
    with alone_in(tmp_path):
        pass


def test_a_tuning_leaves_a_table_a_report_a_recipe_and_one_trial(tuned):
    plan, outcome = tuned
    found = rows(plan.out)
    assert [row["number"] for row in found] == ["1", "2", "3"]
    best = max(found, key=lambda row: float(row["measure"]))
    assert best["number"] == str(outcome.best.number)
    assert all(0.0 <= float(row["untrained"]) <= 1.0 for row in found)
    assert [place.name for place in (plan.out / "trials").iterdir()] == [best["number"]]
    assert (plan.out / "tune.png").read_bytes().startswith(b"\x89PNG")
    report = (plan.out / "tune.md").read_text()
    assert "| as it was |" in report
    assert f"| trial {best['number']} |" in report
    recipe = Recipe.model_validate(tomllib.loads((plan.out / "best.toml").read_text()))
    assert recipe == outcome.recipe
    assert list(recipe.model.units) == json.loads(best["model.units"])
    assert recipe.fit.learning_rate == float(best["fit.learning_rate"])
    told = json.loads(json.dumps(outcome.as_json(plan.out)))
    assert told["put_aside"]["n_clips"] == 4


def test_a_tuning_that_was_interrupted_comes_to_the_same_end(tmp_path, tuned):
    plan, outcome = tuned
    again = replace(plan, out=tmp_path / "out")

    def interrupt(line):
        if line.startswith("trial 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(again, tell=interrupt)
    assert len(rows(again.out)) == 2
    assert tune(again).judged == outcome.judged
    assert rows(again.out) == rows(plan.out)
    assert (again.out / "best.toml").read_bytes() == (plan.out / "best.toml").read_bytes()


def test_the_clips_put_aside_change_nothing_but_the_end(tmp_path, tones, tuned):
    plan, outcome = tuned
    other = tmp_path / "data"
    random = np.random.default_rng(5)
    for clip in find_clips(tones):
        place = other / clip.filename
        place.parent.mkdir(parents=True, exist_ok=True)
        if clip.filename in names(outcome.aside.final):
            soundfile.write(place, random.uniform(-0.9, 0.9, RATE_HZ), RATE_HZ)
        else:
            place.write_bytes(clip.path.read_bytes())
    again = tune(replace(plan, data=other, out=tmp_path / "out"))
    assert rows(tmp_path / "out") == rows(plan.out)
    assert again.before.value == outcome.before.value
    models = [load_model(one.place / "model.onnx") for one in (again, outcome)]
    assert models[0].digest == models[1].digest
    assert models[0].contract.provenance["n_clips"] == len(outcome.aside.rest) == 8


def test_another_recipe_space_or_measure_is_refused_in_the_same_folder(tuned):
    plan, _ = tuned
    others = {
        "recipe": replace(plan, recipe=with_fit(TINY, epochs=2)),
        "space": replace(plan, space=parse_space({"fit.dropout": {"low": 0.0, "high": 0.5}})),
        "measure": replace(plan, measure="rmse"),
        "final fold": replace(plan, final="1"),
    }
    before = rows(plan.out)
    for what, other in others.items():
        with pytest.raises(ConfigurationError, match=f"another {what}"):
            tune(other)
    assert rows(plan.out) == before


def test_what_the_recipe_refuses_and_what_fails_is_listed_and_the_study_goes_on(tmp_path, tones):
    space = parse_space(
        {
            "model.bidirectional_decoder": {"choices": [True]},
            "model.feed": {"choices": ["previous", "nothing"]},
        }
    )
    outcome = tune(Plan(TINY, tones, tmp_path / "out", space, n_trials=4))
    states = {trial.values["model.feed"]: trial.state for trial in outcome.trials}
    assert states == {"previous": "refused", "nothing": "done"}
    refused = [row for row in rows(tmp_path / "out") if row["state"] == "refused"]
    assert refused
    assert all("[model]" in row["reason"] and not row["measure"] for row in refused)
    only = parse_space({"model.bidirectional_decoder": {"choices": [True]}})
    with pytest.raises(SourceError, match="none of the 1 trials could be measured"):
        tune(Plan(TINY, tones, tmp_path / "none", only, n_trials=1))


def test_a_trial_with_patience_is_worth_what_its_best_epoch_is(tmp_path, tones):
    changes = {"epochs": 8, "patience": 3, "learning_rate": 0.3, "validation_fraction": 0.3}
    recipe = with_fit(TINY, **changes)
    aside = put_aside(find_clips(tones), recipe.evaluate, final=None, labelled=True)
    place = tmp_path / "trial"
    found = Bench(tones, None, aside, "rmse", tmp_path).work(recipe, place)
    state = load_checkpoint(place / CHECKPOINT)
    losses = [held_out for _, held_out in state.losses]
    assert state.best_epoch < state.n_epochs
    assert found.value == pytest.approx(min(losses), rel=1e-6) != losses[-1]


TOML = """
data = "generated tones"
frontend = { sample_rate_hz = 8000, window_s = 0.04, hop_s = 0.02, bands = 20 }
segment = { length_s = 0.5, hop_s = 0.2 }
model = { name = "tiny", units = [6], decoder_units = [5] }
fit = { epochs = 1, batch_size = 4, validation_fraction = 0.3 }
"""


def test_the_program_tunes_by_rmse(monkeypatch, capsys, tmp_path, tones):
    recipe, out = tmp_path / "recipe.toml", tmp_path / "out"
    recipe.write_text(TOML)

    def run(*options):
        arguments = ["tune", recipe, "--data", tones, "--out", out, "--measure", "rmse", *options]
        monkeypatch.setattr(sys, "argv", ["streamdeep-train", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return stop.value.code or 0, captured.out, captured.err

    code, said, error = run("--trials", 2, "--json")
    assert (code, error) == (0, "")
    told = json.loads(said)
    found = {int(row["number"]): float(row["measure"]) for row in rows(out)}
    best = told["best"]
    assert best["measured"]["value"] == min(found.values()) == found[best["number"]]
    assert (
        "fit.frame_dropout" not in best["values"]
    )  # least RMSE is had by copying the frame before
    assert load_model(out / "trials" / str(best["number"]) / "model.onnx").digest
    code, said, error = run("--trials", 1)
    assert (code, error) == (0, "")  # there are two already: nothing is trained, all is told again
    assert "Did it help?" in said
    code, said, error = run("--trials", 2, "--seed", 7)
    assert (code, said, error.count("\n")) == (78, "", 1)


@pytest.mark.system
def test_several_processes_measure_what_one_does(tmp_path, tuned):
    plan, outcome = tuned
    again = tune(replace(plan, out=tmp_path / "out", jobs=2))
    assert rows(tmp_path / "out") == rows(plan.out)
    assert again.judged == outcome.judged
