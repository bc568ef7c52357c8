"""Protocols: who teaches, who is asked, how a file is decided, and what the numbers mean."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import classification_report, confusion_matrix, f1_score, recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.config import EvaluateRecipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.evaluation.balance import balanced_rows
from streamdeep_trainer.evaluation.classify import (
    Rows,
    answer_split,
    decide,
    fit_quietly,
    linear_svm,
    vote,
)
from streamdeep_trainer.evaluation.decisions import vote_shares
from streamdeep_trainer.evaluation.evaluate import evaluate
from streamdeep_trainer.evaluation.examples import clips_of_table, refuse_copies_without_folds
from streamdeep_trainer.evaluation.judging import Answer, Method, Partitions, rows_of, splits_of
from streamdeep_trainer.evaluation.methods import Choice
from streamdeep_trainer.evaluation.scoring import (
    confusion,
    interval,
    macro_f1,
    summarise,
    unweighted_recall,
)
from streamdeep_trainer.tables.table import make_table

RECIPE = EvaluateRecipe(c_grid=(0.1,), n_folds=3)


def data(n_clips=30, n_classes=3, distance=3.0, seed=0, **known):
    """Clips with 1 to 3 rows each; ``known`` gives a function of the clip's number per attribute."""
    random = np.random.default_rng(seed)
    labels = np.arange(n_clips) % n_classes
    clips = [
        Clip(
            Path(f"{row}"),
            f"{row:02d}.wav",
            "abcdef"[label],
            **{k: f(row) for k, f in known.items()},
        )
        for row, label in enumerate(labels)
    ]
    rows = np.repeat(np.arange(n_clips), 1 + np.arange(n_clips) % 3)
    centres = distance * np.random.default_rng(5).standard_normal((n_classes, 8))
    vectors = centres[labels[rows]] + random.standard_normal((len(rows), 8))
    return clips, vectors.astype(np.float32), rows


class Memory:
    """Remembers what it was given; votes by the first feature, 0 or 1."""

    taught = []  # noqa: RUF012
    asked = []  # noqa: RUF012

    def __init__(self, c, seed):
        self.c, self.seed = c, seed

    def fit(self, vectors, labels):
        self.classes_ = np.unique(labels)
        Memory.taught.append((vectors.copy(), labels.copy()))

    def decision_function(self, vectors):
        Memory.asked.append(vectors.copy())
        return np.eye(len(self.classes_))[np.zeros(len(vectors), int)]


@pytest.fixture(autouse=True)
def _forget():
    Memory.taught, Memory.asked = [], []


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"fold": lambda row: row // 3 % 4 + 1},
        {"held_out": lambda row: ((1, 2), (2,), (), (1, 3))[row // 3 % 4]},
    ],
    ids=["made", "official", "overlapping"],
)
def test_splits_never_share_a_file(known):
    clips, vectors, clip_rows = data(**known)
    vectors[:, 0] = clip_rows
    rows, _ = rows_of(clips, vectors, clip_rows)
    splits = splits_of(clips, n_folds=3, seed=0)
    for split in splits:
        assert not (split.training & split.tested).any()
        assert (split.training | split.tested).all()
        answer_split(
            rows, split.training, split.tested, grid=(), make=Memory, seed=0, upsample=True
        )
        assert set(Memory.taught[-1][0][:, 0]) == set(np.flatnonzero(split.training))
        assert set(Memory.asked[-1][:, 0]) == set(np.flatnonzero(split.tested))
    times = np.sum([split.tested for split in splits], axis=0)
    wanted = [len(c.held_out) if c.held_out is not None else 1 for c in clips]
    assert times.tolist() == wanted


