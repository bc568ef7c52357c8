"""From embeddings to what two views of a clip are compared by; it is thrown away after training.

A hidden layer between the embedding and the comparison keeps in the embedding what the comparison wants to forget
(Chen et al., ICML 2020, section 4.2). Without batch normalisation, so that rows do not know of each other here.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from streamdeep_trainer.models.networks import Network
from streamdeep_trainer.objectives.objective import Batch, Objective


class TwoViews(Objective):
    """It adds the projection: a hidden layer with a rectifier, and a linear map."""

    def __init__(self, network: Network, *, hidden: int, width: int) -> None:
        dim = network.encoder.shape.embedding_dim
        layers = (nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, width))
        super().__init__(network, nn.Sequential(*layers))

    def projections(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """``(clips, width)`` float32 of the first views, and of the second."""
        found = self.own(self.encoder(batch.given, batch.lengths)).float()
        first, second = found.chunk(2)
        return first, second

    def forward(self, batch: Batch) -> Tensor:
        """The loss of both views of at least two clips, in full precision whatever the network's is."""
        first, second = self.projections(batch)
        with torch.autocast(first.device.type, enabled=False):
            return self.compared(first, second)

    def compared(self, first: Tensor, second: Tensor) -> Tensor:
        """The loss of projections ``(clips, width)``."""
        raise NotImplementedError

    def signs(self, batch: Batch) -> dict[str, float]:
        """How far projections are spread."""
        return {"spread": spread(torch.cat(self.projections(batch)))}


def spread(views: Tensor) -> float:
    """The root mean square distance of unit vectors from their mean: 0 if all are alike, 1 if none leans to another.

    Args:
        views: ``(rows, width)``; their lengths do not matter.
    """
    directions = normalize(views, dim=1)
    return float((directions - directions.mean(dim=0)).square().sum(dim=1).mean().sqrt())
