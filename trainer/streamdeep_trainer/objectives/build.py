"""From a recipe to its objective, with what it adds to the network as training begins with it."""

import numpy as np
import torch

from streamdeep_trainer.config import Recipe
from streamdeep_trainer.models.dictionary import Dictionary
from streamdeep_trainer.models.encoder_alone import EncoderAlone
from streamdeep_trainer.models.networks import Network
from streamdeep_trainer.models.patches import PatchShape
from streamdeep_trainer.objective_recipe import (
    ByolObjective,
    ClusterPredictionObjective,
    ContrastiveObjective,
    MaskedObjective,
    PredictionObjective,
    ReconstructionObjective,
    VicregObjective,
)
from streamdeep_trainer.objectives.byol import Byol
from streamdeep_trainer.objectives.cluster_prediction import ClusterPrediction
from streamdeep_trainer.objectives.contrastive import Contrastive
from streamdeep_trainer.objectives.masked import Masked
from streamdeep_trainer.objectives.objective import Objective
from streamdeep_trainer.objectives.prediction import Prediction
from streamdeep_trainer.objectives.reconstruction import Reconstruction
from streamdeep_trainer.objectives.vicreg import Vicreg

_OWN_WEIGHTS = (0, 1)
"""Tells their draws from those of the network, which are the seed's alone, and of the epochs, which count from 1."""


def build_objective(recipe: Recipe, network: Network) -> Objective:
    """The objective around a network; what it adds is drawn from the recipe's seed, whatever was drawn before.

    Args:
        recipe: of the run.
        network: of the recipe, with any weights.
    """
    random = np.random.default_rng((recipe.fit.seed, *_OWN_WEIGHTS))
    torch.manual_seed(int(random.integers(1 << 62)))
    wanted = recipe.objective
    match wanted:
        case ReconstructionObjective():
            assert not isinstance(network, Dictionary | EncoderAlone)
            return Reconstruction(network)
        case MaskedObjective():
            return Masked(network)
        case PredictionObjective():
            return Prediction(network, wanted.ahead_frames)
        case ClusterPredictionObjective():
            n_features = network.encoder.shape.n_features
            return ClusterPrediction(
                network,
                PatchShape(
                    n_features,
                    wanted.frames,
                    atoms=wanted.clusters,
                    components=wanted.components,
                ),
            )
        case ContrastiveObjective():
            return Contrastive(network, **wanted.model_dump(exclude={"kind"}))
        case VicregObjective():
            return Vicreg(network, **wanted.model_dump(exclude={"kind"}))
        case ByolObjective():
            return Byol(network, **wanted.model_dump(exclude={"kind"}))
