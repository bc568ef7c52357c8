"""The encoder's ONNX graph, written node by node.

Not ``torch.onnx.export``: it freezes the traced number of frames while declaring the axis dynamic. One
small function per piece; weights are plain arrays in torch's layout, so that nothing here needs torch.

What keeps the graph bit-identical over cuts, batch sizes and neighbours: every matrix product has a
constant right side (packed once), there is no convolution over time, and running sums are a cumulative
sum over ``[state, x...]``, so that the order of additions never changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 9
VARIANCE_FLOOR = 1e-4
"""Added under the root of a pooled variance; a unit that never moves has a deviation of 0.01."""


@dataclass(frozen=True, slots=True, eq=False)
class GruLayer:
    """Weights of one GRU layer in torch's layout, gates in the order reset, update, new.

    Attributes:
        weight_ih: ``(3 * units, inputs)``.
        weight_hh: ``(3 * units, units)``.
        bias_ih: ``(3 * units,)``.
        bias_hh: ``(3 * units,)``.
    """

    weight_ih: NDArray[np.float32]
    weight_hh: NDArray[np.float32]
    bias_ih: NDArray[np.float32]
    bias_hh: NDArray[np.float32]

    @property
    def units(self) -> int:
        """Width of the layer's state."""
        return int(self.weight_hh.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """``tanh(x W + b)`` on the concatenated final states.

    Attributes:
        weight: ``(inputs, dim)``.
        bias: ``(dim,)``.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class EncoderWeights:
    """Everything the graph is written from.

    Attributes:
        layers: first to last.
        readout: the final states through ``projection``, or running statistics of all layers' outputs.
        unit_means: ``(sum of units,)``, each unit's mean output over the training data; pooled only.
            Deviations are summed from it, so that the variance is not a difference of large numbers.
        projection: final only.
    """

    layers: Sequence[GruLayer]
    readout: Literal["final", "pooled"]
    unit_means: NDArray[np.float32] | None = None
    projection: Projection | None = None

    @property
    def n_units(self) -> int:
        """Units of all layers together."""
        return sum(layer.units for layer in self.layers)

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        if self.readout == "final":
            assert self.projection is not None
            return int(self.projection.weight.shape[1])
        return 3 * self.n_units

    @property
    def state_width(self) -> int:
        """Recurrent states; pooled also a count, two sums and a maximum per unit."""
        return self.n_units if self.readout == "final" else 4 * self.n_units + 1


@dataclass
class _Builder:
    """Nodes and constants in the making."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def constant(self, name: str, values: NDArray[Any]) -> str:
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def integers(self, *values: int) -> str:
        return self.constant(
            "int_" + "_".join(str(value) for value in values), np.array(values, dtype=np.int64)
        )

    def node(
        self,
        operator: str,
        *inputs: str,
        outputs: int = 1,
        name: str | None = None,
        **attributes: Any,
    ) -> Any:
        base = name or f"{operator.lower()}_{len(self.nodes)}"
        names = [base] if outputs == 1 else [f"{base}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def columns(self, x: str, start: int, stop: int) -> str:
        """``x[:, start:stop]``."""
        axis = self.integers(1)
        found: str = self.node("Slice", x, self.integers(start), self.integers(stop), axis)
        return found


def write_encoder(weights: EncoderWeights, n_features: int) -> onnx.ModelProto:
    """The graph of DESIGN's incremental contract, without metadata.

    Args:
        weights: see :class:`EncoderWeights`.
        n_features: width of a frame.

    Returns:
        ``frames (batch, time, features)``, ``state (batch, width)``, ``emit (k,)`` to ``state_out`` and
        ``embedding (k, dim)``.
    """
    build = _Builder()
    steps = build.node("Transpose", "frames", perm=[1, 0, 2])  # (time, batch, features)
    states, outputs, at = [], [], 0
    for index, layer in enumerate(weights.layers):
        opening = build.node(
            "Unsqueeze", build.columns("state", at, at + layer.units), build.integers(0)
        )
        steps, final = _gru(build, f"layer{index}", layer, steps, opening)
        outputs.append(steps)
        states.append(build.node("Squeeze", final, build.integers(0)))
        at += layer.units
    if weights.readout == "final":
        read = build.node("Concat", *states, axis=1) if len(states) > 1 else states[0]
        _final(build, weights, read)
        build.node("Concat", read, axis=1, name="state_out")
    else:
        joined = build.node("Concat", *outputs, axis=2) if len(outputs) > 1 else outputs[0]
        pools = _pooled(build, weights, joined)
        build.node("Concat", *states, *pools, axis=1, name="state_out")
    graph = helper.make_graph(
        build.nodes,
        "encoder",
        [
            helper.make_tensor_value_info(
                "frames", TensorProto.FLOAT, ["batch", "time", n_features]
            ),
            helper.make_tensor_value_info(
                "state", TensorProto.FLOAT, ["batch", weights.state_width]
            ),
            helper.make_tensor_value_info("emit", TensorProto.INT64, ["k"]),
        ],
        [
            helper.make_tensor_value_info(
                "state_out", TensorProto.FLOAT, ["batch", weights.state_width]
            ),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["k", weights.dim]),
        ],
        list(build.constants.values()),
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    model.producer_name = "streamdeep"
    return model


def _gru(build: _Builder, name: str, layer: GruLayer, steps: str, opening: str) -> tuple[str, str]:
    """One layer: ``(time, batch, inputs)`` to ``(time, batch, units)`` and ``(1, batch, units)``."""

    def reordered(values: NDArray[np.float32]) -> NDArray[np.float32]:
        reset, update, new = np.split(values, 3)  # torch: r z n; ONNX: z r h
        return np.concatenate((update, reset, new))

    bias = np.concatenate((reordered(layer.bias_ih), reordered(layer.bias_hh)))
    outputs, final = build.node(
        "GRU",
        steps,
        build.constant(f"{name}_W", reordered(layer.weight_ih)[None]),
        build.constant(f"{name}_R", reordered(layer.weight_hh)[None]),
        build.constant(f"{name}_B", bias[None]),
        "",
        opening,
        outputs=2,
        name=name,
        hidden_size=layer.units,
        linear_before_reset=1,  # torch's cell: the reset gate acts after the product
    )
    return build.node("Squeeze", outputs, build.integers(1)), final


def _final(build: _Builder, weights: EncoderWeights, read: str) -> None:
    """``tanh(states W + b)`` of the rows in ``emit``."""
    assert weights.projection is not None
    rows = build.node("Gather", read, "emit", axis=0)
    product = build.node("MatMul", rows, build.constant("projection_W", weights.projection.weight))
    summed = build.node("Add", product, build.constant("projection_b", weights.projection.bias))
    build.node("Tanh", summed, name="embedding")


def _pooled(build: _Builder, weights: EncoderWeights, outputs: str) -> list[str]:
    """Running mean, standard deviation and maximum over time; returns the new state's parts."""
    assert weights.unit_means is not None
    n_units, at = weights.n_units, weights.n_units
    means = build.constant("unit_means", weights.unit_means.astype(np.float32))
    count = build.columns("state", at, at + 1)
    sums = build.columns("state", at + 1, at + 1 + n_units)
    squares = build.columns("state", at + 1 + n_units, at + 1 + 2 * n_units)
    maxima = build.columns("state", at + 1 + 2 * n_units, at + 1 + 3 * n_units)

    deviations = build.node("Sub", outputs, means)
    new_sums = _running_sum(build, sums, deviations)
    new_squares = _running_sum(build, squares, build.node("Mul", deviations, deviations))
    n_steps = build.node(
        "Cast", build.node("Shape", "frames", start=1, end=2), to=TensorProto.FLOAT
    )
    new_count = build.node("Add", count, n_steps)
    # A lane that has seen nothing has no maximum yet: minus infinity, not the zero that opened it.
    fresh = build.node("Equal", count, build.constant("zero", np.zeros(1, np.float32)))
    floor = build.node(
        "Where", fresh, build.constant("minus_infinity", np.full(1, -np.inf, np.float32)), maxima
    )
    newest = build.node("ReduceMax", outputs, build.integers(0), keepdims=0)
    new_maxima = build.node("Max", floor, newest)

    def row(part: str) -> str:
        found: str = build.node("Gather", part, "emit", axis=0)
        return found

    mean_deviation = build.node("Div", row(new_sums), row(new_count))
    mean_square = build.node("Div", row(new_squares), row(new_count))
    variance = build.node("Sub", mean_square, build.node("Mul", mean_deviation, mean_deviation))
    positive = build.node("Max", variance, build.constant("zero", np.zeros(1, np.float32)))
    floored = build.node(
        "Add", positive, build.constant("variance_floor", np.full(1, VARIANCE_FLOOR, np.float32))
    )
    mean = build.node("Add", mean_deviation, means)
    build.node(
        "Concat", mean, build.node("Sqrt", floored), row(new_maxima), axis=1, name="embedding"
    )
    return [new_count, new_sums, new_squares, new_maxima]


def _running_sum(build: _Builder, state: str, values: str) -> str:
    """``state + values[0] + values[1] + ...``, added in this very order for any cut."""
    opening = build.node("Unsqueeze", state, build.integers(0))
    sequence = build.node("Concat", opening, values, axis=0)
    sums = build.node("CumSum", sequence, build.constant("axis_0", np.array(0, dtype=np.int64)))
    last = build.node(
        "Slice",
        sums,
        build.integers(-1),
        build.constant("end", np.array([2**62])),
        build.integers(0),
    )
    found: str = build.node("Squeeze", last, build.integers(0))
    return found
