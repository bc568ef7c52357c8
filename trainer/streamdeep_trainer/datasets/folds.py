"""Folds: the official ones where a data set has them, stratified ones where it has none."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.datasets.clip import Clip


def folds_of(clips: Sequence[Clip], *, n_folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of every clip, 1 or more.

    Args:
        clips: labelled.
        n_folds: how many to make where the data has none.
        seed: of the draw; without meaning for official folds.

    Returns:
        ``(clips,)`` int64. Made folds are stratified: each class is shuffled and dealt round, so that its
        counts differ by at most one. A whole clip is in one fold, so are all of its segments.

    Raises:
        ConfigurationError: some clips have folds and others not, a clip has no label, or a class has
            fewer clips than there are folds.
    """
    known = [clip.fold for clip in clips]
    if all(fold is not None for fold in known):
        return np.array(known, dtype=np.int64)
    if any(fold is not None for fold in known):
        raise ConfigurationError("some clips have an official fold and some have none")
    labels = [clip.label for clip in clips]
    if any(label is None for label in labels):
        raise ConfigurationError(
            "evaluation needs labels: put each clip into a folder of its class"
        )
    random = np.random.default_rng(seed)
    folds = np.zeros(len(clips), dtype=np.int64)
    for label in sorted(set(labels), key=str):
        rows = np.array([row for row, found in enumerate(labels) if found == label])
        if len(rows) < n_folds:
            raise ConfigurationError(
                f"the class {label!r} has {len(rows)} clips; {n_folds} folds need at least {n_folds}"
            )
        folds[random.permutation(rows)] = np.arange(len(rows)) % n_folds + 1
    return folds
