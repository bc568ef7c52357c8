"""A small causal convolution before the layers over time: each frame with the frames before it, through one linear map.

What stands before the first frame is that frame, repeated, as for a dictionary (``patches``). The exported graph is
the dictionary's too: shifted slices times a matrix, as a convolution over time would not be the same bits however the
sound is cut. Not here: the layers (``stack``).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from streamdeep_trainer.models.patches import patches_of


@dataclass(frozen=True, slots=True)
class StemShape:
    """Everything that decides a stem's size.

    Attributes:
        frames: that a unit sees: the newest and those before it.
        units: what comes out per frame.
    """

    frames: int = 3
    units: int = 64


class Stem(nn.Module):
    """``max(frames W + b, 0)``."""

    def __init__(self, shape: StemShape, n_features: int) -> None:
        super().__init__()
        self.shape = shape
        self.linear = nn.Linear(shape.frames * n_features, shape.units)

    def forward(self, frames: Tensor) -> Tensor:
        """``(batch, time, features)`` to ``(batch, time, units)``; causal."""
        return torch.relu(self.linear(patches_of(frames, self.shape.frames)))
