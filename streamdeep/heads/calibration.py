"""Probabilities that mean what they say: of decisions made with 0.8, 80 % are right. numpy only.

A classifier that fits its training data well is too sure of itself on other data. What is learnt here from scores
of data that was *not* trained on is one number (*temperature*, for classes of which one is right) or two per class
(Platt 1999, for classes each on its own); both are folded into the weights of the head
(:mod:`streamdeep.heads.writing`), so that a calibrated head runs like any other. Temperature changes no order of
classes. Both smooth their targets as Platt does, so that separable data give no infinite certainty. How far
probabilities are off is the *expected calibration error* (Guo et al. 2017).
"""

import numpy as np
from numpy.typing import NDArray

_BISECTIONS = 60
_NEWTON_STEPS = 100
_RIDGE = 1e-9
_SPAN = 1e3
"""Temperatures between 1/1000 and 1000."""


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """``(rows, classes)`` to probabilities, each row's sum 1."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    found: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return found


def fit_temperature(logits: NDArray[np.floating], classes: NDArray[np.integer]) -> float:
    """The temperature by which logits are to be divided.

    Args:
        logits: ``(rows, classes)`` of rows that were not trained on.
        classes: ``(rows,)``, the right one of each.

    Returns:
        Where the cross-entropy with smoothed targets is least; it has one minimum, since it is convex in
        the inverse temperature.
    """
    n_rows, n_classes = logits.shape
    targets = np.full((n_rows, n_classes), 1.0 / (n_rows + n_classes))
    targets[np.arange(n_rows), classes] = (n_rows + 1.0) / (n_rows + n_classes)
    low, high = -np.log(_SPAN), np.log(_SPAN)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        slope = ((softmax(np.exp(middle) * logits) - targets) * logits).sum()
        low, high = (middle, high) if slope < 0.0 else (low, middle)
    return float(np.exp(-(low + high) / 2.0))


def fit_platt(logits: NDArray[np.floating], present: NDArray[np.bool_]) -> tuple[float, float]:
    """Scale and shift of one class' logits, ``sigmoid(scale * logit + shift)``.

    Args:
        logits: ``(rows,)`` of rows that were not trained on.
        present: ``(rows,)``, whether the class is in the row.

    Raises:
        ValueError: it is in all of them or in none.
    """
    n_present, n_absent = int(present.sum()), int((~present).sum())
    if not n_present or not n_absent:
        raise ValueError("to calibrate a class, rows with and without it are needed")
    targets = np.where(present, (n_present + 1.0) / (n_present + 2.0), 1.0 / (n_absent + 2.0))
    # In units of the logits' own spread, so that a step has a sensible size.
    centre, spread = float(logits.mean()), float(logits.std()) or 1.0
    columns = np.stack(((logits - centre) / spread, np.ones(len(logits))), axis=1)
    weights = np.zeros(2)
    loss = _cross_entropy(columns @ weights, targets)
    for _ in range(_NEWTON_STEPS):
        chances = 1.0 / (1.0 + np.exp(-columns @ weights))
        gradient = columns.T @ (chances - targets)
        curvature = (columns * (chances * (1.0 - chances))[:, None]).T @ columns
        step = np.linalg.solve(curvature + _RIDGE * len(logits) * np.eye(2), gradient)
        # Newton's step may overshoot where the curve is flat; halved, it goes down.
        while (lower := _cross_entropy(columns @ (weights - step), targets)) > loss:
            step /= 2.0
            if np.abs(step).max() < 1e-12:
                break
        weights = weights - step
        if loss - lower < 1e-12 * loss:
            break
        loss = lower
    scale = float(weights[0]) / spread
    return scale, float(weights[1]) - scale * centre


def calibration_error(
    probabilities: NDArray[np.floating], classes: NDArray[np.integer], n_bins: int = 15
) -> float:
    """Expected calibration error: mean distance between confidence and accuracy, over bins of confidence.

    Args:
        probabilities: ``(rows, classes)``.
        classes: ``(rows,)``, the right one of each.
        n_bins: of equal width.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == classes
    bins = np.minimum((confidence * n_bins).astype(np.int64), n_bins - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(classes))


def log_loss(probabilities: NDArray[np.floating], classes: NDArray[np.integer]) -> float:
    """Mean negative log-likelihood of the right classes, in nats."""
    chosen = probabilities[np.arange(len(classes)), classes]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def _cross_entropy(logits: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    return float((np.logaddexp(0.0, logits) - targets * logits).sum())
