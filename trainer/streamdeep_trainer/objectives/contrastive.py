"""Two crops of a clip against the crops of all other clips of the batch.

NT-Xent, the normalised temperature-scaled cross entropy of SimCLR (Chen et al., "A simple framework for contrastive
learning of visual representations", ICML 2020, equation 1). The larger the batch, the more there is to tell apart.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from streamdeep_trainer.models.networks import Network
from streamdeep_trainer.objectives.projection import TwoViews


class Contrastive(TwoViews):
    """NT-Xent on projections."""

    def __init__(self, network: Network, *, temperature: float, hidden: int, width: int) -> None:
        super().__init__(network, hidden=hidden, width=width)
        self._temperature = temperature

    def compared(self, first: Tensor, second: Tensor) -> Tensor:
        """The loss of projections ``(clips, width)``."""
        return nt_xent(first, second, self._temperature)


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """How badly each view finds the other view of its clip among the views of all clips.

    Args:
        first: ``(clips, width)``, one view of each clip; its length does not matter.
        second: the other.
        temperature: cosines are divided by it.

    Returns:
        A scalar: the mean over all ``2 clips`` views of the cross entropy, whose right answer is one of
        ``2 clips - 1`` others.
    """
    views = normalize(torch.cat((first, second)), dim=1)
    alike = views @ views.T / temperature
    itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
    partner = torch.arange(len(views), device=views.device).roll(len(first))
    return cross_entropy(alike.masked_fill(itself, -torch.inf), partner)
