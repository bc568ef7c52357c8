"""A classifier to run live: logistic regression on standardised embeddings, written as a head file.

It learns every clip under several conditions, so that a quieter microphone, a narrower line and some noise do not
matter. The regularisation of the head
that is written is chosen by all folds; the accuracy that it states was measured with nested folds, where
a test fold chose nothing. The scores of these held-out folds also give the temperature by which the written
head's probabilities are calibrated. Not here: the file (``streamdeep.heads.writing``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdeep.heads.calibration import (
    calibration_error,
    fit_temperature,
    log_loss,
    softmax,
)
from streamdeep.heads.head import Head
from streamdeep.heads.writing import folded, write_linear_head
from streamdeep_trainer.conditions.condition import CLEAN, Condition, conditions_of
from streamdeep_trainer.config import HeadRecipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.folds import folds_of
from streamdeep_trainer.embed import EmbeddedClips, embed_clips
from streamdeep_trainer.evaluation.classify import Rows, choose_c, fit_quietly, logistic
from streamdeep_trainer.evaluation.evaluate import labelled_rows
from streamdeep_trainer.evaluation.judging import check_labels
from streamdeep_trainer.netcdf import versions
from streamdeep_trainer.writing import check_writable, writing

N_FOLDS = 5
"""Where the data has no official ones."""

_NEVER_SHOWN = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class LinearHead:
    """What was learnt, before it is a file.

    Attributes:
        weight: ``(classes, dim)``, scaler and temperature folded in.
        bias: ``(classes,)``, likewise.
        c: the regularisation that all folds together chose.
        logits: ``(rows, classes)``, each row's by one who was not taught its fold; not calibrated.
        calibration: the temperature, and how well it does.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    c: float
    logits: NDArray[np.float64]
    calibration: dict[str, Any]


def learn_head(rows: Rows, n_classes: int, grid: Sequence[float]) -> LinearHead:
    """Learn from rows of two folds or more.

    Args:
        rows: standardised here, not before.
        n_classes: their labels are below it; every one of them occurs.
        grid: regularisations to choose from, by folds within whatever is learnt from.
    """
    grid = sorted(grid)
    logits = np.zeros((len(rows.vectors), n_classes))
    for fold in np.unique(rows.folds[rows.clips]):
        training = rows.folds[rows.clips] != fold
        c = choose_c(rows, training, grid=grid, make=logistic, seed=0)
        fitted = fit_quietly(
            logistic(c, 0), rows.vectors[training], rows.labels[rows.clips[training]]
        )
        logits[~training] = _logits(fitted, rows.vectors[~training], n_classes)
    everything = np.ones(len(rows.vectors), dtype=np.bool_)
    c = choose_c(rows, everything, grid=grid, make=logistic, seed=0)
    fitted = fit_quietly(logistic(c, 0), rows.vectors, rows.labels[rows.clips])
    scaler, regression = fitted[0], fitted[1]
    weight, bias = regression.coef_, regression.intercept_
    if n_classes == 2:  # scikit-learn gives the second class's logit alone
        weight, bias = np.concatenate((-weight, weight)) / 2.0, np.concatenate((-bias, bias)) / 2.0
    weight, bias = folded(weight, bias, scaler.mean_, scaler.scale_)
    temperature, calibration = _calibrated(rows, logits)
    return LinearHead(weight / temperature, bias / temperature, c, logits, calibration)


def teaching_conditions(recipe: HeadRecipe) -> tuple[Condition, ...]:
    """Under which conditions every clip is learnt: as it is, and those of the recipe.

    Raises:
        ConfigurationError: one of the recipe's is none.
        MissingDependencyError: one is a codec, and PyAV is missing.
    """
    if not recipe.conditions:
        return (CLEAN,)
    others = conditions_of(",".join(recipe.conditions))
    return (CLEAN, *(condition for condition in others if condition != CLEAN))


def embed_copies(
    clips: Sequence[Clip],
    model_path: Path,
    conditions: Sequence[Condition],
    *,
    workers: int,
    tell_skipped: Callable[[tuple[tuple[str, str], ...]], None],
    early_frames: int | None = None,
) -> list[EmbeddedClips]:
    """Embed the same clips under every condition; one that cannot be used under one of them is left out of all.

    Args:
        clips: labelled.
        model_path: the encoder.
        conditions: at least one.
        workers: processes that embed.
        tell_skipped: told, condition by condition, which clips cannot be used.
        early_frames: see :func:`streamdeep_trainer.embed.embeddings_of`.

    Raises:
        SourceError: no clip is left.
    """
    copies: list[EmbeddedClips] = []
    kept = tuple(clips)
    for condition in conditions:
        copies.append(
            embed_clips(
                kept, model_path, condition=condition, workers=workers, early_frames=early_frames
            )
        )
        tell_skipped(copies[-1].skipped)
        kept = copies[-1].clips
    return [copy.only(kept) for copy in copies]


