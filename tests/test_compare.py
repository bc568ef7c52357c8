"""A bench that cannot fool itself: test folds choose nothing, cells are whole, and no cell is taken for another."""

import json
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from places import ROOT
from scipy.stats import binom
from tiny import tiny_content, tiny_model
from trainer_data import RATE_HZ, RECIPE, with_fit, with_model, write_tones

from streamdeep.config import Strict
from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer import cli
from streamdeep_trainer.augment_recipe import AugmentRecipe
from streamdeep_trainer.comparing import kinds
from streamdeep_trainer.comparing.answers import OWN, Answers, answer_cell, answer_fold
from streamdeep_trainer.comparing.cells import Store, cell_of
from streamdeep_trainer.comparing.choice import Candidate, choose
from streamdeep_trainer.comparing.compare import Plan, compare
from streamdeep_trainer.comparing.cost import macs, n_weights
from streamdeep_trainer.comparing.encoder import EncoderSystem
from streamdeep_trainer.comparing.paired import difference_interval, mcnemar, noise, seed_interval
from streamdeep_trainer.comparing.rows import Row, rows_of
from streamdeep_trainer.comparing.spec import Spec, load_spec
from streamdeep_trainer.comparing.spectra import Spectra
from streamdeep_trainer.comparing.standings import ANY, CHOSEN
from streamdeep_trainer.comparing.system import Cost, Decided, Features
from streamdeep_trainer.config import Recipe, ViewRecipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.embed import embed_clips
from streamdeep_trainer.evaluation.classify import Rows
from streamdeep_trainer.evaluation.judging import Method
from streamdeep_trainer.evaluation.neighbours import Neighbours, neighbours
from streamdeep_trainer.objective_recipe import MaskedObjective
from streamdeep_trainer.progress import track

TOML = """
data = "generated tones"
frontend = { sample_rate_hz = 8000, window_s = 0.04, hop_s = 0.02, bands = 20 }
segment = { length_s = 0.5, hop_s = 0.2 }
model = { name = "tiny", units = [6], decoder_units = [5] }
fit = { epochs = 1, batch_size = 4, validation_fraction = 0.2 }
"""
SPEC = """
seeds = [0, 1]
classifiers = ["linear-svm"]
c_grid = [0.01]
n_folds = 3
[[system]]
recipe = "tiny.toml"
[[system]]
kind = "pooled-logmel"
recipe = "tiny.toml"
"""


def write_spec(folder, text=SPEC):
    (folder / "tiny.toml").write_text(TOML)
    path = folder / "spec.toml"
    path.write_text(text)
    return path


