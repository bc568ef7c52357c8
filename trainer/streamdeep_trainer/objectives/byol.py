"""What a slowly following copy of the network makes of one crop of a clip, told from the other; without other clips.

BYOL (Grill et al., "Bootstrap your own latent", NeurIPS 2020) as BYOL-A has it for sound (Niizumi et al., "BYOL for
audio", IJCNN 2021): the copy gets no gradient, its weights are a running mean of the network's, and a predictor
stands between the two. Nothing in the loss forbids that all clips become alike; ``signs`` shows whether they do.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from streamdeep_trainer.models.networks import Network
from streamdeep_trainer.objectives.objective import Batch, Objective
from streamdeep_trainer.objectives.projection import spread


class Byol(Objective):
    """It adds a projection, a predictor, and the copy of encoder and projection that follows them."""

    def __init__(self, network: Network, *, decay: float, hidden: int, width: int) -> None:
        """Begin with a copy that is equal.

        Args:
            network: any.
            decay: share of itself that each of the copy's weights keeps at a step.
            hidden: units of the hidden layers of projection and predictor.
            width: of what is compared.
        """
        projection = _two_layers(network.encoder.shape.embedding_dim, hidden, width)
        target = nn.ModuleDict({"encoder": network.encoder, "projection": projection})
        own = {
            "projection": projection,
            "predictor": _two_layers(width, hidden, width),
            "target": deepcopy(target).requires_grad_(False),
        }
        super().__init__(network, nn.ModuleDict(own))
        self._decay = decay

    def told(self, batch: Batch) -> Tensor:
        """``(rows, width)`` float32: what the network tells, from each view, of the clip's other view."""
        projected = self.own.get_submodule("projection")(self.encoder(batch.given, batch.lengths))
        found: Tensor = self.own.get_submodule("predictor")(projected)
        return found.float()

    def wanted(self, batch: Batch) -> Tensor:
        """``(rows, width)`` float32: what the copy makes of each view, which it is not to change for."""
        target = self.own.get_submodule("target")
        with torch.no_grad():
            embedded = target.get_submodule("encoder")(batch.given, batch.lengths)
            found: Tensor = target.get_submodule("projection")(embedded)
        return found.float()

    def forward(self, batch: Batch) -> Tensor:
        """The loss of both views of at least two clips, each told from the other, added up."""
        first, second = self.told(batch).chunk(2)
        first_wanted, second_wanted = self.wanted(batch).chunk(2)
        with torch.autocast(first.device.type, enabled=False):
            return distance(first, second_wanted) + distance(second, first_wanted)

    def after_step(self) -> None:
        """The copy follows (equation 1 of Grill et al.)."""
        projection = self.own.get_submodule("projection")
        newest = (*self.encoder.parameters(), *projection.parameters())
        with torch.no_grad():
            for weight, new in zip(
                self.own.get_submodule("target").parameters(), newest, strict=True
            ):
                weight.mul_(self._decay).add_(new, alpha=1.0 - self._decay)

    def signs(self, batch: Batch) -> dict[str, float]:
        """How far what is to be told is spread."""
        return {"spread": spread(self.wanted(batch))}


def distance(told: Tensor, wanted: Tensor) -> Tensor:
    """Equation 2 of Grill et al.: the mean squared distance of ``(clips, width)``, each made a unit vector; 0 to 4."""
    return 2.0 - 2.0 * cosine_similarity(told, wanted).mean()


def _two_layers(n_inputs: int, hidden: int, width: int) -> nn.Sequential:
    """As BYOL-A's; normalised by the batch at hand, in measuring too, because nothing of it outlives training."""
    return nn.Sequential(
        nn.Linear(n_inputs, hidden, bias=False),  # the normalisation has one
        nn.BatchNorm1d(hidden, track_running_stats=False),
        nn.ReLU(),
        nn.Linear(hidden, width),
    )
