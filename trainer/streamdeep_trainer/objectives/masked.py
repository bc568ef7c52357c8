"""Masked frames and bands, told by the causal outputs at the same frame.

After TERA (Liu, Li and Lee, TASLP 2021), which masks both in time and in frequency, with the stretches of SpecAugment
(Park et al., Interspeech 2019) and one linear map. The encoder stays causal: a masked frame is told from what was
before it, a masked band also from the other bands of its frame. What was not masked does not count.
"""

import torch
from torch import Tensor, nn

from streamdeep_trainer.models.networks import Network
from streamdeep_trainer.models.rows import mask
from streamdeep_trainer.objectives.objective import Batch, MeanSquare
from streamdeep_trainer.objectives.squares import mean_square_where


class Masked(MeanSquare):
    """It adds a linear map from the outputs that a readout can pool to a frame."""

    def __init__(self, network: Network) -> None:
        shape = network.encoder.shape
        super().__init__(network, nn.Linear(shape.n_outputs, shape.n_features))

    def forward(self, batch: Batch) -> Tensor:
        """The mean squared error of all hidden values.

        Args:
            batch: with hidden values.
        """
        assert batch.hidden is not None
        outputs, _ = self.encoder.run(batch.given, batch.lengths)
        errors = torch.tanh(self.own(outputs)) - batch.frames
        valid = mask(batch.lengths, batch.frames.shape[1])[:, :, None]
        return mean_square_where(errors, batch.hidden & valid)