def rows(folder, text):
    path = write_spec(folder, text)
    return rows_of(load_spec(path), path, Spectra(folder, None, folder))


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Twelve clips without folds: three are made. Half of them are noise, so that not all is right."""
    folder = write_tones(tmp_path_factory.mktemp("tones") / "data", n_clips=6)
    random = np.random.default_rng(3)
    for clip in find_clips(folder)[::2]:
        soundfile.write(clip.path, random.uniform(-0.1, 0.1, RATE_HZ // 2), RATE_HZ)
    return folder


@pytest.fixture(scope="module")
def compared(tmp_path_factory, tones):
    folder = tmp_path_factory.mktemp("compared")
    plan = Plan(write_spec(folder), tones, folder / "out")
    return plan, compare(plan)


# --- what is asked for -----------------------------------------------------------------------------------------


def test_every_combination_of_values_is_a_row_under_every_protocol(tmp_path):
    found = rows(
        tmp_path,
        """
        protocols = ["transductive", "inductive"]
        [[system]]
        name = "net"
        recipe = "tiny.toml"
        vary = { "model.readout" = ["final", "pooled"], "model.units" = [[6], [8, 4]], "fit.epochs" = [3] }
        [[system]]
        kind = "pooled-logmel"
        recipe = "tiny.toml"
        protocols = ["inductive"]
        """,
    )
    names = [row.name for row in found if row.protocol == "transductive"]
    assert names == [
        "net, readout final, units 6",
        "net, readout final, units 8x4",
        "net, readout pooled, units 6",
        "net, readout pooled, units 8x4",
    ]
    assert [row.name for row in found if row.protocol == "inductive"] == [*names, "pooled-logmel"]
    assert {row.recipe.fit.epochs for row in found if row.kind == "encoder"} == {3}
    assert found[2].recipe.model.units == (8, 4)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ('{ name = "many" }', '{ name = "low", floor_db = -90.0 }', ["few+many", "few+low"]),
        ('{ name = "x" }', '{ name = "x", floor_db = -90.0 }', ["few/10xx", "few/10xx/-90"]),
    ],
    ids=["by their names", "by all that is in them"],
)
def test_one_recipe_is_compared_with_other_views(tmp_path, first, second, told):
    few = '{ name = "few", bands = 10 }'
    found = rows(
        tmp_path,
        f"""
        [[system]]
        name = "a"
        recipe = "tiny.toml"
        vary = {{ views = [[{few}, {first}], [{few}, {second}]] }}
        """,
    )
    assert [row.name for row in found] == [f"a, views {one}" for one in told]
    for row, other in zip(found, (first, second), strict=True):
        assert f'name = "{list(row.recipe.singles)[1]}"' in other


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[system]]\nkind = "psychic"', "no kind 'psychic'; choose encoder, pooled-logmel"),
        ("[[system]]", "needs a recipe"),
        ('[[system]]\nrecipe = "none.toml"', "no recipe .*none.toml"),
        ('[[system]]\nrecipe = "tiny.toml"\nreadout = 1', r"unknown key 'system.0.readout'$"),
        ('[[system]]\nrecipe = "tiny.toml"\nvary = { "model.readot" = [1] }', "no model.readot"),
        (
            '[[system]]\nrecipe = "tiny.toml"\nvary = { "model.units" = [6] }',
            "units: Input should be",
        ),
        ('[[system]]\nrecipe = "tiny.toml"\nvary = { "fit.seed" = [1] }', "comparison's own keys"),
        ('[[system]]\nkind = "model-file"\nvary = { file = ["a.onnx"] }', "begin with 'options.'"),
        ('[[system]]\nrecipe = "tiny.toml"\nvary = { "fit.epochs" = [] }', "at least 1"),
        ('[[system]]\nrecipe = "tiny.toml"\nvary = { "options.k" = [1] }', "unknown key 'k'"),
        (
            '[[system]]\nrecipe = "tiny.toml"\n[[system]]\nrecipe = "tiny.toml"',
            "two systems are called 'tiny'",
        ),
        ("seeds = [1, 1]\n" + SPEC.replace("seeds = [0, 1]", ""), "seeds names one twice"),
        ('protocols = ["clairvoyant"]\n' + SPEC, "protocols"),
        ('[[system]]\nrecipe = "tiny.toml"\nvary = { "fit.epochs" = [2026-01-01] }', "no values"),
        ("", "nothing to compare"),
        ("[[system", "not valid TOML"),
    ],
)
def test_a_wrong_comparison_is_one_line_before_any_work(tmp_path, text, said):
    with pytest.raises(ConfigurationError, match=said) as caught:
        rows(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert "spec.toml" in str(caught.value)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "trainer" / "recipes").glob("compare-*.toml")), ids=lambda p: p.stem
)
def test_comparisons_in_the_repository_are_good(tmp_path, path):
    assert rows_of(load_spec(path), path, Spectra(tmp_path, None, tmp_path))


# --- test folds choose nothing ---------------------------------------------------------------------------------


def drawn_rows(seed=0, n_clips=40):
    random = np.random.default_rng(seed)
    labels = np.arange(n_clips) % 2
    vectors = random.standard_normal((n_clips, 5)) + 0.7 * labels[:, None]
    return Rows(vectors.astype(np.float32), np.arange(n_clips), labels, np.arange(n_clips) // 10)


@pytest.mark.parametrize("method", [Method(grid=(1e-4, 1e-1)), Method(neighbours, (1.0, 9.0))])
def test_labels_of_held_out_clips_change_neither_answers_nor_settings(method):
    known = drawn_rows()
    held_out = known.folds == 2
    said, setting, inner = answer_fold(known, held_out, method, seed=0)
    other = known.labels.copy()
    other[held_out] = 1 - other[held_out]
    again = answer_fold(replace(known, labels=other), held_out, method, seed=0)
    assert (list(again[0]), *again[1:]) == (list(said), setting, inner)
    other[~held_out] = 1 - other[~held_out]  # whereas those of the training part are all there is
    assert list(answer_fold(replace(known, labels=other), held_out, method, seed=0)[0]) != list(
        said
    )


def candidates(random, n_clips=30, n_folds=3, n_candidates=5):
    return [
        Candidate(
            f"row {number}",
            "linear-svm",
            Answers(
                classes=tuple(map(int, random.integers(0, 2, n_clips))),
                settings=(0.0,) * n_folds,
                inner=tuple(map(float, random.uniform(0.5, 1.0, n_folds))),
            ),
        )
        for number in range(n_candidates)
    ]


def test_the_choice_follows_inner_folds_and_never_outer_answers():
    random = np.random.default_rng(1)
    known, folds = candidates(random), np.repeat([1, 2, 3], 10)
    classes, picks = choose(known, folds, seed=0)
    for column, pick in enumerate(picks):
        best = max(known, key=lambda one: one.answers.inner[column])
        assert (pick.name, pick.fold) == (best.name, column + 1)
        mine = np.array(best.answers.classes)[folds == pick.fold]
        assert np.array_equal(classes[folds == pick.fold], mine)
    assert len({pick.name for pick in picks}) > 1
    shuffled = [
        replace(
            one,
            answers=one.answers.model_copy(
                update={"classes": tuple(map(int, random.permutation(one.answers.classes)))}
            ),
        )
        for one in known
    ]
    assert choose(shuffled, folds, seed=0)[1] == picks


def test_who_has_no_inner_accuracy_is_not_chosen_and_the_first_of_equals_is():
    def one(name, *inner):
        return Candidate(name, "k-nn", Answers(classes=(0, 1), settings=(0.0, 0.0), inner=inner))

    folds = np.array([1, 2])
    known = [one("a", None, None), one("b", 0.5, 0.9), one("c", 0.5, 0.8)]
    assert [pick.name for pick in choose(known, folds, seed=0)[1]] == ["b", "b"]
    assert choose(known[:1], folds, seed=0) is None


# --- who hears what --------------------------------------------------------------------------------------------

CLIPS = tuple(Clip(Path(f"{n}.wav"), f"{n}.wav", "ab"[n % 2], n // 4 + 1) for n in range(12))
FREE = Cost(0, 0.0, None, False)


@dataclass
class Spy:
    """Features that tell the classes apart, and a note of what could be heard."""

    name: str = "spy"
    heard: list = field(default_factory=list)

    def features(self, clips, heard, *, seed, run):
        assert list(run.iterdir()) == []
        self.heard.append(tuple(np.flatnonzero(heard)))
        first = min(clip.label for clip in clips)
        vectors = np.array([[float(clip.label == first)] for clip in clips], dtype=np.float32)
        return Features(tuple(clips), vectors, np.arange(len(clips)), FREE)

    def untrained(self, clips, heard, *, seed, run):
        return None


@dataclass
class Decider:
    """Always right about the training part's classes; a note of what taught."""

    name: str = "decider"
    taught: list = field(default_factory=list)

    def decide(self, clips, training, *, seed, run):
        self.taught.append(tuple(np.flatnonzero(training)))
        names = tuple(sorted({clip.label for clip in clips}, reverse=True))
        right = np.array([[clip.label == name for name in names] for clip in clips], dtype=float)
        right[training] = np.nan
        return Decided(names, right, FREE)