def test_overlapping_folds_count_files_once_and_answers_as_often_as_asked():
    clips, vectors, clip_rows = data(held_out=lambda row: ((1, 2), (2,), (), (1, 3))[row // 3 % 4])
    scores = evaluate("overlap", clips, vectors, clip_rows, RECIPE)
    assert scores.accuracy > 0.9
    assert len(scores.fold_accuracies) == 3
    assert scores.n_files == sum(bool(clip.held_out) for clip in clips)
    assert np.sum(scores.confusion) == sum(len(clip.held_out) for clip in clips)


def test_partitions_teach_and_are_asked_and_others_are_left_alone():
    clips, vectors, clip_rows = data(
        partition=lambda row: ("train", "train", "devel", "test")[row % 4]
    )
    clips = [
        Clip(c.path, c.filename, None, None, "test") if c.partition == "test" else c for c in clips
    ]
    vectors[:, 0] = clip_rows
    for training, tested in ((("train",), ("devel",)), (("devel",), ("train",))):
        [split] = splits_of(clips, n_folds=9, seed=0, partitions=Partitions(training, tested))
        rows, _ = rows_of(clips, vectors, clip_rows)
        answer_split(rows, split.training, split.tested, grid=(), make=Memory, seed=0)
        for of, names in ((Memory.taught[-1][0], training), (Memory.asked[-1], tested)):
            assert {clips[int(row)].partition for row in of[:, 0]} == set(names)
    scores = evaluate("p", *data(partition=lambda row: ("train", "devel", "test")[row // 3 % 3]),
                      RECIPE, partitions=Partitions(("train", "devel"), ("test",)))  # fmt: skip
    assert scores.accuracy > 0.9
    assert scores.two_fold_deviations is None
    assert len(scores.fold_accuracies) == 1


@pytest.mark.parametrize(
    ("training", "tested", "says"),
    [
        (("train",), ("dev",), "'dev' is no partition"),
        (("train", "test"), ("test",), "cannot both teach"),
        (("train",), (), "are both needed"),
        (("train",), ("devel",), "no clips in the partition 'devel'"),
        (("test",), ("train",), "has no label"),
    ],
)
def test_partitions_that_cannot_be_used_are_refused(training, tested, says):
    clips = [Clip(Path("x"), f"{n}", "ab"[n % 2], None, "train") for n in range(4)]
    clips.append(Clip(Path("y"), "y", None, None, "test"))
    with pytest.raises(ConfigurationError, match=says):
        splits_of(clips, n_folds=2, seed=0, partitions=Partitions(training, tested))


@pytest.mark.parametrize(
    ("held_out", "says"),
    [
        (((1,), (1,), (1,), (1,)), "all clips are in one fold"),
        (((), (), (), ()), "no fold holds anything out"),
        (((1,), (), (1,), ()), "training part of fold-1 has 1 classes"),
    ],
)
def test_folds_that_cannot_be_used_are_refused(held_out, says):
    clips = [Clip(Path("x"), f"{n}", "ab"[n % 2], held_out=held_out[n]) for n in range(4)]
    with pytest.raises(ConfigurationError, match=says):
        splits_of(clips, n_folds=2, seed=0)


def test_upsampling_repeats_training_files_alone_until_classes_are_equal():
    labels = np.array([0, 0, 0, 0, 0, 1, 1, 2, 0, 1])
    clip_rows = np.repeat(np.arange(10), [1, 2, 1, 2, 1, 3, 1, 2, 1, 1])
    training = np.arange(10) < 8
    vectors = np.stack((clip_rows, np.arange(len(clip_rows))), axis=1).astype(np.float32)
    rows = Rows(vectors, clip_rows, labels, np.zeros(10, np.int64))
    answer_split(rows, training, ~training, grid=(), make=Memory, seed=0, upsample=True)
    taught, taught_labels = Memory.taught[0]
    files = {}
    for file, row in taught.astype(int):
        files.setdefault(file, []).append(row)
    times = {file: len(found) / len(set(found)) for file, found in files.items()}
    per_class = [sum(times[f] for f in times if labels[f] == label) for label in range(3)]
    assert per_class == [5, 5, 5]
    assert all(times[f] == 1 for f in range(5))
    assert times[7] == 5
    assert all(
        sorted(set(found)) == np.flatnonzero(clip_rows == f).tolist() for f, found in files.items()
    )
    assert np.array_equal(labels[taught[:, 0].astype(int)], taught_labels)
    assert np.array_equal(Memory.asked[0], vectors[~training[clip_rows]])  # once, in their order
    same = balanced_rows(clip_rows, labels, seed=1)
    assert np.array_equal(same, balanced_rows(clip_rows, labels, seed=1))


class Fixed:
    classes_ = np.array([4, 7, 9])

    def decision_function(self, vectors):
        return vectors


def test_a_vote_counts_rows_and_ties_go_to_the_lowest_label():
    one = [1.0, 0.9, 0.0], [1.0, 0.9, 0.0], [0.0, 9.0, 0.0]
    tie = [0.0, 0.0, 5.0], [0.0, 0.1, 0.0]
    all_equal = [[0.0, 0.0, 0.0]]
    vectors = np.array([*one, *tie, *all_equal])
    clips = np.array([3, 3, 3, 8, 8, 9])
    assert vote(Fixed(), vectors, clips)[1].tolist() == [4, 7, 4]
    assert decide(Fixed(), vectors, clips)[1].tolist() == [7, 9, 4]
    order = np.array([2, 0, 4, 5, 1, 3])  # the last chunk decides nothing
    assert vote(Fixed(), vectors[order], clips[order])[1].tolist() == [4, 7, 4]
    np.testing.assert_allclose(vote_shares(Fixed(), vectors, clips)[1][0], [2 / 3, 1 / 3, 0])
    assert vote(Fixed(), vectors, clips)[0].tolist() == [3, 8, 9]


def test_the_vote_is_used_when_asked_for():
    clips, vectors, clip_rows = data(distance=0.4, n_clips=60)
    mean = evaluate("mean", clips, vectors, clip_rows, RECIPE)
    votes = evaluate("votes", clips, vectors, clip_rows, RECIPE, method=Method(majority_vote=True))
    assert mean.confusion != votes.confusion


def test_the_linear_machine_is_audeeps():
    _, vectors, rows = data(distance=0.6)
    labels = rows % 3
    ours = fit_quietly(linear_svm(0.01, 0), vectors, labels)
    theirs = make_pipeline(StandardScaler(), LinearSVC(C=0.01, max_iter=100_000, tol=1e-8))
    theirs.fit(vectors, labels)
    np.testing.assert_allclose(
        ours.decision_function(vectors), theirs.decision_function(vectors), atol=2e-3
    )


def test_numbers_are_scikit_learns():
    random = np.random.default_rng(0)
    labels = ("a", "b", "c", "never")
    answers = []
    for seed in (0, 1):
        truths = random.integers(0, 3, 40)
        classes = np.where(random.random(40) < 0.6, truths, random.integers(0, 3, 40))
        answers.append(Answer(np.arange(40), truths, classes, 0.1, seed))
    scores = summarise("x", answers, labels)
    truths = np.concatenate([one.truths for one in answers])
    classes = np.concatenate([one.classes for one in answers])
    assert np.array_equal(scores.confusion, confusion_matrix(truths, classes, labels=range(4)))
    wanted = classification_report(
        truths, classes, labels=range(4), target_names=labels, output_dict=True, zero_division=0
    )
    for row in scores.classes:
        one = wanted[row.label]
        assert [row.precision, row.recall, row.f1, row.count] == pytest.approx(
            [one["precision"], one["recall"], one["f1-score"], one["support"]]
        )
    assert scores.accuracy == pytest.approx((truths == classes).mean())
    assert scores.uar == pytest.approx(
        np.mean([recall_score(a.truths, a.classes, average="macro") for a in answers])
    )
    assert scores.macro_f1 == pytest.approx(
        np.mean([f1_score(a.truths, a.classes, average="macro") for a in answers])
    )
    assert scores.n_repeats == 2
    assert scores.n_files == 40
    assert scores.two_fold_deviations is None  # one split each
    json.dumps(scores.classes[0].label)


def test_a_class_that_a_fold_lacks_counts_as_scikit_learn_says():
    matrix = confusion(np.array([0, 0, 1]), np.array([0, 2, 1]), 4)
    assert unweighted_recall(matrix) == pytest.approx(0.75)
    assert macro_f1(matrix) == pytest.approx(
        f1_score([0, 0, 1], [0, 2, 1], average="macro", zero_division=0)
    )


def test_the_interval_is_a_bootstrap_over_files():
    right = np.arange(100) < 80
    answer = Answer(np.arange(100), np.zeros(100, int), (~right).astype(int), 0.1, 0)
    low, high = interval([answer])
    assert (low, high) == pytest.approx((0.72, 0.88), abs=0.015)  # +-1.96 * sqrt(0.8 * 0.2 / 100)
    # the same answers again are no new files, and make nobody surer
    assert interval([answer, answer]) == (low, high)
    # answers that differ from repeat to repeat average out within a file
    other = Answer(np.arange(100), np.zeros(100, int), (~right)[::-1].astype(int), 0.1, 1)
    assert np.ptp(interval([answer, other])) < high - low
    assert interval([Answer(np.arange(3), np.zeros(3, int), np.zeros(3, int), 0.1, 0)]) == (
        1.0,
        1.0,
    )


def test_repeats_have_their_own_seeds_and_folds():
    recipe = EvaluateRecipe(c_grid=(0.1,), n_folds=3, seeds=(4, 5))
    scores = evaluate("r", *data(distance=0.8), recipe)
    assert scores.n_repeats == 2
    assert len(scores.fold_accuracies) == 6
    assert scores.n_files == 30
    assert np.sum(scores.confusion) == 60
    halves = [scores.fold_accuracies[:3], scores.fold_accuracies[3:]]
    assert scores.two_fold_deviations == pytest.approx(
        np.mean([2 * np.std(half) for half in halves])
    )
    assert evaluate("r", *data(distance=0.8), recipe) == scores
    evaluate("m", *data(), recipe, method=Method(Memory, ()))
    assert len(Memory.taught) == 6


def test_the_mlp_goes_through_the_same_protocol():
    method = Choice("mlp", mlp="epochs=100,units=40").method((0.1,))
    scores = evaluate("mlp", *data(), RECIPE, method=method)
    assert scores.accuracy > 0.9
    assert scores.chosen_c == ()
    exact = Choice("mlp-audeep", mlp="epochs=40").method((0.1,)).make(0.0, 3)
    assert (exact.config.variant, exact.config.epochs, exact.seed) == ("audeep-exact", 40, 3)
    assert exact.config.units == 150


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (Choice("mlp", complexity=1.0), "--complexity is for"),
        (Choice(complexity=0.0), "--complexity 0 is not above 0"),
        (Choice(mlp="epochs=3"), "--mlp is for"),
        (Choice("mlp", mlp="epoch=3"), "no 'epoch'; use epochs, keep"),
        (Choice("mlp", mlp="epochs=many"), "is no setting"),
        (Choice("mlp", mlp="epochs=2.5"), "whole numbers"),
        (Choice("mlp", mlp="keep=0"), "an MLP keeps"),
    ],
)
def test_settings_that_do_not_fit_are_refused(choice, says):
    with pytest.raises(ConfigurationError, match=says):
        choice.method((0.1,))


def test_a_table_becomes_clips():
    held_out = np.array([[1, 0], [1, 0], [0, 1]], dtype=bool)
    table = make_table(
        ["a", "a", "b"],
        np.arange(12).reshape(3, 2, 2),
        feature_dims=("time", "freq"),
        labels=["x", "x", None],
        chunk_numbers=[0, 1, 0],
        partitions=["train", "train", None],
        held_out=held_out,
    )
    clips, vectors, clip_rows = clips_of_table(table)
    assert [(c.filename, c.label, c.fold, c.partition) for c in clips] == [
        ("a", "x", 1, "train"),
        ("b", None, 2, None),
    ]
    assert vectors.shape == (3, 4)
    assert clip_rows.tolist() == [0, 0, 1]
    overlapping = make_table(
        ["a", "b"], np.zeros((2, 1)), held_out=np.array([[1, 1], [0, 1]], bool)
    )
    assert [clip.held_out for clip in clips_of_table(overlapping)[0]] == [(1, 2), (2,)]
    assert [c.fold for c in clips_of_table(make_table(["a"], np.zeros((1, 1))))[0]] == [None]


@pytest.mark.parametrize("what", ["label", "partition", "folds"])
def test_a_file_whose_chunks_disagree_is_refused(what):
    known = {
        "label": {"labels": ["x", "y"]},
        "partition": {"partitions": ["train", "test"]},
        "folds": {"held_out": np.array([[True], [False]])},
    }
    with pytest.raises(ConfigurationError, match=f"chunks of a differ in their {what}"):
        clips_of_table(make_table(["a", "a"], np.zeros((2, 1)), **known[what]))


@pytest.mark.parametrize("name", ["a.wav.copy1", "a.wav.upsampled.0"])
def test_copies_are_not_dealt_to_both_sides(name):
    with pytest.raises(ConfigurationError, match="judge the original table with --upsample"):
        refuse_copies_without_folds(make_table(["a.wav", name], np.zeros((2, 1))))
    folded = make_table(["a.wav", name], np.zeros((2, 1)), held_out=np.eye(2, dtype=bool))
    refuse_copies_without_folds(folded)
