"""Each frame by itself: its windows of bands through recurrent layers, to what the frame then is to others.

Not here: what stands behind it (``encoder``), and windows (``windows``).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from streamdeep_trainer.models.cells import Cell
from streamdeep_trainer.models.rows import drop_steps
from streamdeep_trainer.models.stack import StackShape, make_layers, run_stack
from streamdeep_trainer.models.windows import Windows


@dataclass(frozen=True, slots=True)
class FrequencyShape:
    """A frequency encoder: layers over the windows of one frame.

    Attributes:
        windows: of the bands.
        units: of each layer.
        cell: see :mod:`streamdeep_trainer.models.cells`.
        bidirectional: windows are read upwards and downwards; still causal in time.
        code: length of ``tanh`` of a linear map of the final states; None hands the states on as they are.
        dropout: between layers, while training.
        noise: probability with which a whole window is set to zero while training.
    """

    windows: Windows
    units: tuple[int, ...] = (64,)
    cell: Cell = "gru"
    bidirectional: bool = False
    code: int | None = None
    dropout: float = 0.0
    noise: float = 0.0

    @property
    def stack(self) -> StackShape:
        """Its layers."""
        return StackShape(
            n_inputs=self.windows.width,
            units=self.units,
            cell=self.cell,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
        )

    @property
    def n_outputs(self) -> int:
        """What comes out per frame."""
        return self.stack.state_width if self.code is None else self.code


class FrequencyEncoder(nn.Module):
    """Each frame on its own: its windows, one after the other, through recurrent layers."""

    def __init__(self, shape: FrequencyShape) -> None:
        super().__init__()
        self.shape = shape
        self.layers = make_layers(shape.stack)
        self.backward_layers = make_layers(shape.stack) if shape.bidirectional else None
        self.projection = (
            None if shape.code is None else nn.Linear(shape.stack.state_width, shape.code)
        )
        self.register_buffer("indices", torch.from_numpy(shape.windows.indices()), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """``(batch, time, bands)`` to ``(batch, time, outputs)``."""
        indices = self.get_buffer("indices")
        windows = frames.flatten(0, 1)[:, indices]  # (batch * time, windows, width)
        if self.training and self.shape.noise > 0.0:
            windows = drop_steps(windows, self.shape.noise)
        _, states = run_stack(
            self.shape.stack,
            self.layers,
            self.backward_layers,
            windows,
            None,
            None,
            training=self.training,
        )
        found = states if self.projection is None else torch.tanh(self.projection(states))
        return found.reshape(*frames.shape[:2], -1)
