"""A recurrent sequence-to-sequence autoencoder: frames to an embedding, and back in reverse order.

After Sutskever et al. (2014) and auDeep (Freitag et al., JMLR 2017), with three differences. The decoder
sees no part of what it has to reconstruct next: it runs in one direction and is fed the target shifted by
one frame (auDeep's bidirectional decoder reads its own target). The embedding may be the pooled outputs
instead of the final state. The cell is torch's own GRU, whose reset gate acts after the product. Not here:
the loss (``objectives``), the loop (``fit``), the exported graph (``graph``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from streamdeep_trainer.graph import VARIANCE_FLOOR

Readout = Literal["final", "pooled"]


@dataclass(frozen=True, slots=True)
class Shape:
    """Everything that decides the network's size.

    Attributes:
        n_features: width of a frame.
        units: units of each encoder layer.
        readout: tanh of a linear map of the final states, or statistics of all outputs over time.
        dim: length of the embedding where the readout is ``final``; ``pooled`` has 3 times the units.
        decoder_units: units of each decoder layer.
        dropout: probability with which a value between two layers is dropped while training.
        frame_dropout: probability with which a whole frame of the decoder's input is dropped while
            training, so that it has to rely on the embedding and not on the frame before.
    """

    n_features: int
    units: tuple[int, ...] = (256, 256)
    readout: Readout = "pooled"
    dim: int = 512
    decoder_units: tuple[int, ...] = (256, 256)
    dropout: float = 0.2
    frame_dropout: float = 0.0

    @property
    def embedding_dim(self) -> int:
        """Length of the embedding."""
        return self.dim if self.readout == "final" else 3 * sum(self.units)


class Encoder(nn.Module):
    """Frames to embedding; the part that is exported."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        inputs = (shape.n_features, *shape.units[:-1])
        self.layers = nn.ModuleList(
            nn.GRU(width, units, batch_first=True)
            for width, units in zip(inputs, shape.units, strict=True)
        )
        self.projection = (
            nn.Linear(sum(shape.units), shape.dim) if shape.readout == "final" else None
        )
        self.dropout = nn.Dropout(shape.dropout)

    def outputs(self, frames: Tensor) -> Tensor:
        """All layers' outputs side by side, ``(batch, time, features)`` to ``(batch, time, units)``."""
        found = []
        for index, layer in enumerate(self.layers):
            frames, _ = layer(frames if index == 0 else self.dropout(frames))
            found.append(frames)
        return torch.cat(found, dim=2)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Encode rows of different lengths.

        Args:
            frames: ``(batch, time, features)``; what lies beyond a row's length changes nothing.
            lengths: ``(batch,)`` int64, at least 1.

        Returns:
            ``(batch, dim)``.
        """
        outputs = self.outputs(frames)
        if self.projection is not None:
            last = outputs[torch.arange(len(outputs)), lengths - 1]  # (batch, units)
            return torch.tanh(self.projection(last))
        return pooled(outputs, lengths)


def pooled(outputs: Tensor, lengths: Tensor) -> Tensor:
    """Mean, standard deviation and maximum over each row's own frames, side by side.

    Args:
        outputs: ``(batch, time, units)``.
        lengths: ``(batch,)`` int64, at least 1.

    Returns:
        ``(batch, 3 * units)``; the deviation is ``sqrt(max(variance, 0) + 1e-4)``, as in the graph.
    """
    valid = mask(lengths, outputs.shape[1])[:, :, None]  # (batch, time, 1)
    n_frames = lengths[:, None].to(outputs.dtype)
    mean = (outputs * valid).sum(1) / n_frames
    # From the row's mean: torch has the whole row, so no difference of large numbers is needed.
    variance = (((outputs - mean[:, None]) * valid) ** 2).sum(1) / n_frames
    maximum = outputs.masked_fill(~valid, -torch.inf).amax(1)
    return torch.cat((mean, torch.sqrt(variance + VARIANCE_FLOOR), maximum), dim=1)


def mask(lengths: Tensor, n_steps: int) -> Tensor:
    """``(batch, time)`` bool: which steps lie within each row's length."""
    return torch.arange(n_steps, device=lengths.device)[None] < lengths[:, None]


def reversed_rows(frames: Tensor, lengths: Tensor) -> Tensor:
    """Each row turned round within its own length; what lies beyond stays where it is."""
    steps = torch.arange(frames.shape[1], device=frames.device)[None]  # (1, time)
    turned = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return torch.gather(frames, 1, turned[:, :, None].expand_as(frames))


class Decoder(nn.Module):
    """Embedding to frames; step ``t`` is given the embedding and the targets before ``t``, nothing else."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        inputs = (shape.n_features, *shape.decoder_units[:-1])
        self.bridge = nn.Linear(shape.embedding_dim, sum(shape.decoder_units))
        self.layers = nn.ModuleList(
            nn.GRU(width, units, batch_first=True)
            for width, units in zip(inputs, shape.decoder_units, strict=True)
        )
        self.output = nn.Linear(shape.decoder_units[-1], shape.n_features)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, embedding: Tensor, targets: Tensor) -> Tensor:
        """Reconstruct with teacher forcing.

        Args:
            embedding: ``(batch, dim)``.
            targets: ``(batch, time, features)``, what is to be reconstructed, in that order.

        Returns:
            ``(batch, time, features)`` in (-1, 1).
        """
        steps = torch.cat((torch.zeros_like(targets[:, :1]), targets[:, :-1]), dim=1)
        if self.training and self.shape.frame_dropout > 0.0:
            kept = torch.rand(steps.shape[:2], device=steps.device) >= self.shape.frame_dropout
            steps = steps * kept[:, :, None]
        opening = torch.tanh(self.bridge(embedding))
        states: Sequence[Tensor] = torch.tensor_split(
            opening, np.cumsum(self.shape.decoder_units)[:-1].tolist(), dim=1
        )
        for index, (layer, state) in enumerate(zip(self.layers, states, strict=True)):
            steps, _ = layer(steps if index == 0 else self.dropout(steps), state[None].contiguous())
        return torch.tanh(self.output(self.dropout(steps)))


class Autoencoder(nn.Module):
    """Encoder and decoder; the target is the input turned round in time."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape)
        self.decoder = Decoder(shape)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """``(batch, time, features)`` and ``(batch,)`` to reconstruction and target, both like ``frames``."""
        targets = reversed_rows(frames, lengths)
        return self.decoder(self.encoder(frames, lengths), targets), targets
