"""A trained head is calibrated on what it was not taught: it is as sure as it is right."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
from trainer_data import RECIPE, write_tones

from streamdeep.errors import ConfigurationError
from streamdeep.heads.calibration import calibration_error, softmax
from streamdeep_trainer.conditions.condition import conditions_of
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.embed import embed_clips
from streamdeep_trainer.head import embed_copies, train_head


@pytest.fixture
def clips(tmp_path):
    return find_clips(write_tones(tmp_path / "tones", n_clips=10))


@pytest.fixture
def trained(tmp_path, model_path):
    return lambda clips: train_head(clips, model_path, tmp_path / "head.onnx", recipe=RECIPE.head)


def test_a_head_says_how_well_it_is_calibrated(trained, clips, model_path):
    head, embedded = trained(clips), embed_clips(clips, model_path)
    found = head.contract.provenance["calibration"]
    assert found["log_loss"] <= found["log_loss_before"] + 0.05
    chances = head.probabilities(embedded.vectors)
    truths = [head.contract.labels.index(embedded.clips[row].label) for row in embedded.clip_rows]
    assert calibration_error(chances, np.array(truths)) < 0.3


def test_a_head_that_could_learn_nothing_is_not_sure(trained, clips, model_path):
    labels = np.random.default_rng(3).permutation(["even", "odd"] * 10)
    drawn = [replace(clip, label=label) for clip, label in zip(clips, labels, strict=True)]
    head, embedded = trained(drawn), embed_clips(drawn, model_path)
    found = head.contract.provenance["calibration"]
    assert found["temperature"] > 1.5
    assert found["log_loss"] < found["log_loss_before"]
    chances = head.probabilities(embedded.vectors)
    without = softmax(found["temperature"] * np.log(chances))
    assert chances.max(axis=1).mean() < min(0.75, without.max(axis=1).mean())


def test_a_class_that_one_fold_has_alone_is_no_obstacle(trained, clips):
    labels = ["a"] * 8 + ["b"] * 10 + ["rare"] * 2
    folds = [*(number % 2 + 1 for number in range(18)), 1, 1]
    some = [
        replace(clip, label=label, fold=fold)
        for clip, label, fold in zip(clips, labels, folds, strict=True)
    ]
    head = trained(some)
    assert head.contract.labels == ("a", "b", "rare")
    found = head.contract.provenance["calibration"]
    assert np.isfinite([found["temperature"], found["log_loss"]]).all()


def test_a_head_says_how_well_it_does_under_every_condition_that_it_learnt(
    tmp_path, clips, model_path
):
    recipe = RECIPE.head.model_copy(update={"conditions": ("gain:-60dB", "clean", "white:-60dB")})
    head = train_head(clips, model_path, tmp_path / "head.onnx", recipe=recipe)
    about = head.contract.provenance
    assert about["conditions"] == ["clean", "gain:-60dB", "white:-60dB"]
    shares = about["cross_validated_accuracy"]
    assert list(shares) == about["conditions"]
    assert (
        shares["white:-60dB"] < 0.8 < shares["clean"]
    )  # nothing is left of sound 60 dB below the noise


def test_a_condition_that_is_none_is_refused_before_the_work(tmp_path, clips, model_path):
    recipe = RECIPE.head.model_copy(update={"conditions": ("gain:-60",)})
    with pytest.raises(ConfigurationError, match="'gain:-60' is no condition; use clean, gain:NUM"):
        train_head(clips, model_path, tmp_path / "head.onnx", recipe=recipe)
    assert not (tmp_path / "head.onnx").exists()


def test_a_clip_that_cannot_be_used_under_one_condition_is_left_out_of_all(
    tmp_path, clips, model_path
):
    """Three channels go through no codec; the labels of the clips behind it stay theirs."""
    odd, told = clips[3], []
    samples, rate_hz = soundfile.read(odd.path)
    soundfile.write(odd.path, np.stack([samples] * 3, axis=1), rate_hz)
    conditions = conditions_of("clean,opus:32kbps")
    copies = embed_copies(clips, model_path, conditions, workers=1, tell_skipped=told.extend)
    assert [name for name, _ in told] == [odd.filename]
    assert copies[0].clips == copies[1].clips == tuple(clip for clip in clips if clip != odd)
    whole = embed_clips(clips, model_path)
    for number, clip in enumerate(copies[0].clips):
        wanted = whole.vectors[whole.clip_rows == clips.index(clip)]
        assert np.array_equal(copies[0].vectors[copies[0].clip_rows == number], wanted)
    recipe = RECIPE.head.model_copy(update={"conditions": ("opus:32kbps",)})
    head = train_head(clips, model_path, tmp_path / "head.onnx", recipe=recipe)
    assert head.contract.provenance["n_skipped"] == 1
