"""Evaluation: whole files, and test folds that choose nothing."""

import json

import numpy as np
import pytest

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.baselines.pooled_logmel import pool, pooled_logmel
from streamdeep_trainer.baselines.quoted import ESC10
from streamdeep_trainer.config import EvaluateRecipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.evaluation import classify
from streamdeep_trainer.evaluation.classify import (
    Rows,
    answer_fold,
    decide,
    fit_quietly,
    inner_accuracies,
    linear_svm,
    logistic,
    ridge,
)
from streamdeep_trainer.evaluation.evaluate import evaluate, labelled_rows
from streamdeep_trainer.evaluation.report import as_json, as_table

RECIPE = EvaluateRecipe(c_grid=(0.01, 0.1, 1.0), n_folds=3)


def data(n_clips=24, n_classes=3, distance=3.0, folds=True):
    random = np.random.default_rng(0)
    labels = np.arange(n_clips) % n_classes
    clips = [
        Clip(f"{row}", f"{row}", "abcdef"[label], row // n_classes % 3 + 1 if folds else None)
        for row, label in enumerate(labels)
    ]
    rows = np.repeat(np.arange(n_clips), 1 + np.arange(n_clips) % 4)
    centres = distance * random.standard_normal((n_classes, 8))
    vectors = centres[labels[rows]] + random.standard_normal((len(rows), 8))
    return clips, vectors.astype(np.float32), rows


class Whole:
    """A classifier whose steps cannot be told apart."""

    def __init__(self, inside):
        self.inside = inside

    @classmethod
    def of(cls, make):
        return lambda c, seed: cls(make(c, seed))

    @property
    def classes_(self):
        return self.inside.classes_

    def fit(self, vectors, labels):
        self.inside.fit(vectors, labels)

    def decision_function(self, vectors):
        return self.inside.decision_function(vectors)


def test_separable_classes_are_told_apart_and_noise_is_not():
    assert evaluate("far", *data(), RECIPE).accuracy > 0.9
    assert evaluate("noise", *data(distance=0.0), RECIPE).accuracy < 0.7


@pytest.mark.parametrize("official", [True, False])
def test_no_file_is_on_both_sides_of_a_fold(monkeypatch, official):
    clips, vectors, clip_rows = data(folds=official)
    vectors[:, 0] = clip_rows  # so that a fit tells which clips it was given
    rows, _ = labelled_rows(clips, vectors, clip_rows, n_folds=3, seed=0)
    given, judged = [], []

    def fit(classifier, some, labels):
        given.append(set(some[:, 0].astype(int)))
        return fit_quietly(classifier, some, labels)

    def ask(classifier, some, of):
        judged.append(set(some[:, 0].astype(int)))
        return decide(classifier, some, of)

    monkeypatch.setattr(classify, "fit_quietly", fit)
    monkeypatch.setattr(classify, "decide", ask)
    for fold in (1, 2, 3):
        given.clear()
        judged.clear()
        answer_fold(rows, fold, grid=RECIPE.c_grid, make=Whole.of(linear_svm), seed=0)
        tested = set(np.flatnonzero(rows.folds == fold))
        assert judged[-1] == tested
        assert not any(tested & some for some in given)  # chose nothing, taught nothing
        assert not any(tested & some for some in judged[:-1])
        assert all(not (taught & asked) for taught, asked in zip(given, judged, strict=True))


def test_a_file_is_decided_by_the_mean_over_its_segments():
    class Fixed:
        classes_ = np.array([4, 7, 9])

        def decision_function(self, vectors):
            return vectors

    votes = np.array([[1.0, 0.9, 0], [1.0, 0.9, 0], [0, 5.0, 0], [0, 0, 1.0]])
    clips, classes = decide(Fixed(), votes, np.array([3, 3, 3, 8]))
    assert clips.tolist() == [3, 8]
    assert classes.tolist() == [7, 9]


def test_two_classes_work_with_all_linear_classifiers():
    clips, vectors, clip_rows = data(n_classes=2)
    for make in (linear_svm, logistic, ridge):
        assert evaluate("two", clips, vectors, clip_rows, RECIPE, make=make).accuracy > 0.9


@pytest.mark.parametrize("make", [linear_svm, logistic, ridge])
def test_preparing_once_for_all_regularisations_changes_no_decision(make):
    clips, vectors, clip_rows = data(n_clips=90, distance=0.6)
    rows, _ = labelled_rows(clips, vectors, clip_rows, n_folds=2, seed=0)
    training, grid = rows.folds[rows.clips] != 1, (1e-5, 1e-2, 10.0)
    together = inner_accuracies(rows, training, grid=grid, make=make, seed=0)
    alone = inner_accuracies(rows, training, grid=grid, make=Whole.of(make), seed=0)
    assert together.tolist() == alone.tolist()
    assert len(set(alone)) > 1


def test_one_regularisation_needs_no_choice():
    rows = Rows(np.zeros((2, 1), np.float32), np.arange(2), np.arange(2), np.array([1, 2]))
    training = np.array([True, False])
    assert classify.choose_c(rows, training, grid=(0.5,), make=linear_svm, seed=0) == 0.5


def test_two_folds_are_enough_to_choose_within_one():
    clips, vectors, clip_rows = data()
    halves = [Clip(clip.path, clip.filename, clip.label, clip.fold % 2 + 1) for clip in clips]
    assert evaluate("halves", halves, vectors, clip_rows, RECIPE).accuracy > 0.9


@pytest.mark.parametrize(
    ("clips", "says"),
    [
        ([Clip("x", "x.wav", None)], "1 of 1 clips have none, the first x.wav"),
        ([Clip("x", "x.wav", "a", 1)], "two classes are needed"),
        ([Clip("x", "x.wav", "a", 1), Clip("y", "y.wav", "b", 1)], "two are needed"),
    ],
)
def test_data_that_cannot_be_judged_is_refused(clips, says):
    with pytest.raises(ConfigurationError, match=says):
        labelled_rows(clips, np.zeros((1, 1), np.float32), np.zeros(1, np.int64), n_folds=2, seed=0)


def test_scores_say_how_sure_they_are():
    scores = evaluate("some", *data(distance=0.7), RECIPE)
    assert scores.interval[0] < scores.accuracy < scores.interval[1]
    assert scores.n_files == 24
    assert len(scores.fold_accuracies) == len(scores.chosen_c) == 3
    assert set(scores.chosen_c) <= set(RECIPE.c_grid)


def test_reports_carry_every_row_and_mark_what_is_quoted():
    scores = [evaluate("mine", *data(), RECIPE)]
    assert as_table(scores, ESC10).row_count == 1 + len(ESC10)
    told = json.loads(json.dumps(as_json(scores, ESC10)))
    assert told["scores"][0]["name"] == "mine"
    assert [row["accuracy"] for row in told["quoted"]] == [one.accuracy for one in ESC10]


def test_pooled_frames_are_mean_deviation_and_maximum():
    frames = np.random.default_rng(0).uniform(-1, 1, (30, 4))
    found = pool(frames).reshape(3, 4)
    np.testing.assert_allclose(found[0], frames.mean(0), atol=1e-6)
    np.testing.assert_allclose(found[1], frames.std(0), atol=1e-3)
    np.testing.assert_allclose(found[2], frames.max(0), atol=1e-6)


def test_the_baseline_has_the_rows_that_the_engine_gives(tmp_path):
    from tiny import FRONTEND, SEGMENT, tiny_model
    from trainer_data import write_tones

    from streamdeep_trainer.datasets.layouts import find_clips
    from streamdeep_trainer.embed import embed_clip

    clips = find_clips(write_tones(tmp_path))
    kept, vectors, rows = pooled_logmel(clips, FRONTEND, SEGMENT)
    assert len(kept) == len(clips)
    assert vectors.shape[1] == 3 * FRONTEND.n_features
    wanted = [len(embed_clip(clip.path, tiny_model())) for clip in clips]
    assert np.bincount(rows).tolist() == wanted
