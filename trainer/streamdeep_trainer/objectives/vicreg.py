"""Two crops of a clip alike, no two values alike, and none of them constant: without any other clip to tell apart.

VICReg (Bardes, Ponce and LeCun, "Variance-invariance-covariance regularization for self-supervised learning", ICLR
2022), equations 1 to 6: the second and third term keep the first from being met by embeddings that are all the same.
"""

import torch
from torch import Tensor

from streamdeep_trainer.models.networks import Network
from streamdeep_trainer.objectives.projection import TwoViews

_VARIANCE_FLOOR = 1e-4
"""Under the root, so that its gradient is finite; as in the paper."""


class Vicreg(TwoViews):
    """The weighted sum of the three terms, the second and third of both views."""

    def __init__(
        self,
        network: Network,
        *,
        invariance: float,
        variance: float,
        covariance: float,
        hidden: int,
        width: int,
    ) -> None:
        super().__init__(network, hidden=hidden, width=width)
        self._weights = (invariance, variance, covariance)

    def compared(self, first: Tensor, second: Tensor) -> Tensor:
        """The loss of projections ``(clips, width)``, of two clips at least."""
        invariance, variance, covariance = self._weights
        return (
            invariance * distance(first, second)
            + variance * (lack_of_deviation(first) + lack_of_deviation(second))
            + covariance * redundancy(first)
            + covariance * redundancy(second)
        )


def distance(first: Tensor, second: Tensor) -> Tensor:
    """Equation 5 as the authors' code has it: the mean squared difference, over values too."""
    return (first - second).square().mean()


def lack_of_deviation(views: Tensor) -> Tensor:
    """Equations 1 and 2: how far each value's deviation over ``(clips, width)`` stays below 1; the mean over values."""
    return torch.relu(1.0 - torch.sqrt(views.var(dim=0) + _VARIANCE_FLOOR)).mean()


def redundancy(views: Tensor) -> Tensor:
    """Equations 3 and 4: squared covariances of different values of ``(clips, width)``, summed, by the width."""
    width = views.shape[1]
    centred = views - views.mean(dim=0)
    covariances = centred.T @ centred / (len(views) - 1)
    between = ~torch.eye(width, dtype=torch.bool, device=views.device)
    return covariances[between].square().sum() / width