def row_of(system, protocol="transductive", kind="spy"):
    return Row(system.name, kind, protocol, None, {}, True, system)


def test_inductively_the_clips_of_a_fold_are_not_heard_by_what_is_asked_about_them(tmp_path):
    methods = {"linear-svm": Method(grid=(0.1,))}
    every = tuple(range(12))
    for protocol, wanted in {
        "transductive": [every],
        "inductive": [every[4:], every[:4] + every[8:], every[:8]],
    }.items():
        spy = Spy()
        found, _ = answer_cell(row_of(spy, protocol), CLIPS, methods, seed=0, run=tmp_path / "run")
        assert spy.heard == wanted
        assert found.learnt["linear-svm"].classes == found.truths
        assert found.untrained is None


def test_an_encoder_learns_from_nothing_that_it_may_not_hear(tmp_path, tones):
    def features(folder, name):
        recipe = with_fit(with_model(RECIPE, units=(6,), decoder_units=(5,)), epochs=1)
        system = EncoderSystem("tiny", recipe, Spectra(folder, None, tmp_path / name))
        clips = find_clips(folder)
        return clips, system.features(clips, heard, seed=0, run=tmp_path / f"run-{name}")

    heard = np.arange(12) % 3 > 0
    clips, first = features(tones, "first")
    other, random = tmp_path / "other", np.random.default_rng(5)
    for clip, may in zip(clips, heard, strict=True):
        place = other / clip.filename
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(clip.path.read_bytes())
        if not may:
            soundfile.write(place, random.uniform(-0.9, 0.9, RATE_HZ), RATE_HZ)
    _, second = features(other, "second")
    for number, may in enumerate(heard):
        mine = [one.vectors[one.clip_rows == number] for one in (first, second)]
        assert np.array_equal(*mine) == bool(may)
    assert first.cost.streamable
    assert first.cost.parameters > 3 * 6 * (20 + 6)


