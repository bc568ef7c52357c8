"""Folds: the official ones where a data set has them, stratified ones where it has none.

Official folds may overlap: a clip may be held out in several or in none, see :attr:`Clip.held_out`. Not
here: folds of tables (``tables.splits``).
"""

from collections.abc import Sequence
from dataclasses import replace

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
            fewer clips than there are folds; or the official folds overlap, see :func:`held_out_in`.
    """
    if any(clip.held_out is not None for clip in clips):
        raise ConfigurationError(
            "the official folds overlap, so that a clip has no single fold; folds that do not are needed here"
        )
    known = [clip.fold for clip in clips]
    if all(fold is not None for fold in known):
        return np.array(known, dtype=np.int64)
    if any(fold is not None for fold in known):
        raise ConfigurationError("some clips have an official fold and some have none")
    refuse_unlabelled(clips)
    labels = [clip.label for clip in clips]
    random = np.random.default_rng(seed)
    folds = np.zeros(len(clips), dtype=np.int64)
    for label in sorted(set(labels), key=str):
        rows = np.array([row for row, found in enumerate(labels) if found == label])
        if len(rows) < n_folds:
            raise ConfigurationError(
                f"the class {label!r} has {len(rows)} clips that can be used; {n_folds} folds need at least "
                f"{n_folds}: add clips to it, or leave the class out"
            )
        folds[random.permutation(rows)] = np.arange(len(rows)) % n_folds + 1
    return folds


def refuse_unlabelled(clips: Sequence[Clip]) -> None:
    """Refuse clips of which some have no label.

    Raises:
        ConfigurationError: says how many, and what to do.
    """
    lacking = [clip.filename for clip in clips if clip.label is None]
    if lacking:
        raise ConfigurationError(
            f"this needs labels: {len(lacking)} of {len(clips)} clips have none, the first {lacking[0]}; "
            "put each into a folder of its class, list all in a manifest.csv (filename,label), "
            "or choose another --layout, or labelled partitions"
        )


def held_out_in(clips: Sequence[Clip], *, n_folds: int, seed: int) -> NDArray[np.bool_]:
    """Which clip is held out in which fold; folds may overlap.

    Args:
        clips: as for :func:`folds_of`; or with ``held_out``, all of them.
        n_folds: how many to make where the data has none.
        seed: of the draw.

    Returns:
        ``(clips, folds)`` bool; column 0 is fold 1. What is not held out in a fold trains in it.

    Raises:
        ConfigurationError: as :func:`folds_of`, or some clips have ``held_out`` and others not.
    """
    if all(clip.held_out is None for clip in clips):
        folds = folds_of(clips, n_folds=n_folds, seed=seed)
        found: NDArray[np.bool_] = folds[:, None] == np.arange(1, folds.max(initial=0) + 1)
        return found
    lacking = [clip.filename for clip in clips if clip.held_out is None]
    if lacking:
        raise ConfigurationError(f"{lacking[0]} does not say in which folds it is held out")
    highest = max((fold for clip in clips for fold in clip.held_out or ()), default=0)
    matrix = np.zeros((len(clips), highest), dtype=np.bool_)
    for row, clip in enumerate(clips):
        for fold in clip.held_out or ():
            matrix[row, fold - 1] = True
    return matrix


def with_held_out(clips: Sequence[Clip], held_out: Sequence[tuple[int, ...]]) -> list[Clip]:
    """Clips with folds: one each where no clip is held out twice or never, else ``held_out``."""
    if all(len(folds) == 1 for folds in held_out):
        return [replace(clip, fold=folds[0]) for clip, folds in zip(clips, held_out, strict=True)]
    return [replace(clip, held_out=folds) for clip, folds in zip(clips, held_out, strict=True)]
