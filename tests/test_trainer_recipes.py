"""Recipes: the published ones are whole, and several views become one model that equals its parts."""

import json
import shutil
import sys

import numpy as np
import places
import pytest
import soundfile
from trainer_data import RECIPE, write_tones

from streamdeep.config import load_toml
from streamdeep.encoder.model import load_model
from streamdeep.errors import ConfigurationError, ModelError
from streamdeep.frontend import normalise
from streamdeep_trainer import cli
from streamdeep_trainer.baselines.quoted import QUOTED
from streamdeep_trainer.building import shape_of
from streamdeep_trainer.checkpoint import load_checkpoint
from streamdeep_trainer.config import EvaluateRecipe, FrontendRecipe, Recipe
from streamdeep_trainer.datasets.layouts import detect_layout, find_clips
from streamdeep_trainer.embed import embed_clips
from streamdeep_trainer.levels import to_input
from streamdeep_trainer.reproduce import reproduce
from streamdeep_trainer.spectrograms import frames_of, make_spectrograms
from streamdeep_trainer.statistics import conformal_quantiles, groups_of, held_out_scores

RECIPES = sorted(
    path
    for path in (places.ROOT / "trainer" / "recipes").glob("*.toml")
    if not path.name.startswith("compare-")  # of several recipes each; test_compare reads them
)


def recipe_with(base=RECIPE, **changes):
    """A recipe with some keys of some tables changed, and validated again."""
    whole = base.model_dump()
    for table, values in changes.items():
        whole[table] = whole[table] | values if isinstance(values, dict) else values
    return Recipe.model_validate(whole)


CHANNELS = recipe_with(
    frontend={"floor_db": -90.0, "ceiling_db": -10.0},
    views=[{"name": "left", "channel": "left"}, {"name": "both", "floor_db": -60.0}],
    fit={"epochs": 1},
)


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return write_tones(tmp_path_factory.mktemp("tones") / "data", n_clips=4, esc=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory, tones):
    """A run of two channel views, reproduced once for all tests."""
    folder = tmp_path_factory.mktemp("run")
    reproduce(CHANNELS, tones, run=folder)
    return folder


@pytest.fixture
def tell(monkeypatch, capsys):
    """Run the program: what it tells as JSON, or its complaint where it should have one."""

    def call(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["streamdeep-train", *map(str, arguments)])
        try:
            cli.main()
            found = 0
        except SystemExit as stop:
            found = stop.code or 0
        captured = capsys.readouterr()
        assert found == code, captured.err
        return captured.err if code else json.loads(captured.out)

    return call


def write_sounds(folder, names, *, rate_hz, length_s, n_channels=1):
    """Noise behind one of two tones, by the first letter of the name's last folder or file."""
    random = np.random.default_rng(0)
    for index, name in enumerate(names):
        time_s = np.arange(int(rate_hz * length_s)) / rate_hz
        tone = 0.2 * np.sin(2 * np.pi * (300.0, 2000.0)[index % 2] * time_s)
        samples = tone[:, None] + 0.05 * random.standard_normal((len(time_s), n_channels))
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, rate_hz)


