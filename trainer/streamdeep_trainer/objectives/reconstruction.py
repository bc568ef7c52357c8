"""Reconstruction: the crop from its embedding, in reverse order, by the network's own decoder.

Sutskever et al. (2014) and auDeep (Freitag et al., JMLR 2017); see ``models.autoencoder``. The only objective that may
be spread over several devices: its rows need nothing of each other.
"""

from torch import Tensor, nn

from streamdeep_trainer.models.networks import Autoencoding
from streamdeep_trainer.objectives.objective import Batch, MeanSquare
from streamdeep_trainer.objectives.squares import share_of_mean_square


class Reconstruction(MeanSquare):
    """It adds nothing to the network: the decoder is the recipe's."""

    def __init__(self, network: Autoencoding) -> None:
        super().__init__(network, nn.ModuleList())

    def forward(self, batch: Batch) -> Tensor:
        """What these rows add to the batch's mean squared error."""
        found, target = self.network(batch.given, batch.lengths)
        return share_of_mean_square(found, target, batch.lengths, batch.n_frames)
