"""Fewer features before the linear machine: learnt inside the folds, as many as inner folds choose."""

import copy
import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.comparing.answers import answer_fold
from streamdeep_trainer.config import EvaluateRecipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.evaluation.classify import Rows, answer_split, fit_quietly
from streamdeep_trainer.evaluation.evaluate import evaluate
from streamdeep_trainer.evaluation.methods import Choice
from streamdeep_trainer.evaluation.reduction import N_FEATURES, ReducedSvm, Setting, grid_of
from streamdeep_trainer.evaluation.report import as_json

BOTH = pytest.mark.parametrize("name", ["linear-svm-pca", "linear-svm-anova"])


def rows(n_clips=60, n_noise=300, seed=0, told=1.5):
    """Two classes that 4 of many features tell apart; two rows per clip, five folds."""
    random = np.random.default_rng(seed)
    labels = np.arange(n_clips) % 2
    clips = np.arange(n_clips).repeat(2)
    vectors = random.standard_normal((2 * n_clips, 4 + n_noise))
    vectors[:, :4] += told * labels[clips][:, None]
    return Rows(vectors.astype(np.float32), clips, labels, np.arange(n_clips) // 2 % 5 + 1)


def test_selection_finds_the_features_that_tell_classes_apart():
    known = rows()
    machine = ReducedSvm("anova", 0.01, 4, 0)
    fit_quietly(machine, known.vectors, known.labels[known.clips])
    assert machine.chosen().tolist() == [0, 1, 2, 3]
    assert machine.decision_function(known.vectors).shape == (120,)


def test_selected_features_alone_decide():
    known = rows()
    machine = ReducedSvm("anova", 0.01, 4, 0)
    fit_quietly(machine, known.vectors, known.labels[known.clips])
    other = known.vectors.copy()
    other[:, 4:] = 9.0
    np.testing.assert_allclose(
        machine.decision_function(other), machine.decision_function(known.vectors), atol=1e-9
    )


def test_principal_components_see_no_label():
    """Directions are the same whatever the labels are; so the machine with a label for each row is not."""
    known = rows()
    labels = known.labels[known.clips]
    machines = [ReducedSvm("pca", 0.01, 3, 0) for _ in range(2)]
    for machine, given in zip(machines, (labels, labels[::-1]), strict=True):
        fit_quietly(machine, known.vectors, given)
        assert machine.chosen().size == 0
    shown = [machine._steps[:-1].transform(known.vectors) for machine in machines]
    assert shown[0].shape == (120, 3)
    assert np.array_equal(*shown)


@BOTH
def test_inner_folds_choose_how_many_features_there_are(name):
    method = Choice(name).method((1e-2,))
    assert [setting.n_features for setting in method.grid] == list(N_FEATURES)
    known = rows()
    held_out = known.folds == 1
    clips, classes, c = answer_split(
        known, ~held_out, held_out, grid=method.grid, make=method.make, seed=0
    )
    assert clips.tolist() == np.flatnonzero(held_out).tolist()
    assert isinstance(c, Setting)
    assert c == 1e-2
    assert c.n_features in N_FEATURES
    assert (classes == known.labels[clips]).mean() > 0.7


@BOTH
def test_held_out_labels_choose_no_feature(name):
    """Labels that are noise: a selection that had seen the held-out ones would tell them better than chance."""
    method = Choice(name).method((1e-2,))
    known = rows(told=0.0)
    held_out = known.folds == 2
    said, setting, inner = answer_fold(known, held_out, method, seed=0)
    other = known.labels.copy()
    other[held_out] = 1 - other[held_out]
    again = answer_fold(replace(known, labels=other), held_out, method, seed=0)
    assert np.array_equal(said, again[0])
    assert (setting, setting.n_features, inner) == (again[1], again[1].n_features, again[2])


def test_selection_over_noise_is_no_better_than_chance():
    method = Choice("linear-svm-anova").method((1e-2,))
    shares = []
    for seed in range(4):
        known = rows(told=0.0, seed=seed)
        for fold in (1, 2, 3, 4, 5):
            held_out = known.folds == fold
            machine = method.make(Setting(1e-2, 32), 0)
            training = ~held_out[known.clips]
            fit_quietly(machine, known.vectors[training], known.labels[known.clips[training]])
            said = machine.decision_function(known.vectors[~training]) > 0
            shares.append((said == known.labels[known.clips[~training]]).mean())
    assert 0.38 < np.mean(shares) < 0.62  # with all labels seen it would be about 0.9


@BOTH
def test_fewer_features_or_rows_than_asked_for_are_all_taken(name):
    known = rows(n_clips=4, n_noise=2)
    constant = known.vectors.copy()
    constant[:, 5] = 3.0  # has no variance
    machine = Choice(name).method((1e-2,)).make(Setting(1.0, 512), 0)
    fit_quietly(machine, constant, known.labels[known.clips])
    assert np.isfinite(machine.decision_function(constant)).all()
    silent = np.zeros_like(constant)
    fit_quietly(machine, silent, known.labels[known.clips])
    assert np.isfinite(machine.decision_function(silent)).all()


def test_settings_are_told_and_travel():
    setting = pickle.loads(pickle.dumps(copy.deepcopy(Setting(0.1, 32))))
    assert (setting, setting.n_features) == (0.1, 32)
    known = rows()
    clips = [
        Clip(Path(f"{row}"), f"{row}", "ab"[label], int(fold))
        for row, (label, fold) in enumerate(zip(known.labels, known.folds, strict=True))
    ]
    method = Choice("linear-svm-anova").method((1e-2,))
    scores = evaluate("s", clips, known.vectors, known.clips, EvaluateRecipe(), method=method)
    told = json.loads(json.dumps(as_json([scores], [])))
    assert told["scores"][0]["chosen_c"] == [0.01] * 5
    assert scores.accuracy > 0.7


def test_a_grid_has_every_number_of_features_with_every_c():
    grid = grid_of((0.1, 0.01))
    assert [float(one) for one in grid[:2]] == [0.01, 0.1]
    assert len(grid) == 2 * len(N_FEATURES)
    assert Choice("linear-svm-pca", complexity=0.5).method((0.1,)).grid[0] == 0.5
    with pytest.raises(ConfigurationError, match="linear-svm-anova"):
        Choice("k-nn", complexity=0.5).method((0.1,))
