"""Recurrent layers that all run alike: ``steps, opening state -> outputs, final state``.

``gru`` is torch's own (Cho et al. 2014 as cuDNN has it: the reset gate acts after the product).
``gru-reset-before`` is the original equation, which auDeep inherits from TensorFlow 1: the reset gate acts
on the state before the product. ``lstm`` is torch's own with TensorFlow 1's forget bias of 1. ``minimal``
has no product with its state and is several times cheaper. A layer's state is one flat vector per row:
``h``, or ``c`` and ``h`` side by side for an LSTM. Parameters carry torch's names in all. Not here: several
layers or directions (``stack``).
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from streamdeep_trainer.models.rows import last_steps

Cell = Literal["gru", "gru-reset-before", "lstm", "minimal"]

FORGET_BIAS = 1.0
"""Added to the forget gate, so that a fresh LSTM remembers (Gers et al. 2000; TensorFlow 1's default)."""


class ResetBeforeGru(nn.Module):
    """A GRU whose reset gate acts on the state before the product, as TensorFlow 1's and auDeep's.

    ``[r, z] = sigmoid(W x + R h + b)``, ``n = tanh(W x + R (r h) + b)``, ``h' = z h + (1 - z) n``
    (Cho et al. 2014, equations 5 to 8; ONNX ``linear_before_reset=0``). One bias: with the reset before
    the product a second one would be the same thing twice, and Adam would move it twice.

    Attributes:
        weight_ih_l0: ``(3 * units, inputs)``, gates in the order reset, update, new.
        weight_hh_l0: ``(3 * units, units)``.
        bias_ih_l0: ``(3 * units,)``.
    """

    def __init__(self, n_inputs: int, units: int) -> None:
        super().__init__()
        self.units = units
        self.weight_ih_l0 = nn.Parameter(torch.empty(3 * units, n_inputs))
        self.weight_hh_l0 = nn.Parameter(torch.empty(3 * units, units))
        self.bias_ih_l0 = nn.Parameter(torch.empty(3 * units))
        for parameter in self.parameters():  # as torch.nn.GRU
            nn.init.uniform_(parameter, -(units**-0.5), units**-0.5)

    def forward(self, steps: Tensor, opening: Tensor) -> Tensor:
        """``(batch, time, inputs)`` and ``(batch, units)`` to ``(batch, time, units)``."""
        sizes = [2 * self.units, self.units]
        gates_from_state, new_from_state = torch.split(self.weight_hh_l0, sizes)
        # What comes from the inputs is one product over all steps: (batch, time, 3 * units).
        from_inputs = functional.linear(steps, self.weight_ih_l0, self.bias_ih_l0)
        state, outputs = opening, []
        for inputs in from_inputs.unbind(1):
            for_gates, for_new = torch.split(inputs, sizes, dim=1)
            gates = torch.sigmoid(for_gates + functional.linear(state, gates_from_state))
            reset, update = gates.chunk(2, dim=1)
            new = torch.tanh(for_new + functional.linear(reset * state, new_from_state))
            state = torch.lerp(new, state, update)  # z h + (1 - z) n
            outputs.append(state)
        return torch.stack(outputs, dim=1)


class MinimalGru(nn.Module):
    """A GRU whose gate and candidate look at the input only, so that nothing is multiplied with its state.

    ``z = sigmoid(W_z x + b_z)``, ``n = tanh(W_n x + b_n)``, ``h' = z h + (1 - z) n`` (Feng et al. 2024; with
    ``tanh`` it is the QRNN of Bradbury et al. 2017 with a window of one frame).

    Attributes:
        weight_ih_l0: ``(2 * units, inputs)``, gates in the order update, new.
        bias_ih_l0: ``(2 * units,)``.
    """

    def __init__(self, n_inputs: int, units: int) -> None:
        super().__init__()
        self.units = units
        self.weight_ih_l0 = nn.Parameter(torch.empty(2 * units, n_inputs))
        self.bias_ih_l0 = nn.Parameter(torch.empty(2 * units))
        for parameter in self.parameters():  # as torch.nn.GRU
            nn.init.uniform_(parameter, -(units**-0.5), units**-0.5)

    def forward(self, steps: Tensor, opening: Tensor) -> Tensor:
        """``(batch, time, inputs)`` and ``(batch, units)`` to ``(batch, time, units)``."""
        update, new = functional.linear(steps, self.weight_ih_l0, self.bias_ih_l0).chunk(2, dim=2)
        update, new = torch.sigmoid(update), torch.tanh(new)
        state, outputs = opening, []
        for keep, given in zip(update.unbind(1), (new - update * new).unbind(1), strict=True):
            state = torch.addcmul(given, keep, state)  # (1 - z) n + z h
            outputs.append(state)
        return torch.stack(outputs, dim=1)


def make_layer(cell: Cell, n_inputs: int, units: int) -> nn.Module:
    """A layer with torch's initial weights."""
    if cell == "gru":
        return nn.GRU(n_inputs, units, batch_first=True)
    if cell == "gru-reset-before":
        return ResetBeforeGru(n_inputs, units)
    if cell == "minimal":
        return MinimalGru(n_inputs, units)
    layer = nn.LSTM(n_inputs, units, batch_first=True)
    # The second bias is the constant forget bias, and stays: torch's two biases are one thing twice.
    frozen = torch.zeros(4 * units)
    frozen[units : 2 * units] = FORGET_BIAS  # gates i f g o
    layer.bias_hh_l0 = nn.Parameter(frozen, requires_grad=False)
    return layer


def state_width(cell: Cell, units: int) -> int:
    """Floats in a layer's state."""
    return 2 * units if cell == "lstm" else units


def run_layer(
    layer: nn.Module, steps: Tensor, opening: Tensor | None, lengths: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Run a layer over padded rows.

    Args:
        layer: from :func:`make_layer`.
        steps: ``(batch, time, inputs)``.
        opening: ``(batch, state width)``; None is zeros.
        lengths: ``(batch,)`` int64, at least 1; None: every row is full.

    Returns:
        Outputs ``(batch, time, units)``, of which those beyond a row's length mean nothing, and the
        state ``(batch, state width)`` after each row's own last step.
    """
    if isinstance(layer, nn.LSTM):
        return _run_lstm(layer, steps, opening, lengths)
    if isinstance(layer, nn.GRU):
        outputs, _ = layer(steps, None if opening is None else opening[None].contiguous())
    else:
        assert isinstance(layer, (ResetBeforeGru, MinimalGru))
        outputs = layer(
            steps, steps.new_zeros(len(steps), layer.units) if opening is None else opening
        )
    return outputs, last_steps(outputs, lengths)


def _run_lstm(
    layer: nn.LSTM, steps: Tensor, opening: Tensor | None, lengths: Tensor | None
) -> tuple[Tensor, Tensor]:
    if opening is None:
        opening = steps.new_zeros(len(steps), 2 * layer.hidden_size)
    memory, hidden = opening.chunk(2, dim=1)
    if lengths is None or bool((lengths == steps.shape[1]).all()):
        state = (hidden[None].contiguous(), memory[None].contiguous())
        outputs, (hidden, memory) = layer(steps, state)
        return outputs, torch.cat((memory[0], hidden[0]), dim=1)
    # Torch gives c after the last step only, and rows end earlier. A packed sequence would have it too, in
    # 9.3 s per training step of 2 x 256 units against 2.5 s unrolled (one core).
    outputs, memories = _unrolled_lstm(layer, steps, memory, hidden)
    return outputs, torch.cat((last_steps(memories, lengths), last_steps(outputs, lengths)), dim=1)


def _unrolled_lstm(
    layer: nn.LSTM, steps: Tensor, memory: Tensor, hidden: Tensor
) -> tuple[Tensor, Tensor]:
    """``h`` and ``c`` of all steps, each ``(batch, time, units)``.

    ``c' = s(f) c + s(i) tanh(g)``, ``h' = s(o) tanh(c')`` with ``[i f g o] = W x + R h + b`` and the sigmoid
    ``s`` (Hochreiter and Schmidhuber 1997, Gers et al. 2000; no peepholes).
    """
    weight_ih, weight_hh, bias_ih, bias_hh = (
        layer.get_parameter(f"{name}_l0")
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    outputs, memories = [], []
    for inputs in functional.linear(steps, weight_ih, bias_ih + bias_hh).unbind(1):
        given, forget, new, output = (inputs + functional.linear(hidden, weight_hh)).chunk(4, dim=1)
        memory = torch.sigmoid(forget) * memory + torch.sigmoid(given) * torch.tanh(new)
        hidden = torch.sigmoid(output) * torch.tanh(memory)
        outputs.append(hidden)
        memories.append(memory)
    return torch.stack(outputs, dim=1), torch.stack(memories, dim=1)
