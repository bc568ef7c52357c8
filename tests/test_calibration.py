"""Calibrated probabilities mean what they say; nothing else about a head changes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamdeep.heads.calibration import (
    calibration_error,
    fit_platt,
    fit_temperature,
    log_loss,
    softmax,
)


def drawn(temperature, n_rows=4000, n_classes=5, seed=0):
    """Logits that are too large by a factor, and classes drawn by the true probabilities."""
    random = np.random.default_rng(seed)
    logits = 2.0 * random.standard_normal((n_rows, n_classes))
    chances = softmax(logits)
    classes = (chances.cumsum(axis=1) > random.random((n_rows, 1))).argmax(axis=1)
    return temperature * logits, classes


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_that_was_put_on_is_found(temperature):
    logits, classes = drawn(temperature)
    assert fit_temperature(logits, classes) == pytest.approx(temperature, rel=0.1)


def test_an_overconfident_classifier_is_brought_down_to_what_it_knows():
    logits, classes = drawn(5.0)
    after = softmax(logits / fit_temperature(logits, classes))
    before = softmax(logits)
    assert calibration_error(before, classes) > 0.1
    assert calibration_error(after, classes) < 0.03
    assert log_loss(after, classes) < log_loss(before, classes)
    np.testing.assert_array_equal(after.argmax(axis=1), before.argmax(axis=1))


@settings(deadline=None)
@given(st.integers(1, 50), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_any_scores_have_a_finite_temperature_that_is_no_worse_than_none(n_rows, n_classes, seed):
    random = np.random.default_rng(seed)
    logits = random.standard_normal((n_rows, n_classes)) * random.choice([1e-3, 1.0, 30.0])
    classes = logits.argmax(axis=1) if seed % 2 else random.integers(0, n_classes, n_rows)
    found = fit_temperature(logits, classes)
    assert 1e-3 <= found <= 1e3

    def smoothed_loss(temperature):
        targets = np.full(logits.shape, 1.0 / (n_rows + n_classes))
        targets[np.arange(n_rows), classes] = (n_rows + 1.0) / (n_rows + n_classes)
        return -(targets * np.log(softmax(logits / temperature) + 1e-300)).sum()

    assert smoothed_loss(found) <= smoothed_loss(1.0) + 1e-6


def test_platt_finds_scale_and_shift():
    random = np.random.default_rng(1)
    logits = 3.0 * random.standard_normal(8000)
    present = random.random(8000) < 1 / (1 + np.exp(-(0.4 * logits - 1.0)))
    scale, shift = fit_platt(logits, present)
    assert scale == pytest.approx(0.4, abs=0.05)
    assert shift == pytest.approx(-1.0, abs=0.15)


def test_platt_stays_finite_for_scores_that_separate_or_do_not_differ():
    scale, shift = fit_platt(np.array([-1e6, -2.0, 3.0, 4e6]), np.array([False, False, True, True]))
    assert np.isfinite([scale, shift]).all()
    assert scale > 0
    scale, shift = fit_platt(np.zeros(10), np.arange(10) < 3)
    assert 1 / (1 + np.exp(-shift)) == pytest.approx((3 * 4 / 5 + 7 / 9) / 10, abs=1e-6)
    with pytest.raises(ValueError, match="with and without"):
        fit_platt(np.zeros(3), np.ones(3, dtype=bool))


def test_the_calibration_error_is_the_distance_between_confidence_and_accuracy():
    chances = np.array([[0.8, 0.2]] * 10)
    assert calibration_error(chances, np.array([0] * 8 + [1] * 2)) == pytest.approx(0.0)
    assert calibration_error(chances, np.array([0] * 5 + [1] * 5)) == pytest.approx(0.3)
    assert calibration_error(np.array([[1.0, 0.0]] * 4), np.ones(4, np.int64)) == 1.0
    assert log_loss(chances, np.zeros(10, np.int64)) == pytest.approx(-np.log(0.8))
