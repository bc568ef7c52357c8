"""Protocols: which files teach and which are asked, over folds or partitions, and what was answered.

Files are whole clips with all of their rows, so that none is on both sides. Folds may overlap: a clip may be
held out in several, or in none. Not here: how a classifier learns and decides (``classify``, ``mlp``), what the
answers are worth (``scoring``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.datasets.clip import PARTITIONS, Clip
from streamdeep_trainer.datasets.folds import held_out_in, refuse_unlabelled
from streamdeep_trainer.evaluation.classify import MakeClassifier, Rows, answer_split, linear_svm


@dataclass(frozen=True, slots=True)
class Partitions:
    """Which prescribed parts teach and which are asked."""

    training: tuple[str, ...]
    tested: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in (*self.training, *self.tested):
            if name not in PARTITIONS:
                raise ConfigurationError(f"{name!r} is no partition; use {', '.join(PARTITIONS)}")
        both = set(self.training) & set(self.tested)
        if both:
            raise ConfigurationError(
                f"the partition {min(both)!r} cannot both teach and be judged; name it once"
            )
        if not self.training or not self.tested:
            raise ConfigurationError(
                "partitions to train on and partitions to judge are both needed"
            )

    @property
    def description(self) -> str:
        """In words."""
        return f"trained on {'+'.join(self.training)}, judged on {'+'.join(self.tested)}"


@dataclass(frozen=True, slots=True)
class Method:
    """How a classifier is made, taught and asked.

    Attributes:
        make: the classifier.
        grid: values of its C to choose from, ascending; empty if it has none.
        upsample: balance the classes of the training part, and of nothing else.
        majority_vote: a file's rows vote; otherwise their mean decides.
    """

    make: MakeClassifier = linear_svm
    grid: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1)
    upsample: bool = False
    majority_vote: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Who teaches and who is asked.

    Attributes:
        name: ``fold-1``, or the partition that is asked.
        training: ``(clips,)`` bool.
        tested: ``(clips,)`` bool, apart from ``training``.
    """

    name: str
    training: NDArray[np.bool_]
    tested: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a classifier said of one split.

    Attributes:
        clips: ``(files,)`` int64, which were asked.
        truths: ``(files,)`` int64, their classes.
        classes: ``(files,)`` int64, what was said.
        c: that the training part chose.
        seed: of the repeat.
    """

    clips: NDArray[np.int64]
    truths: NDArray[np.int64]
    classes: NDArray[np.int64]
    c: float
    seed: int


def splits_of(
    clips: Sequence[Clip], *, n_folds: int, seed: int, partitions: Partitions | None = None
) -> list[Split]:
    """The splits that the data prescribes, or stratified folds.

    Args:
        clips: labelled, at least where they are used.
        n_folds: how many folds to make where the data has none.
        seed: of made folds.
        partitions: judge by these once, instead of by folds.

    Raises:
        ConfigurationError: labels, folds or partitions are missing, or a training part has but one class.
    """
    if partitions is not None:
        found = [_between(clips, partitions)]
    else:
        check_labels(clips)
        held_out = held_out_in(clips, n_folds=n_folds, seed=seed)
        if held_out.sum(axis=0).max(initial=0) == len(clips):
            raise ConfigurationError("all clips are in one fold; two are needed")
        found = [
            Split(f"fold-{fold}", ~held_out[:, fold - 1], held_out[:, fold - 1])
            for fold in range(1, held_out.shape[1] + 1)
            if held_out[:, fold - 1].any()
        ]
        if not found:
            raise ConfigurationError("no fold holds anything out; remove the folds")
    for split in found:
        n_classes = len(
            {clip.label for clip, used in zip(clips, split.training, strict=True) if used}
        )
        if n_classes < 2:
            raise ConfigurationError(
                f"the training part of {split.name} has {n_classes} classes; two are needed"
            )
    return found


def check_labels(clips: Sequence[Clip]) -> tuple[str, ...]:
    """The labels in the order of their numbers.

    Raises:
        ConfigurationError: a clip has none, or all have the same.
    """
    refuse_unlabelled(clips)
    names = tuple(sorted({str(clip.label) for clip in clips}))
    if len(names) < 2:
        raise ConfigurationError(f"all clips are of the class {names[0]!r}; two classes are needed")
    return names


def rows_of(
    clips: Sequence[Clip], vectors: NDArray[np.float32], clip_rows: NDArray[np.int64]
) -> tuple[Rows, tuple[str, ...]]:
    """Rows as the classifiers want them, and the labels in the order of their numbers.

    A clip without a label has the number -1. ``folds`` are the official ones where each clip is in one, else
    0; they are used within a training part alone, to choose by.
    """
    names = tuple(sorted({clip.label for clip in clips if clip.label is not None}))
    numbers = {name: number for number, name in enumerate(names)}
    labels = np.array([numbers.get(clip.label or "", -1) for clip in clips], dtype=np.int64)
    folds = np.zeros(len(clips), dtype=np.int64)
    if all(clip.fold is not None for clip in clips):
        folds = np.array([clip.fold for clip in clips], dtype=np.int64)
    return Rows(vectors, clip_rows, labels, folds), names


def answer(rows: Rows, split: Split, method: Method, *, seed: int) -> Answer:
    """Teach one classifier and ask it."""
    clips, classes, c = answer_split(
        rows,
        split.training,
        split.tested,
        grid=method.grid,
        make=method.make,
        seed=seed,
        upsample=method.upsample,
        majority_vote=method.majority_vote,
    )
    return Answer(clips, rows.labels[clips], classes, c, seed)


def in_partitions(
    clips: Sequence[Clip], names: Sequence[str], *, labelled: bool
) -> NDArray[np.bool_]:
    """``(clips,)`` bool: those of some partitions.

    Raises:
        ConfigurationError: a partition has no clips, or has one without a label where ``labelled``.
    """
    for name in names:
        if not any(clip.partition == name for clip in clips):
            raise ConfigurationError(f"there are no clips in the partition {name!r}")
    chosen = np.array([clip.partition in names for clip in clips], dtype=np.bool_)
    for clip, used in zip(clips, chosen, strict=True):
        if labelled and used and clip.label is None:
            raise ConfigurationError(
                f"{clip.filename} in the partition {clip.partition!r} has no label; choose labelled partitions"
            )
    return chosen


def _between(clips: Sequence[Clip], partitions: Partitions) -> Split:
    return Split(
        "+".join(partitions.tested),
        in_partitions(clips, partitions.training, labelled=True),
        in_partitions(clips, partitions.tested, labelled=True),
    )