def train_head(
    clips: Sequence[Clip],
    model_path: Path,
    path: Path,
    *,
    recipe: HeadRecipe,
    provenance: dict[str, Any] | None = None,
    workers: int = 1,
    tell_skipped: Callable[[tuple[tuple[str, str], ...]], None] = lambda _: None,
) -> Head:
    """Train a head on a model's embeddings, and write it.

    Args:
        clips: labelled.
        model_path: the encoder.
        path: where the head goes.
        recipe: conditions and regularisations.
        provenance: more to say about it.
        workers: processes that embed.
        tell_skipped: told once which clips cannot be read, by filename and reason.

    Raises:
        SourceError: no clip can be read.
        ConfigurationError: labels are missing, a class has too few clips, a condition is none, or the head cannot be
            written.
        MissingDependencyError: a condition is a codec, and PyAV is missing.
    """
    conditions = teaching_conditions(recipe)
    check_writable(path)  # before the work, not after it
    _refuse_unfit(clips)
    copies = embed_copies(clips, model_path, conditions, workers=workers, tell_skipped=tell_skipped)
    _refuse_unfit(copies[0].clips)
    rows, names = stacked(copies)
    copy_of_row = np.repeat(np.arange(len(copies)), [len(copy.vectors) for copy in copies])
    learnt = learn_head(rows, len(names), recipe.c_grid)
    n_right = [_n_right(rows, learnt.logits, copy_of_row == which) for which in range(len(copies))]
    n_clips = len(rows.labels)
    about = {
        "name": recipe.name,
        "n_clips": n_clips,
        "n_skipped": len(clips) - n_clips,
        "n_folds": len(np.unique(rows.folds)),
        "classifier": "logistic regression on standardised embeddings, one decision per file",
        "c": learnt.c,
        "conditions": [condition.name for condition in conditions],
        "cross_validated_accuracy": {
            condition.name: float(right / n_clips)
            for condition, right in zip(conditions, n_right, strict=True)
        },
        "calibration": learnt.calibration,
        "versions": versions(),
        **(provenance or {}),
    }
    digest = copies[0].model_digest
    with writing(path):
        return write_linear_head(
            path,
            learnt.weight,
            learnt.bias,
            names,
            digest,
            activation="softmax",
            provenance=about,
        )


def _n_right(rows: Rows, logits: NDArray[np.float64], chosen: NDArray[np.bool_]) -> int:
    """How many clips the mean over their chosen rows gets right."""
    clips, places = np.unique(rows.clips[chosen], return_inverse=True)
    sums = np.zeros((len(clips), logits.shape[1]))
    np.add.at(sums, places, logits[chosen])
    return int((sums.argmax(axis=1) == rows.labels[clips]).sum())


def _logits(fitted: Any, vectors: NDArray[np.float32], n_classes: int) -> NDArray[np.float64]:
    """``(rows, classes)``; a class that the fitted one was never shown is as unlikely as can be."""
    values = fitted.decision_function(vectors)
    if values.ndim == 1:
        values = np.stack((-values, values), axis=1) / 2.0
    logits = np.full((len(vectors), n_classes), values.min() - _NEVER_SHOWN)
    logits[:, fitted.classes_] = values
    return logits


def _calibrated(rows: Rows, logits: NDArray[np.float64]) -> tuple[float, dict[str, Any]]:
    """The temperature of all held-out rows, and how well that of the other folds does on each fold."""
    classes, folds = rows.labels[rows.clips], rows.folds[rows.clips]
    chances = np.empty_like(logits)
    for fold in np.unique(folds):
        own = folds == fold
        chances[own] = softmax(logits[own] / fit_temperature(logits[~own], classes[~own]))
    temperature, before = fit_temperature(logits, classes), softmax(logits)
    return temperature, {
        "method": "temperature, on segments of held-out folds",
        "temperature": temperature,
        "expected_calibration_error": calibration_error(chances, classes),
        "expected_calibration_error_before": calibration_error(before, classes),
        "log_loss": log_loss(chances, classes),
        "log_loss_before": log_loss(before, classes),
    }


def _refuse_unfit(clips: Sequence[Clip]) -> None:
    folds_of(clips, n_folds=N_FOLDS, seed=0)
    check_labels(clips)


def stacked(copies: Sequence[EmbeddedClips]) -> tuple[Rows, tuple[str, ...]]:
    """The same clips under several conditions: one table, in which a clip's copies share its fold."""
    return labelled_rows(
        copies[0].clips,
        np.concatenate([copy.vectors for copy in copies]),
        np.concatenate([copy.clip_rows for copy in copies]),
        n_folds=N_FOLDS,
        seed=0,
    )
