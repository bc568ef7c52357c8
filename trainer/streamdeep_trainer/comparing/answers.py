"""One cell's work: a system learns, classifiers learn on its features, and every clip is answered once.

Fold after fold: what is held out is known neither to the classifier nor to whatever was chosen for it. C and k,
and what the cell is worth when systems are chosen (``choice``), come from inner folds of the training part.
Not here: which cells there are and how they are kept (``cells``).
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import Strict
from streamdeep.errors import ModelError, SourceError
from streamdeep_trainer.comparing.rows import Row
from streamdeep_trainer.comparing.system import Cost, DecidingSystem, Features
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.evaluation.classify import (
    UNREGULARISED,
    Rows,
    decide,
    fit_quietly,
    inner_accuracies,
    inner_folds,
)
from streamdeep_trainer.evaluation.judging import Method, rows_of

OWN = "own decision"
"""What stands in the place of a classifier where a system decides itself."""

_Make = Callable[[NDArray[np.bool_], Path], Features]


class Answers(Strict):
    """What one classifier said.

    Attributes:
        classes: ``(clips,)`` number of the class said of each clip, when its fold was held out.
        settings: per fold the C or k that inner folds chose; 0 where there is nothing to choose.
        inner: per fold the accuracy over the folds of its training part, with that setting; None if not asked for.
    """

    classes: tuple[int, ...]
    settings: tuple[float, ...]
    inner: tuple[float | None, ...]


class Answered(Strict):
    """What a cell leaves.

    Attributes:
        format: of this record.
        names: the classes in the order of their numbers.
        clips: filenames.
        truths: ``(clips,)`` their classes.
        folds: ``(clips,)`` in which each was held out; entries per fold go by ascending numbers.
        learnt: by classifier.
        untrained: the same of the untrained twin; None if there is none.
    """

    format: Literal[1] = 1
    names: tuple[str, ...]
    clips: tuple[str, ...]
    truths: tuple[int, ...]
    folds: tuple[int, ...]
    learnt: dict[str, Answers]
    untrained: dict[str, Answers] | None


def answer_cell(
    row: Row, clips: Sequence[Clip], methods: Mapping[str, Method], *, seed: int, run: Path
) -> tuple[Answered, Cost]:
    """Do it.

    Args:
        row: the system and its protocol.
        clips: labelled, each in one fold.
        methods: the classifiers by name; a system that decides itself uses none.
        seed: of everything that is drawn.
        run: a folder of its own, which is emptied first.

    Raises:
        StreamdeepError: whatever stops the system, or its features are no numbers, or lack a clip.
    """
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    labels, names = rows_of(clips, np.empty((0, 0), np.float32), np.empty(0, np.int64))
    untrained = None
    if isinstance(row.system, DecidingSystem):
        own, cost = _decided(row.system, clips, labels, names, row.choosable, seed=seed, run=run)
        learnt = {OWN: own}
    else:
        system = row.system

        def make(heard: NDArray[np.bool_], place: Path) -> Features:
            return system.features(clips, heard, seed=seed, run=place)

        def make_untrained(heard: NDArray[np.bool_], place: Path) -> Features | None:
            return system.untrained(clips, heard, seed=seed, run=place)

        inductive = row.protocol == "inductive"
        found = _classified(make, clips, methods, inductive, seed=seed, run=run / "learnt")
        assert found is not None
        learnt, cost = found
        twin = _classified(
            make_untrained, clips, methods, inductive, seed=seed, run=run / "untrained"
        )
        untrained = None if twin is None else twin[0]
    answered = Answered(
        names=names,
        clips=tuple(clip.filename for clip in clips),
        truths=tuple(map(int, labels.labels)),
        folds=tuple(map(int, labels.folds)),
        learnt=learnt,
        untrained=untrained,
    )
    return answered, cost


def _classified(
    make: Callable[[NDArray[np.bool_], Path], Features | None],
    clips: Sequence[Clip],
    methods: Mapping[str, Method],
    inductive: bool,
    *,
    seed: int,
    run: Path,
) -> tuple[dict[str, Answers], Cost] | None:
    """Answers by classifier and what the features cost; None if there are no such features."""
    folds = np.array([clip.fold for clip in clips])
    numbers = np.unique(folds)
    classes = {name: np.full(len(clips), -1) for name in methods}
    settings: dict[str, list[float]] = {name: [] for name in methods}
    inner: dict[str, list[float | None]] = {name: [] for name in methods}
    features: Features | None = None
    for fold in numbers:
        held_out = folds == fold
        if features is None or inductive:
            heard = ~held_out if inductive else np.ones(len(clips), dtype=np.bool_)
            place = run / (f"fold-{fold}" if inductive else "all")
            place.mkdir(parents=True)
            features = make(heard, place)
            if features is None:
                return None
            _check(features, clips)
        rows, _ = rows_of(clips, features.vectors, features.clip_rows)
        for name, method in methods.items():
            said, setting, share = answer_fold(rows, held_out, method, seed=seed)
            classes[name][held_out] = said
            settings[name].append(setting)
            inner[name].append(share)
    assert features is not None
    return {
        name: Answers(
            classes=tuple(map(int, classes[name])),
            settings=tuple(settings[name]),
            inner=tuple(inner[name]),
        )
        for name in methods
    }, features.cost


def answer_fold(
    rows: Rows, held_out: NDArray[np.bool_], method: Method, *, seed: int
) -> tuple[NDArray[np.int64], float, float]:
    """Learn from the other clips, and answer for these.

    Args:
        rows: features of all clips.
        held_out: ``(clips,)`` bool; their labels are not looked at.
        method: how to classify.
        seed: of the classifier.

    Returns:
        The class of each clip that is held out, ascending; the setting that was chosen; the accuracy that
        it was chosen by.
    """
    training = ~held_out[rows.clips]
    grid = method.grid or (UNREGULARISED,)
    shares = inner_accuracies(rows, training, grid=grid, make=method.make, seed=seed)
    best = int(shares.argmax())
    fitted = fit_quietly(
        method.make(grid[best], seed), rows.vectors[training], rows.labels[rows.clips[training]]
    )
    _, said = decide(fitted, rows.vectors[~training], rows.clips[~training])
    return said, grid[best], float(shares[best])


def _check(features: Features, clips: Sequence[Clip]) -> None:
    wanted = [clip.filename for clip in clips]
    found = [clip.filename for clip in features.clips]
    if found != wanted:
        lost = sorted(set(wanted) - set(found)) or ["their order"]
        raise SourceError(
            f"the system could not use {lost[0]}, which others can; take it out of the data"
        )
    if len(np.unique(features.clip_rows)) != len(clips):
        raise SourceError("the system has no features of some clip")
    if not np.isfinite(features.vectors).all():
        raise ModelError("the system's features are no numbers")


def _decided(
    system: DecidingSystem,
    clips: Sequence[Clip],
    labels: Rows,
    names: tuple[str, ...],
    choosable: bool,
    *,
    seed: int,
    run: Path,
) -> tuple[Answers, Cost]:
    known: dict[bytes, NDArray[np.int64]] = {}
    costs: list[Cost] = []

    def said_without(training: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Once per training part: without folds 1 and 2, and without 2 and 1, is the same."""
        key = training.tobytes()
        if key not in known:
            place = run / str(len(known))
            place.mkdir()
            found = system.decide(clips, training, seed=seed, run=place)
            if not np.isfinite(found.probabilities[~training]).all():
                raise ModelError("the system's probabilities are no numbers")
            costs.append(found.cost)
            numbers = np.array([names.index(name) for name in found.names])
            best = np.nan_to_num(found.probabilities, nan=-1.0).argmax(axis=1)
            known[key] = numbers[best]
        return known[key]

    classes = np.full(len(clips), -1)
    inner: list[float | None] = []
    for fold in np.unique(labels.folds):
        held_out = labels.folds == fold
        classes[held_out] = said_without(~held_out)[held_out]
        inner.append(None)
        if choosable:
            every = Rows(labels.vectors, np.arange(len(clips)), labels.labels, labels.folds)
            parts, right = inner_folds(every, ~held_out), 0
            for part in np.unique(parts[~held_out]):
                out = ~held_out & (parts == part)
                said = said_without(~held_out & ~out)
                right += int((said[out] == labels.labels[out]).sum())
            inner[-1] = right / int((~held_out).sum())
    settings = (UNREGULARISED,) * len(inner)
    return Answers(classes=tuple(map(int, classes)), settings=settings, inner=tuple(inner)), costs[
        0
    ]
