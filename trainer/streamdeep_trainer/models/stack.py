"""Layers on top of each other, in one direction or in two that do not know each other.

Two directions are auDeep's: one stack over the rows, another over the rows turned round, and the second
layer of either sees its own first layer only; torch's ``bidirectional`` mixes them between the layers and
is another network. States and outputs are listed layer by layer, in each forwards, then backwards. Not
here: the cells (``cells``), what is made of states and outputs (``encoder``, ``decoder``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from streamdeep_trainer.models.cells import Cell, make_layer, run_layer, state_width
from streamdeep_trainer.models.rows import reversed_rows

DropoutPlacement = Literal["between", "around"]
"""Between the layers once; or, as auDeep, before and after every layer, hence twice between two."""


@dataclass(frozen=True, slots=True)
class StackShape:
    """Everything that decides a stack's size and how it drops.

    Attributes:
        n_inputs: width of a step.
        units: of each layer; may be empty.
        cell: see :mod:`streamdeep_trainer.models.cells`.
        bidirectional: a second stack runs backwards.
        dropout: probability with which a value is dropped while training.
        dropout_placement: where.
    """

    n_inputs: int
    units: tuple[int, ...]
    cell: Cell = "gru"
    bidirectional: bool = False
    dropout: float = 0.0
    dropout_placement: DropoutPlacement = "between"

    @property
    def n_directions(self) -> int:
        """One or two."""
        return 2 if self.bidirectional else 1

    @property
    def n_outputs(self) -> int:
        """All layers' outputs side by side."""
        return self.n_directions * sum(self.units)

    @property
    def n_last_outputs(self) -> int:
        """The last layer's outputs."""
        return self.n_directions * self.units[-1]

    @property
    def state_widths(self) -> tuple[int, ...]:
        """Of each layer and direction, in the order of the states."""
        return tuple(
            state_width(self.cell, units) for units in self.units for _ in range(self.n_directions)
        )

    @property
    def state_width(self) -> int:
        """Of all states side by side."""
        return sum(self.state_widths)


def make_layers(shape: StackShape) -> nn.ModuleList:
    """The layers of one direction."""
    inputs = (shape.n_inputs, *shape.units[:-1])
    return nn.ModuleList(
        make_layer(shape.cell, width, units)
        for width, units in zip(inputs[: len(shape.units)], shape.units, strict=True)
    )


def run_stack(
    shape: StackShape,
    forwards: nn.ModuleList,
    backwards: nn.ModuleList | None,
    steps: Tensor,
    opening: Tensor | None,
    lengths: Tensor | None,
    *,
    training: bool,
) -> tuple[list[Tensor], Tensor]:
    """Run one direction, or both.

    Args:
        shape: of the stack.
        forwards: from :func:`make_layers`.
        backwards: the same again, or None.
        steps: ``(batch, time, inputs)``.
        opening: ``(batch, state width)``, all states side by side; None is zeros.
        lengths: ``(batch,)`` int64; None: every row is full.
        training: whether values are dropped.

    Returns:
        The outputs ``(batch, time, units)`` of each layer and direction, in the order of time, and the final
        states ``(batch, state width)`` side by side. A backward stack's final state is that after a row's
        first frame.
    """
    openings: Sequence[Tensor | None] = [None] * len(shape.state_widths)
    if opening is not None:
        openings = torch.split(opening, list(shape.state_widths), dim=1)
    stride = shape.n_directions
    outputs, finals = _run(shape, forwards, steps, openings[::stride], lengths, training=training)
    if backwards is not None:
        full = torch.full((len(steps),), steps.shape[1], device=steps.device)
        own = full if lengths is None else lengths
        turned, ends = _run(
            shape, backwards, reversed_rows(steps, own), openings[1::2], lengths, training=training
        )
        there_and_back = zip(outputs, (reversed_rows(rows, own) for rows in turned), strict=True)
        outputs = [rows for pair in there_and_back for rows in pair]
        finals = [state for pair in zip(finals, ends, strict=True) for state in pair]
    return outputs, torch.cat(finals, dim=1)


def _run(
    shape: StackShape,
    layers: nn.ModuleList,
    steps: Tensor,
    openings: Sequence[Tensor | None],
    lengths: Tensor | None,
    *,
    training: bool,
) -> tuple[list[Tensor], list[Tensor]]:
    def dropped(values: Tensor) -> Tensor:
        return nn.functional.dropout(values, shape.dropout, training)

    around = shape.dropout_placement == "around"
    outputs, finals = [], []
    for index, (layer, opening) in enumerate(zip(layers, openings, strict=True)):
        steps, final = run_layer(
            layer, dropped(steps) if index or around else steps, opening, lengths
        )
        if around:
            steps = dropped(steps)
        outputs.append(steps)
        finals.append(final)
    return outputs, finals