def test_views_are_judged_as_the_one_file_that_they_are_fused_to(tmp_path, tones):
    """Each with the patches that suit its bands."""
    small = {"frames": 4, "atoms": 8, "components": 4}
    views = [
        {"name": "few", "bands": 10, "dictionaries": [small | {"bands": 5}]},
        {"name": "many", "bands": 20, "dictionaries": [small | {"bands": 10, "band_hop": 10}]},
    ]
    model = {"kind": "dictionary", "name": "tiny", "patches": 300, "scaled": True}
    recipe = Recipe.model_validate(RECIPE.model_dump() | {"model": model, "views": views})
    system = EncoderSystem("tiny", recipe, Spectra(tones, None, tmp_path))
    clips, heard = find_clips(tones), np.ones(12, bool)
    for name, features in (("model", system.features), ("untrained", system.untrained)):
        run = tmp_path / name
        found = features(clips, heard, seed=3, run=run)
        files = [run / view / f"{name}.onnx" for view in ("few", "many")]
        parts = [embed_clips(clips, file).vectors for file in files]
        assert np.array_equal(found.vectors, np.concatenate(parts, axis=1))
        assert found.vectors.shape[1] == 2 * (2 * 8) * 4
        assert found.cost.streamable


def test_a_system_that_decides_itself_is_taught_by_training_folds_once_each(tmp_path):
    decider = Decider()
    found, _ = answer_cell(row_of(decider), CLIPS, {}, seed=0, run=tmp_path / "run")
    assert found.learnt[OWN].classes == found.truths
    assert found.learnt[OWN].inner == (1.0, 1.0, 1.0)
    assert len(decider.taught) == len(set(decider.taught)) == 6  # three folds, three pairs of them
    assert sorted(map(len, decider.taught)) == [4, 4, 4, 8, 8, 8]


def test_a_system_that_loses_a_clip_or_gives_no_numbers_fails(tmp_path):
    class Careless(Spy):
        def features(self, clips, heard, *, seed, run):
            return super().features(clips[1:], heard[1:], seed=seed, run=run)

    methods = {"linear-svm": Method(grid=(0.1,))}
    with pytest.raises(SourceError, match=r"could not use 0\.wav"):
        answer_cell(row_of(Careless()), CLIPS, methods, seed=0, run=tmp_path / "run")


# --- is it chance ----------------------------------------------------------------------------------------------


def test_mcnemar_counts_the_clips_on_which_two_differ():
    first = np.array([True] * 9 + [False] + [True] * 90)
    second = np.array([False] * 9 + [True] + [True] * 90)
    # of ten coins one or none shows heads, or tails: 2 (1 + 10) / 2^10
    assert mcnemar(first, second) == mcnemar(second, first) == pytest.approx(22 / 1024)
    assert mcnemar(first, first) == 1.0
    assert mcnemar(np.ones(5, bool), np.zeros(5, bool)) == pytest.approx(2 / 32)


def test_seeds_do_not_count_as_more_clips():
    random = np.random.default_rng(0)
    first, second = random.random((2, 1, 400)) < np.array([0.9, 0.8])[:, None, None]
    alone = difference_interval(first, second)
    assert difference_interval(np.repeat(first, 3, 0), np.repeat(second, 3, 0)) == pytest.approx(
        alone
    )
    assert alone[0] < (first.mean() - second.mean()) < alone[1]