def esc50(folder):
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for fold in (1, 2):
        rows += [f"{fold}-{n}-A-{n}.wav,{fold},{n},{('dog', 'rain')[n]},True,{n},A" for n in (0, 1)]
    write_sounds(
        folder,
        [f"audio/{row.split(',')[0]}" for row in rows[1:]],
        rate_hz=44100,
        length_s=0.45,
    )
    (folder / "meta").mkdir()
    (folder / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")


def gtzan(folder):
    names = [f"{genre}/{genre}.0000{n}.au" for n in (0, 1) for genre in ("blues", "jazz")]
    write_sounds(folder / "genres", names, rate_hz=22050, length_s=0.8)


def tut2017(folder):
    names = [f"audio/a{number}_0_10.wav" for number in range(8)]
    write_sounds(folder, names, rate_hz=44100, length_s=1.0, n_channels=2)
    lines = [f"{name}\t{('beach', 'bus')[n % 2]}" for n, name in enumerate(names)]
    text = "".join(f"{line}\ta{n}\n" for n, line in enumerate(lines))
    (folder / "meta.txt").write_text(text)
    (folder / "evaluation_setup").mkdir()
    for fold in range(4):
        kept = [line for n, line in enumerate(lines) if n // 2 != fold]
        (folder / "evaluation_setup" / f"fold{fold + 1}_train.txt").write_text("\n".join(kept))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_can_be_built(path):
    recipe = load_toml(path, Recipe)
    for single in (recipe.singles or {"": recipe}).values():
        shape_of(single)
        frontend = single.frontend.stored()
        assert frontend.span_samples(single.segment.config(frontend).length_frames) == round(
            single.segment.length_s * frontend.sample_rate_hz
        )
        assert QUOTED[single.evaluate.quoted]


@pytest.mark.parametrize(
    ("name", "n_views", "dim", "streams"),
    [
        ("esc10-fused", 4, 4096, False),
        ("esc50", 4, 2048, False),
        ("gtzan", 5, 2560, False),
        ("tut2017", 4, 4096, False),
    ],
)
def test_published_recipes_have_the_published_representations(name, n_views, dim, streams):
    recipe = load_toml(RECIPES[0].with_name(f"{name}.toml"), Recipe)
    shapes = [shape_of(single) for single in recipe.singles.values()]
    assert (len(shapes), sum(shape.embedding_dim for shape in shapes)) == (n_views, dim)


@pytest.mark.parametrize(
    ("name", "lay_out", "segment", "classifiers"),
    [
        ("esc50", esc50, {"length_s": 0.4, "hop_s": 0.4}, ["linear-svm"]),
        ("gtzan", gtzan, {"length_s": 0.36, "hop_s": 0.32}, ["mlp-audeep", "linear-svm"]),
        ("tut2017", tut2017, {"length_s": 0.8, "hop_s": 0.8}, ["linear-svm"]),
    ],
)
def test_a_published_recipe_runs_on_its_layout(tmp_path, name, lay_out, segment, classifiers):
    """Shrunk: first and last view, few bands and units, one epoch, short segments, the quicker classifier."""
    data = tmp_path / "data"
    lay_out(data)
    assert detect_layout(data) == name
    whole = load_toml(RECIPES[0].with_name(f"{name}.toml"), Recipe)
    recipe = recipe_with(
        whole,
        views=[whole.views[0].model_dump(), whole.views[-1].model_dump()],
        frontend={"bands": 40},
        segment=segment,
        model={"layers": 1, "units": 3},
        fit={"epochs": 1, "threads": 1},
        evaluate={
            "classifiers": classifiers,
            "c_grid": (0.01,),
            "n_folds": 2,
            "seeds": (0,),
        },
    )
    report = reproduce(recipe, data, run=tmp_path / "run").read_text()
    for row in (name, *(f"{name}-{view.name}" for view in recipe.views), "untrained twin"):
        assert f"| {row} | " in report
    assert all(f"### {classifier}" in report for classifier in classifiers)
    clips = find_clips(data)
    folders = [tmp_path / "run" / view.name for view in recipe.views]
    parts = [embed_clips(clips, folder / "model.onnx").vectors for folder in folders]
    fused = embed_clips(clips, tmp_path / "run" / "model.onnx").vectors
    assert np.array_equal(fused, np.concatenate(parts, axis=1))
    assert ("segments vote" in report) == recipe.evaluate.majority_vote
    assert QUOTED[name][0].note in report


def test_the_fused_model_equals_its_views_side_by_side(run, tones):
    clips = find_clips(tones)
    for file in ("model.onnx", "untrained.onnx"):
        whole = embed_clips(clips, run / file).vectors
        parts = [embed_clips(clips, run / view / file).vectors for view in ("left", "both")]
        assert np.array_equal(whole, np.concatenate(parts, axis=1))
    assert load_model(run / "model.onnx").incremental


def test_the_fused_model_tells_novelty_as_its_training_embeddings_have_it(run, tones):
    statistics = load_model(run / "model.onnx").contract.statistics
    found = embed_clips(find_clips(tones), run / "model.onnx")
    np.testing.assert_allclose(statistics.mean.array(), found.vectors.mean(axis=0), atol=1e-4)
    scores = held_out_scores(found.vectors, groups_of(found.clips)[found.clip_rows])
    levels, quantiles = conformal_quantiles(scores)
    assert statistics.novelty_probabilities == levels
    np.testing.assert_allclose(statistics.novelty_quantiles, quantiles, rtol=0.05)


def test_the_report_has_the_whole_its_views_the_twin_and_the_frames(run):
    figures = json.loads((run / "report.json").read_text())
    names = [row["name"] for row in figures["scores"]]
    assert names == ["tiny", "tiny-left", "tiny-both", "untrained twin", "pooled log-Mel"]
    assert {row["classifier"] for row in figures["scores"]} == {"linear-svm"}
    report = (run / "report.md").read_text()
    assert all(f"| {name} | " in report for name in names)
    assert "| training of both | 1 epochs, seed 0, RMSE " in report


def test_going_on_trains_no_view_again(run, tones):
    """The checkpoints are as they were; a view that has none yet is trained."""
    files = ("model.onnx", "left/checkpoint.npz", "both/checkpoint.npz")
    wanted = [(run / file).read_bytes() for file in files]
    (run / "both" / "checkpoint.npz").unlink()
    kept = (run / "left" / "checkpoint.npz").stat().st_mtime_ns
    reproduce(CHANNELS, tones, run=run, resume=True)
    assert (run / "left" / "checkpoint.npz").stat().st_mtime_ns == kept
    assert load_checkpoint(run / "both" / "checkpoint.npz").n_epochs == 1
    assert (run / "model.onnx").read_bytes() == wanted[0]


def test_views_of_one_channel_share_their_spectrograms(tmp_path, tones, tell):
    recipe = recipe_with(
        frontend={"level": "segment"},
        fit={"epochs": 0},
        evaluate={"upsample": True},
        views=[{"name": "30db", "clip_below_db": -30.0}, {"name": "open"}],
    )
    report = reproduce(recipe, tones, run=tmp_path).read_text()
    assert [path.parent.name for path in tmp_path.rglob("spectrograms.nc")] == ["30db"]
    assert "no: it waits for the segment" in report
    model = tmp_path / "open.onnx"
    shared = tmp_path / "30db" / "spectrograms.nc"
    said = tell("export", tmp_path / "open", "--out", model, code=66)
    assert f"give --spectrograms {shared}, which the views share" in said
    tell("export", tmp_path / "open", "--out", model, "--spectrograms", shared, "--json")
    assert load_model(model).digest == load_model(tmp_path / "open" / "model.onnx").digest


def test_commands_work_on_a_run_of_several_views(run, tones, tmp_path, tell):
    told = tell("evaluate", run, "--data", tones, "--majority-vote", "--json")
    assert [row["name"] for row in told["scores"]][:2] == ["tiny", "tiny-left"]
    again = tmp_path / "again.onnx"
    told = tell("export", run, "--out", again, "--untrained", "--json")
    digest = load_model(run / "untrained.onnx").digest.hex()
    assert told["models"] == {str(again): digest}
    said = tell("evaluate", run, "--data", tones, "--inductive", code=78)
    assert "such as" in said
    said = tell("export", run, "--out", again, "--input", tmp_path / "x.nc", code=78)
    assert "leave out --input" in said
    assert len(said.splitlines()) == 1
    single = tmp_path / "single.toml"
    single.write_text('[model]\nname = "single"\n')
    said = tell("fit", single, "--data", tones, "--out", run, code=78)
    assert "holds a run of several views; choose another --out" in said
    told = tell("evaluate", run / "left", "--data", tones, "--json")
    assert told["scores"][0]["name"] == "tiny-left"


@pytest.mark.parametrize(
    ("views", "says"),
    [
        ([{"name": "a"}], "one view is no fusion"),
        ([{"name": "a"}, {"name": "a", "channel": "left"}], "'a' and 'a' must differ"),
        ([{"name": "a"}, {"name": "b", "channel": "mean"}], "'a' and 'b' must differ"),
        ([{"name": "a"}, {"name": "b", "clip_below_db": -30.0}], "a fixed level does not use"),
        ([{"name": "a/b"}, {"name": "c", "channel": "left"}], "match pattern"),
        ([{"name": "a"}, {"name": "b", "window_s": 0.1}], "Extra inputs"),
        ([{"name": "a"}, {"name": "b", "bands": 0}], "greater than or equal to 1"),
    ],
)
def test_views_that_cannot_be_are_refused(views, says):
    with pytest.raises(ValueError, match=says):
        recipe_with(views=views)


def test_the_recipe_says_what_evaluate_does_by_default(run, tones, tmp_path, tell):
    said = {"classifiers": ("mlp", "linear-svm"), "majority_vote": True, "seeds": (3, 4)}
    shutil.copytree(run, tmp_path / "run")
    recipe = recipe_with(CHANNELS, evaluate=said)
    (tmp_path / "run" / "recipe.json").write_text(recipe.model_dump_json())
    told = tell("evaluate", tmp_path / "run", "--data", tones, "--mlp", "epochs=5", "--json")
    assert told["classifier"] == "mlp"
    assert told["scores"][0]["n_repeats"] == 2


def test_a_classifier_is_named_once():
    with pytest.raises(ValueError, match="names one twice"):
        EvaluateRecipe(classifiers=("mlp", "mlp"))


def test_a_view_is_an_ordinary_recipe():
    left, both = CHANNELS.singles.values()
    assert (left.model.name, both.model.name) == ("tiny-left", "tiny-both")
    assert (left.frontend.channel, both.frontend.channel) == ("left", "mean")
    assert {left.frontend.fusion, both.frontend.fusion} == {"spectra"}
    assert both.frontend.floor_db == -60.0
    assert not left.views
    gtzan_recipe = load_toml(RECIPES[0].with_name("gtzan.toml"), Recipe)
    assert gtzan_recipe.singles["unclipped"].frontend.clip_below_db is None


def test_only_a_dictionary_has_views_with_dictionaries():
    views = [{"name": "all"}, {"name": "few", "bands": 10, "dictionaries": [{"frames": 3}]}]
    with pytest.raises(ValueError, match="the view 'few' has dictionaries, and the model is of"):
        recipe_with(CHANNELS, views=views)


def test_a_checkpoint_of_an_older_recipe_says_what_to_do(run, tmp_path):
    with np.load(run / "left" / "checkpoint.npz") as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(arrays["about"].tobytes())
    about["recipe"]["evaluate"]["classifier"] = "linear-svm"
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    np.savez(tmp_path / "old.npz", **arrays)
    with pytest.raises(ModelError, match=r"another version.*evaluate\.classifier.*train again"):
        load_checkpoint(tmp_path / "old.npz")


def test_training_sees_what_the_engine_sees_where_bands_are_empty(tmp_path):
    """320 bands at 22,050 Hz: 22 of them have no power, which without clipping decides the floor."""
    write_sounds(tmp_path, ["a.wav"], rate_hz=22050, length_s=0.5)
    recipe = FrontendRecipe(sample_rate_hz=22050, bands=320, level="segment")
    stored = make_spectrograms(find_clips(tmp_path), recipe.stored())
    heard = to_input(stored.values, (0.0, 0.0), recipe)
    engine = recipe.config(0.0, 0.0)
    power = np.asarray(frames_of(tmp_path / "a.wav", engine).values, dtype=np.float64)
    assert (power == 0.0).all(axis=0).sum() == 22
    wanted = normalise.segments(power, np.array([0]), len(power), engine)[0]
    np.testing.assert_allclose(heard, wanted, atol=1e-5)


def test_every_quoted_figure_says_where_it_is_from():
    names = EvaluateRecipe.model_fields["quoted"].annotation
    for name, figures in QUOTED.items():
        assert name is None or f"'{name}'" in str(names)
        assert all(figure.note and 0.0 < figure.accuracy < 1.0 for figure in figures)


def test_views_with_spectrograms_of_their_own_take_no_single_file(run, tones, tmp_path):
    from streamdeep_trainer.views import fit_views

    with pytest.raises(ConfigurationError, match="leave out --spectrograms"):
        fit_views(CHANNELS, tones, run=tmp_path, spectrograms_file=tmp_path / "s.nc")
