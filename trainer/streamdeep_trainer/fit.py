"""A training run from its opening to its last checkpoint.

What is decided once, and in this process alone: which clips are held out, the levels, the initial weights,
and whether a run may be resumed. Not here: the loop (``loop``), the processes that it may run in
(``devices``), learning without gradients (``clustering``), what becomes of the result (``export``).
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.building import untrained_network
from streamdeep_trainer.checkpoint import (
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
    weights_of,
)
from streamdeep_trainer.clustering.labels import learn_clusters
from streamdeep_trainer.clustering.learning import learn
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.devices import check_devices, on_devices
from streamdeep_trainer.levels import levels_of
from streamdeep_trainer.loop import n_batches, split, train
from streamdeep_trainer.model_recipe import DictionaryModel
from streamdeep_trainer.objective_recipe import ClusterPredictionObjective
from streamdeep_trainer.run_folder import CHECKPOINT
from streamdeep_trainer.spectrograms import Spectrograms


def fit(
    recipe: Recipe, spectrograms: Spectrograms, *, run: Path, resume: bool = False
) -> Checkpoint:
    """Train an encoder, or learn a dictionary.

    Args:
        recipe: what to do.
        spectrograms: of all clips it may see; a part is held out to measure the loss on.
        run: folder of the run, which holds no training yet unless ``resume``; the checkpoint in it is
            rewritten after each epoch, and is usable at any time.
        resume: go on from the checkpoint; front-end, segment, model, objective, augmentation and fit must be
            those it was begun with, except for the number of epochs.

    Returns:
        The last checkpoint; what came of the run is :meth:`Checkpoint.chosen`.

    Raises:
        ConfigurationError: the checkpoint was begun with another recipe, holds epochs and is not to be
            resumed, there are too few clips for a batch, or this machine does not have the devices.
        SourceError: the checkpoint was begun with other clips, or all of them are silent and clusters wanted.
        StreamdeepError: one of several processes failed.
    """
    torch.set_num_threads(recipe.fit.threads)
    check_devices(recipe.fit)
    path = run / CHECKPOINT
    state = _opening(recipe, spectrograms, path, resume=resume)
    training, _ = split(spectrograms, state.held_out)
    smallest_batch = len(training) // n_batches(len(training), recipe.fit)
    if smallest_batch < recipe.fit.devices:
        raise ConfigurationError(
            f"[fit] devices = {recipe.fit.devices}, and there are batches of {smallest_batch} clips; "
            "ask for fewer devices or larger batches"
        )
    if smallest_batch < recipe.objective.n_views:
        raise ConfigurationError(
            f"{recipe.objective.kind} compares clips, and there are batches of one; "
            "ask for larger batches or give more clips"
        )
    if state.n_epochs >= recipe.fit.epochs:
        return state
    if isinstance(recipe.model, DictionaryModel):
        learn(recipe, spectrograms, run)
    else:
        if isinstance(recipe.objective, ClusterPredictionObjective):
            learn_clusters(recipe, spectrograms, run)
        on_devices(recipe.fit, partial(train, recipe, spectrograms, run))
    return load_checkpoint(path)


def _opening(recipe: Recipe, spectrograms: Spectrograms, path: Path, *, resume: bool) -> Checkpoint:
    """The checkpoint to go on from: the one that is there, or the untrained network, which is written."""
    if spectrograms.frontend != recipe.frontend.stored():
        raise ConfigurationError(
            "the spectrograms were made by another front-end than the recipe's; make them again"
        )
    if resume:
        state = load_checkpoint(path)
        if _decisive(state.recipe) != _decisive(recipe):
            raise ConfigurationError(
                f"{path} was begun with another recipe; resume with that one, or choose another --out"
            )
        return state
    refuse_overwriting(path)
    names = list(dict.fromkeys(clip.filename for clip in spectrograms.clips))  # files, not chunks
    n_held_out = int(recipe.fit.validation_fraction * len(names))
    order = np.random.default_rng((recipe.fit.seed, 0)).permutation(len(names))
    held_out = tuple(names[row] for row in sorted(order[:n_held_out]))
    training, _ = split(spectrograms, held_out)
    state = Checkpoint(
        recipe=recipe,
        n_epochs=0,
        levels=levels_of(spectrograms.only(training), recipe.frontend),
        held_out=held_out,
        weights=weights_of(untrained_network(recipe)),
    )
    save_checkpoint(path, state)
    return state


def refuse_overwriting(path: Path) -> None:
    """So that no training is lost by a forgotten ``--resume``; an untrained checkpoint is no loss.

    Raises:
        ConfigurationError: there is a checkpoint with epochs done.
        ModelError: there is one that cannot be read.
    """
    if path.is_file() and (n_epochs := load_checkpoint(path).n_epochs):
        raise ConfigurationError(
            f"{path.parent} holds a run of {n_epochs} epochs; --resume goes on, or choose another --out"
        )


def _decisive(recipe: Recipe) -> dict[str, Any]:
    """The parts of a recipe that decide an epoch's weights."""
    return recipe.model_dump(
        include={"frontend", "segment", "model", "objective", "augment", "fit"}
    ) | {"fit": recipe.fit.model_dump(exclude={"epochs", "patience", "tensorboard", "threads"})}