def test_the_paired_interval_is_that_of_the_binomial_where_one_is_never_worse():
    first, second = np.ones((1, 400), bool), np.arange(400)[None] >= 40
    low, high = difference_interval(first, second)
    ends = binom(400, 0.1).interval(0.95)  # of a count; drawn 10,000 times it may be off by one
    assert (400 * low, 400 * high) == pytest.approx(ends, abs=1.0)


def test_intervals_over_seeds_are_students():
    low, high = seed_interval((1.0, 2.0, 3.0))
    assert ((low + high) / 2, (high - low) / 2) == pytest.approx((2.0, 4.302653 / np.sqrt(3)))
    assert seed_interval((0.8,)) is None
    assert noise(0.87, 400) == pytest.approx(0.033, abs=5e-4)
    assert 0.004 < noise(1.0, 400) < 0.006


# --- what it costs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("readout", "per_segment"), [("pooled", 0), ("final", 21 * 16)])
def test_products_are_counted_as_they_are_computed(readout, per_segment):
    import onnx

    model, content = tiny_model(readout), tiny_content(readout)
    layers = 3 * 12 * (20 + 12) + 3 * 9 * (12 + 9)
    for n_frames in (1, 7):
        for emitted in (0, 1):
            inputs = {
                "frames": np.zeros((1, n_frames, 20), np.float32),
                "state": model.fresh_state(1),
                "emit": np.zeros(emitted, np.int64),
            }
            assert macs(content, inputs) == n_frames * layers + emitted * per_segment
    assert n_weights(onnx.ModelProto.FromString(content).graph) > layers


# --- cells -----------------------------------------------------------------------------------------------------


def kept(folder):
    return {
        path.name: path.read_bytes()
        for path in (folder / "cells").iterdir()
        if "cost" not in path.name
    }


def figures(folder):
    told = json.loads((folder / "compare.json").read_text())
    for one in told["standings"]:
        if one["cost"]:
            one["cost"]["step_us"] = None  # measured, so never twice the same
    return told


def test_a_comparison_leaves_a_table_figures_and_pictures(compared):
    plan, outcome = compared
    names = [(one.name, one.classifier) for one in outcome.standings]
    assert names == [(name, "linear-svm") for name in ("tiny", "pooled-logmel", CHOSEN)]
    net, frames, chosen = outcome.standings
    assert net.seeds == (0, 1)
    assert net.scores.accuracy == pytest.approx(np.mean(net.seed_accuracies))
    assert net.lead.difference == pytest.approx(net.scores.accuracy - net.lead.untrained.accuracy)
    assert (frames.lead, frames.cost.parameters, frames.cost.streamable) == (None, 0, False)
    assert net.cost.streamable
    assert net.cost.step_us > 0.0
    assert len(chosen.picks) == 6
    report = (plan.out / "compare.md").read_text()
    assert "| *chosen by inner folds* | linear-svm |" in report
    for name in ("accuracy.svg", "cost.svg"):
        assert f"({name})" in report
        assert "<svg" in (plan.out / name).read_text()
    assert not (plan.out / "running").exists()


