"""Which clips are put aside before anything is tried, so that the end can be judged by them.

A fold where the data has folds, a partition where it has those, else a fold that is made here. Not here: what
is done with either part (``bench``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.config import EvaluateRecipe
from streamdeep_trainer.datasets.clip import PARTITIONS, Clip
from streamdeep_trainer.datasets.folds import held_out_in
from streamdeep_trainer.evaluation.judging import splits_of

_TEST = "test"


@dataclass(frozen=True, slots=True)
class Aside:
    """The clips in two parts.

    Attributes:
        name: of the part that is put aside: ``fold 5``, ``partition test``.
        rest: all that trials may hear; in the folds that are left where these are two or more.
        final: what the end is judged by.
    """

    name: str
    rest: tuple[Clip, ...]
    final: tuple[Clip, ...]


def put_aside(
    clips: Sequence[Clip], recipe: EvaluateRecipe, *, final: str | None, labelled: bool
) -> Aside:
    """Divide the clips.

    Args:
        clips: of the whole data set.
        recipe: how many folds to make, and by which seed, where the data has none.
        final: number of a fold, or name of a partition. None: the partition ``test`` where there is one and
            there are no folds, else the last fold.
        labelled: both parts will be judged by labels.

    Raises:
        ConfigurationError: there is no such fold or partition, or too little is left to choose by.
    """
    has_folds = any(clip.fold is not None or clip.held_out is not None for clip in clips)
    partitions = {clip.partition for clip in clips}
    if final is None and not has_folds and _TEST in partitions:
        final = _TEST
    if final in PARTITIONS:
        found = _partition(clips, final, partitions)
    else:
        found = _fold(clips, recipe, final, has_folds=has_folds, labelled=labelled)
    if not found.rest or not found.final:
        raise ConfigurationError(
            f"with the {found.name} put aside, {len(found.rest)} clips are left and {len(found.final)} to judge by"
        )
    if labelled:
        splits_of(found.rest, n_folds=recipe.n_folds, seed=recipe.seeds[0])
        unlabelled = [clip.filename for clip in found.final if clip.label is None]
        if unlabelled:
            raise ConfigurationError(
                f"{unlabelled[0]} in the {found.name} has no label; put another one aside with --final-fold"
            )
    return found


def _partition(clips: Sequence[Clip], final: str, known: set[str | None]) -> Aside:
    if final not in known:
        raise ConfigurationError(f"there are no clips in the partition {final!r}")
    return Aside(
        f"partition {final}",
        _with_enough_folds([clip for clip in clips if clip.partition != final]),
        tuple(clip for clip in clips if clip.partition == final),
    )


def _fold(
    clips: Sequence[Clip],
    recipe: EvaluateRecipe,
    final: str | None,
    *,
    has_folds: bool,
    labelled: bool,
) -> Aside:
    if not has_folds and not labelled:
        order = np.random.default_rng(recipe.seeds[0]).permutation(len(clips))
        dealt = order % recipe.n_folds + 1
        clips = [replace(clip, fold=int(fold)) for clip, fold in zip(clips, dealt, strict=True)]
    held_out = held_out_in(clips, n_folds=recipe.n_folds, seed=recipe.seeds[0])
    numbers = [int(fold) for fold in np.flatnonzero(held_out.any(axis=0)) + 1]
    if not numbers:
        raise ConfigurationError("no fold holds anything out; remove the folds")
    if final is not None and final not in map(str, numbers):
        raise ConfigurationError(
            f"--final-fold {final} is none of the folds {', '.join(map(str, numbers))}, nor a partition"
        )
    number = int(final) if final is not None else numbers[-1]
    placed = clips
    if all(
        clip.held_out is None for clip in clips
    ):  # else a clip may be in several, and they are its own
        folds = held_out.argmax(axis=1) + 1
        placed = [replace(clip, fold=int(fold)) for clip, fold in zip(clips, folds, strict=True)]
    parts = list(zip(placed, held_out[:, number - 1], strict=True))
    return Aside(
        f"fold {number}",
        _with_enough_folds([clip for clip, out in parts if not out]),
        tuple(clip for clip, out in parts if out),
    )


def _with_enough_folds(clips: list[Clip]) -> tuple[Clip, ...]:
    """As they are if every clip has a place in two or more folds; else without folds, which are then made."""
    official = {clip.fold for clip in clips}
    overlapping = {fold for clip in clips for fold in clip.held_out or ()}
    placed = None not in official or all(clip.held_out is not None for clip in clips)
    enough = len(official - {None}) >= 2 or len(overlapping) >= 2
    return tuple(clips) if placed and enough else tuple(map(_free, clips))


def _free(clip: Clip) -> Clip:
    return replace(clip, fold=None, held_out=None)
