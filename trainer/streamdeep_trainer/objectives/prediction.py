"""Frames to come, told by the causal outputs: what is at frame t knows of t and before, and tells t + k.

Autoregressive predictive coding (Chung et al., "An unsupervised autoregressive model for speech representation
learning", Interspeech 2019), here of one or several k at once, each with a linear map of its own, and with the root
mean square error of the other objectives instead of its L1. The larger k, the less the last frame alone helps.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from streamdeep_trainer.models.networks import Network
from streamdeep_trainer.models.rows import mask
from streamdeep_trainer.objectives.objective import Batch, MeanSquare
from streamdeep_trainer.objectives.squares import mean_square_where


class Prediction(MeanSquare):
    """It adds linear maps from the outputs that a readout can pool to the frames that lie ahead."""

    def __init__(self, network: Network, ahead_frames: Sequence[int]) -> None:
        """Choose what is told.

        Args:
            network: whose encoder runs forwards only.
            ahead_frames: how far each of the frames lies ahead, from 1.
        """
        shape = network.encoder.shape
        assert not shape.bidirectional, "an encoder that runs backwards has seen what it is to tell"
        super().__init__(network, nn.Linear(shape.n_outputs, len(ahead_frames) * shape.n_features))
        self._ahead_frames = tuple(ahead_frames)

    def predictions(self, batch: Batch) -> Tensor:
        """``(rows, time, ahead, features)`` in (-1, 1): at frame t what it tells of each of the frames ahead."""
        outputs, _ = self.encoder.run(batch.given, batch.lengths)
        told = torch.tanh(self.own(outputs))
        return told.reshape(*told.shape[:2], len(self._ahead_frames), -1)

    def forward(self, batch: Batch) -> Tensor:
        """The mean squared error over all frames ahead that lie within their rows; 0 if none does."""
        found, n_steps = self.predictions(batch), batch.frames.shape[1]
        valid = mask(batch.lengths, n_steps)[:, :, None]
        errors, counts = [], []
        for index, ahead in enumerate(self._ahead_frames):
            told = found[:, : max(n_steps - ahead, 0), index]
            errors.append(told - batch.frames[:, ahead:])
            counts.append(valid[:, ahead:].expand_as(errors[-1]))
        return mean_square_where(torch.cat(errors, dim=1), torch.cat(counts, dim=1))