def test_a_comparison_that_was_interrupted_comes_to_the_same_bytes(tmp_path, compared):
    plan, _ = compared
    again = replace(plan, out=tmp_path / "out")

    def interrupt(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(again, tell=interrupt)
    first = kept(again.out)
    assert len(first) == 1
    told = []
    compare(again, tell=told.append)
    assert len(told) == 3
    assert told[0].startswith("2 of 4: ")
    assert kept(again.out) == kept(plan.out)
    assert first.items() <= kept(plan.out).items()
    assert figures(again.out) == figures(plan.out)
    before = (again.out / "compare.md").read_bytes()
    compare(again, tell=told.append)
    assert len(told) == 3  # all is there
    assert (again.out / "compare.md").read_bytes() == before


TWO_VIEWS = (ViewRecipe(name="few", bands=10), ViewRecipe(name="many"))


def test_a_cell_is_never_taken_for_another(tmp_path):
    paths = [tmp_path / f"{n}.wav" for n in range(12)]
    for path in paths:
        path.write_bytes(b"sound")
    clips = tuple(replace(clip, path=path) for clip, path in zip(CLIPS, paths, strict=True))
    spec = Spec.model_validate({"system": [{}]})
    row = replace(row_of(Spy()), recipe=RECIPE)

    def digest(row=row, seed=0, clips=clips, spec=spec):
        return cell_of(row, seed, clips, spec).digest

    def relabelled(**changes):
        return (replace(clips[0], **changes), *clips[1:])

    def changed(**tables):
        return Recipe.model_validate(RECIPE.model_dump() | tables)

    known = [
        digest(),
        digest(seed=1),
        digest(replace(row, kind="other")),
        digest(replace(row, protocol="inductive")),
        digest(replace(row, options={"k": 1})),
        digest(replace(row, recipe=with_fit(epochs=3))),
        digest(replace(row, recipe=with_model(readout="final"))),
        digest(
            replace(
                row, recipe=RECIPE.model_copy(update={"objective": MaskedObjective(kind="masked")})
            )
        ),
        digest(replace(row, recipe=RECIPE.model_copy(update={"augment": AugmentRecipe(crop=0.5)}))),
        digest(replace(row, recipe=RECIPE.model_copy(update={"views": TWO_VIEWS}))),
        digest(replace(row, recipe=RECIPE.model_copy(update={"views": TWO_VIEWS[::-1]}))),
        digest(clips=clips[1:]),
        digest(clips=relabelled(label="b")),
        digest(clips=relabelled(fold=3)),
        digest(spec=spec.model_copy(update={"classifiers": ("k-nn",)})),
        digest(spec=spec.model_copy(update={"c_grid": (1.0,)})),
    ]
    paths[0].write_bytes(b"sound and more")
    known.append(digest())
    assert len(set(known)) == len(known)
    paths[0].write_bytes(b"other")  # what a cell is called, and how it is worked on, is no matter
    assert digest(replace(row, name="renamed")) == known[0]
    assert digest(replace(row, recipe=with_fit(threads=2, seed=9))) == known[0]
    told = {"description": "x", "head": RECIPE.head.model_copy(update={"name": "y"})}
    assert digest(replace(row, recipe=RECIPE.model_copy(update=told))) == known[0]


def test_a_damaged_cell_is_told_and_not_taken(tmp_path):
    cell = cell_of(row_of(Spy()), 0, (), Spec.model_validate({"system": [{}]}))
    store = Store(tmp_path)
    store.answers_path(cell).parent.mkdir()
    store.answers_path(cell).write_text('{"format": 1, "na')
    with pytest.raises(ConfigurationError, match="damaged; remove it"):
        store.read(cell)


# --- the program -----------------------------------------------------------------------------------------------


class Depth(Strict):
    """Options of a kind that tests bring along."""

    fails: bool = False


@pytest.fixture
def more_kinds(monkeypatch):
    @dataclass
    class Broken(Spy):
        def features(self, clips, heard, *, seed, run):
            raise ZeroDivisionError("no luck\nat all")

    def make(request):
        return replace(Broken() if request.options.fails else Spy(), name=request.name)

    monkeypatch.setitem(kinds.KINDS, "spy", kinds.Kind(make, Depth))
    monkeypatch.setitem(
        kinds.KINDS, "decider", kinds.Kind(lambda request: Decider(request.name), Depth)
    )


@pytest.fixture
def tell(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["streamdeep-train", "compare", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_a_system_that_fails_is_named_and_the_others_go_on(tmp_path, tones, tell, more_kinds):
    spec = write_spec(
        tmp_path,
        """
        seeds = [0]
        classifiers = ["linear-svm", "k-nn"]
        c_grid = [0.1]
        n_folds = 3
        [[system]]
        kind = "spy"
        vary = { "options.fails" = [false, true] }
        [[system]]
        kind = "decider"
        """,
    )
    code, out, err = tell(spec, "--data", tones, "--out", tmp_path / "out", "--json")
    assert code == 1
    told = json.loads(out)
    assert list(told["failed"]) == ["spy, fails yes, transductive, seed 0"]
    [reason] = told["failed"].values()
    assert reason.startswith("ZeroDivisionError: no luck (see ")
    assert err.count("\n") == 1
    assert "ZeroDivisionError" in err
    assert "Traceback" in Path(reason.partition("(see ")[2].rstrip(")")).read_text()
    standings = {(one["name"], one["classifier"]): one for one in told["standings"]}
    assert standings["spy, fails no", "k-nn"]["scores"]["accuracy"] == 1.0
    assert standings["decider", OWN]["protocol"] == "inductive"
    choices = [one for one in told["standings"] if one["picks"]]
    assert [(one["protocol"], one["classifier"]) for one in choices] == [("transductive", ANY)]
    code, out, err = tell(spec, "--data", tones, "--out", tmp_path / "out")
    assert code == 1  # tried again, and told again
    assert "3 of 3: spy, fails yes" in err
    assert "decider" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["none.toml", "--data", "DATA"], 78, "cannot read none.toml"),
        (["SPEC", "--data", "nowhere"], 66, "no folder nowhere"),
        (["SPEC", "--data", "FEW"], 78, "has 1 clips that can be used; 3 folds need at least 3"),
        (["SPEC", "--data", "LOOSE"], 78, "needs labels"),
    ],
)
def test_mistakes_are_one_line_and_an_exit_code(tmp_path, tones, tell, arguments, code, said):
    few = write_tones(tmp_path / "few", n_clips=1)
    loose = tmp_path / "loose"
    loose.mkdir()
    (loose / "a.wav").write_bytes(next(few.rglob("*.wav")).read_bytes())
    places = {"SPEC": write_spec(tmp_path), "DATA": tones, "FEW": few, "LOOSE": loose}
    arguments = [places.get(word, word) for word in arguments]
    found, out, err = tell(*arguments, "--out", tmp_path / "out")
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert said in err


