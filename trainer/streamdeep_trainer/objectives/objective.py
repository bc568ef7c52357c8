"""What an objective is: a network with an encoder, what the objective adds to it, and a loss of a batch.

Not here: the kinds, a module each, and the loop that lowers the loss (``loop``).
"""

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from streamdeep_trainer.models.encoder import Encoder
from streamdeep_trainer.models.networks import Network
from streamdeep_trainer.objectives.squares import root

HIDDEN = 0.0
"""What the encoder is given in place of a hidden value: the middle of the range, so that it is no silence."""


class Batch(NamedTuple):
    """Crops, some rows of a batch or all of them.

    Attributes:
        frames: ``(rows, time, features)`` in [-1, 1]; where there are several views of each clip, all first
            views stand before all second ones, in the same order of clips.
        lengths: ``(rows,)`` int64; frames beyond do not count.
        hidden: bool like ``frames``, what the encoder is not given; None: nothing.
        n_frames: int64 scalar, frames of the whole batch.
    """

    frames: Tensor
    lengths: Tensor
    hidden: Tensor | None
    n_frames: Tensor

    def rows(self, some: slice) -> "Batch":
        """A part of it, which knows how large the whole is."""
        hidden = None if self.hidden is None else self.hidden[some]
        return self._replace(frames=self.frames[some], lengths=self.lengths[some], hidden=hidden)

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        hidden = None if self.hidden is None else self.hidden.to(device)
        return Batch(
            self.frames.to(device), self.lengths.to(device), hidden, self.n_frames.to(device)
        )

    @property
    def given(self) -> Tensor:
        """What the encoder is given, like ``frames``."""
        if self.hidden is None:
            return self.frames
        return self.frames.masked_fill(self.hidden, HIDDEN)


class Objective(nn.Module):
    """Called with a :class:`Batch`, it gives what these rows add to the batch's loss: a scalar.

    Attributes:
        network: what is trained; its ``encoder`` is what is exported.
        own: what is trained along and thrown away, such as a projection; no parameters where there is none.
        exponent: a batch's loss is this root of what its rows add up to, and an epoch's likewise of its batches'.
    """

    exponent: ClassVar[int] = 1

    def __init__(self, network: Network, own: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.own = own

    @property
    def encoder(self) -> Encoder:
        """What is exported."""
        return self.network.encoder

    def loss(self, total: Tensor) -> Tensor:
        """Of a whole batch, from what all its rows add up to."""
        return total

    def slope(self, loss: Tensor) -> Tensor:
        """Of the loss, by what the rows add up to."""
        return torch.ones_like(loss)

    def after_step(self) -> None:
        """What is not learnt by gradients follows what is: called when the optimiser has made a step."""

    def signs(self, batch: Batch) -> dict[str, float]:
        """What shows in the course of a run whether it goes well, beside the loss: name to value.

        Args:
            batch: some clips, always the same.
        """
        return {}


class MeanSquare(Objective):
    """An objective whose rows add up to a mean square; the loss is its root."""

    exponent = 2

    def loss(self, total: Tensor) -> Tensor:
        """The root."""
        return root(total)

    def slope(self, loss: Tensor) -> Tensor:
        """Of the root."""
        return 1.0 / (2.0 * loss)
