"""Recurrent layers as ONNX operators, in one direction or two that do not know each other.

A state is one row per lane: ``h`` for a GRU, ``c`` and ``h`` side by side for an LSTM, as in
``models.cells``. Not here: where states come from and go to (``encoder``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdeep_trainer.graph.builder import Builder
from streamdeep_trainer.graph.minimal import write_minimal
from streamdeep_trainer.graph.weights import (
    GruLayer,
    LstmLayer,
    MinimalLayer,
    Projection,
    RecurrentLayer,
)


@dataclass(frozen=True, slots=True)
class Ran:
    """What layers leave behind, listed layer by layer, in each forwards, then backwards.

    Attributes:
        outputs: each ``(time, batch, units)``.
        states: each ``(batch, state width)``; an LSTM's in two parts.
    """

    outputs: list[str]
    states: list[str]


def run_layers(
    build: Builder,
    name: str,
    layers: Sequence[RecurrentLayer],
    backward_layers: Sequence[RecurrentLayer],
    steps: str,
    state: str | None,
) -> Ran:
    """Layers on top of each other.

    Args:
        build: where nodes go.
        name: what constants and nodes are called, followed by the layer's number.
        layers: forwards.
        backward_layers: as many, from the last step to the first; or none.
        steps: ``(time, batch, inputs)``.
        state: ``(batch, all states)`` to begin from; None is zeros. Forwards only.
    """
    assert not (backward_layers and state), "layers that run backwards carry no state"
    found, back, at = Ran([], []), steps, 0
    for index, layer in enumerate(layers):
        steps, parts = _layer(build, f"{name}{index}", layer, steps, state, at)
        found.outputs.append(steps)
        found.states.extend(parts)
        at += layer.state_width
        if backward_layers:
            backward = backward_layers[index]
            back, parts = _layer(build, f"{name}{index}_back", backward, back, None, 0, back=True)
            found.outputs.append(back)
            found.states.extend(parts)
    return found


def _layer(
    build: Builder,
    name: str,
    layer: RecurrentLayer,
    steps: str,
    state: str | None,
    at: int,
    *,
    back: bool = False,
) -> tuple[str, list[str]]:
    """One layer: ``(time, batch, inputs)`` to ``(time, batch, units)`` and the parts of its new state."""
    if isinstance(layer, MinimalLayer):
        opening = None if state is None else build.columns(state, at, at + layer.units)
        outputs, final = write_minimal(build, name, layer, steps, opening, back=back)
        return outputs, [final]
    openings = []
    if state is not None:
        for start in range(at, at + layer.state_width, layer.units):
            part = build.columns(state, start, start + layer.units)
            openings.append(build.node("Unsqueeze", part, build.integers(0)))
    direction = {"direction": "reverse"} if back else {}
    if isinstance(layer, GruLayer):
        outputs, final = build.node(
            "GRU",
            steps,
            *_constants(build, name, layer, (1, 0, 2)),  # torch: r z n; ONNX: z r h
            *(["", *openings] if openings else []),
            outputs=2,
            name=name,
            hidden_size=layer.units,
            linear_before_reset=int(layer.reset_after),
            **direction,
        )
        finals = [final]
    else:
        outputs, hidden, memory = build.node(
            "LSTM",
            steps,
            *_constants(build, name, layer, (0, 3, 1, 2)),  # torch: i f g o; ONNX: i o f c
            *(["", *reversed(openings)] if openings else []),  # h before c
            outputs=3,
            name=name,
            hidden_size=layer.units,
            **direction,
        )
        finals = [memory, hidden]
    squeezed = build.node("Squeeze", outputs, build.integers(1))
    return squeezed, [build.node("Squeeze", final, build.integers(0)) for final in finals]


def _constants(
    build: Builder, name: str, layer: GruLayer | LstmLayer, order: Sequence[int]
) -> tuple[str, str, str]:
    """W, R and B, with the gates in ONNX's order."""

    def reordered(values: NDArray[np.float32]) -> NDArray[np.float32]:
        gates = np.split(values, len(order))
        return np.concatenate([gates[gate] for gate in order])

    bias = np.concatenate((reordered(layer.bias_ih), reordered(layer.bias_hh)))
    return (
        build.constant(f"{name}_W", reordered(layer.weight_ih)[None]),
        build.constant(f"{name}_R", reordered(layer.weight_hh)[None]),
        build.constant(f"{name}_B", bias[None]),
    )


def project(
    build: Builder, name: str, projection: Projection, rows: str, *, result: str | None = None
) -> str:
    """``tanh(rows W + b)``: ``(rows, inputs)`` to ``(rows, dim)``."""
    product = build.node("MatMul", rows, build.constant(f"{name}_W", projection.weight))
    summed = build.node("Add", product, build.constant(f"{name}_b", projection.bias))
    found: str = build.node("Tanh", summed, name=result)
    return found