def test_a_clip_that_cannot_be_read_is_left_out_of_every_cell(tmp_path, tones, tell):
    data = tmp_path / "data"
    for clip in find_clips(tones):
        place = data / clip.filename
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(clip.path.read_bytes())
    (data / "low" / "broken.wav").write_bytes(b"RIFF")
    spec = write_spec(
        tmp_path,
        'seeds = [0]\nc_grid = [0.1]\nn_folds = 3\n[[system]]\nkind = "pooled-logmel"\nrecipe = "tiny.toml"',
    )
    code, out, err = tell(spec, "--data", data, "--out", tmp_path / "out", "--json")
    told = json.loads(out)
    assert (code, told["n_clips"]) == (66, 12)
    assert [name for name, _ in told["skipped"]] == ["low/broken.wav"]
    assert "skipped low/broken.wav" in err


# --- parts that others use too ---------------------------------------------------------------------------------


def test_the_nearest_rows_vote_and_of_fewer_than_k_all_do():
    known = drawn_rows()
    alone = Neighbours(1).fit(known.vectors, known.labels)
    assert np.array_equal(alone.decision_function(known.vectors) > 0.0, known.labels == 1)
    three = Neighbours(50).fit(known.vectors[:3], np.array([4, 7, 9]))
    assert three.decision_function(known.vectors).shape == (40, 3)
    assert list(three.classes_) == [4, 7, 9]


def test_a_bar_within_a_bar_is_no_error(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    found = [
        (outer, inner) for outer in track("ab", 2, "outer") for inner in track("cd", 2, "inner")
    ]
    assert len(found) == 4
    shown = capsys.readouterr().err
    assert "outer" in shown
    assert "inner" not in shown


@pytest.mark.system
def test_the_quick_comparison_of_the_docs_runs_as_it_stands(tmp_path, tones, tell):
    path = ROOT / "trainer" / "recipes" / "compare-quick.toml"
    code, out, _ = tell(path, "--data", tones, "--out", tmp_path / "out", "--json")
    assert code == 0
    told = json.loads(out)["standings"]
    names = ["esc10-quick, readout final", "esc10-quick, readout pooled", "pooled-logmel", CHOSEN]
    assert [one["name"] for one in told] == names
    assert told[0]["cost"]["macs_per_s"] == pytest.approx(
        3 * 64 * (128 + 64) * 25 + 64 * 512 * 25 / 124
    )


@pytest.mark.system
def test_several_processes_find_what_one_does(tmp_path, compared):
    plan, _ = compared
    again = replace(plan, out=tmp_path / "out", jobs=2)
    compare(again)
    assert kept(again.out) == kept(plan.out)
    assert figures(again.out) == figures(plan.out)


def test_costs_travel_as_they_are(tmp_path):
    cost = Cost(7, 1.5e6, None, True)
    assert Cost(**json.loads(json.dumps(asdict(cost)))) == cost
