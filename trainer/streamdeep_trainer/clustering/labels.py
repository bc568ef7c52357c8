"""Clusters of patches for training that is to tell them: learnt once, before the first epoch.

The same patches, whitening and k-means as dictionaries have, over all bands of a few frames. Kept in the checkpoint
with what the objective adds, so that a run that goes on has the same ones. Not here: telling them
(``objectives.cluster_prediction``).
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from streamdeep_trainer.checkpoint import (
    load_checkpoint,
    network_from,
    save_checkpoint,
    weights_of,
)
from streamdeep_trainer.clustering.kmeans import first_atoms, improved, whitening_of
from streamdeep_trainer.clustering.learning import refuse_silence
from streamdeep_trainer.clustering.patches import PatchSource
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.loop import split
from streamdeep_trainer.objective_recipe import ClusterPredictionObjective
from streamdeep_trainer.objectives.build import build_objective
from streamdeep_trainer.objectives.cluster_prediction import ClusterPrediction
from streamdeep_trainer.progress import track
from streamdeep_trainer.run_folder import CHECKPOINT
from streamdeep_trainer.spectrograms import Spectrograms

_CLUSTERS = (0, 3)
"""Tells their draws from those of epochs, which count from 1."""


def learn_clusters(recipe: Recipe, spectrograms: Spectrograms, run: Path) -> None:
    """Learn the clusters from the training clips, unless the run's checkpoint has them already.

    Args:
        recipe: of such an objective.
        spectrograms: of all clips; labels are not looked at.
        run: folder of the run.

    Raises:
        SourceError: too few patches are not silent.
    """
    state = load_checkpoint(run / CHECKPOINT)
    if state.own_weights:
        return
    wanted = recipe.objective
    assert isinstance(wanted, ClusterPredictionObjective)
    objective = build_objective(recipe, network_from(state))
    assert isinstance(objective, ClusterPrediction)
    clusters = objective.clusters
    training, _ = split(spectrograms, state.held_out)
    source = PatchSource(spectrograms, recipe, state.levels)
    drawn = partial(source.draw, training, wanted.patches, clusters.shape, gain_db=0.0)
    refuse_silence(sum(map(len, drawn())), wanted.patches, wanted.clusters)
    mean, whitening = whitening_of(drawn(), wanted.components)
    clusters.mean.copy_(mean)
    clusters.whitening.copy_(whitening)
    directions = torch.cat([normalize(clusters.whitened(some), dim=1) for some in drawn()])
    random = np.random.default_rng((recipe.fit.seed, *_CLUSTERS))
    atoms = first_atoms(directions, wanted.clusters, random)
    for _ in track(range(wanted.passes), wanted.passes, "clusters"):
        atoms, _ = improved(atoms, directions, random)
    clusters.atoms.copy_(atoms)
    save_checkpoint(run / CHECKPOINT, replace(state, own_weights=weights_of(objective.own)))
