"""Weights stored small: the same graph, whose matrices are widened to float32 when it is loaded.

``fp16`` is widened by a ``Cast``, ``int8`` by a ``Cast`` and a ``Mul`` with one scale per output. ONNX Runtime
computes both once, before it packs the weights: so the speed is that of float32, and no promise about bits
changes. ``DequantizeLinear`` would be computed anew in every call. Only what matrix products multiply with is
stored small; biases, scales and unit means stay float32. Not here: how far the embeddings move (``deviation``).
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from streamdeep.errors import ModelError

WeightKind = Literal["fp32", "fp16", "int8"]

_INT8_MOST = 127
_OUTPUT_AXIS = {"GRU": -1, "LSTM": -1, "MatMul": 0}
"""The axis over which an output sums its inputs, in the constants of each operator."""


def narrow(model: onnx.ModelProto, kind: WeightKind) -> onnx.ModelProto:
    """Store a graph's matrices small.

    Args:
        model: with float32 weights; is not changed.
        kind: what to store; ``fp32`` changes nothing.

    Raises:
        ModelError: there are no float32 matrices, or one holds values that fp16 or int8 cannot.
    """
    small = onnx.ModelProto()
    small.CopyFrom(model)
    if kind == "fp32":
        return small
    axes = dict(_matrices(small.graph))
    if not axes:
        raise ModelError("the model has no float32 weights left to store small")
    stored: list[onnx.TensorProto] = []
    widening: list[onnx.NodeProto] = []
    for tensor in small.graph.initializer:
        if tensor.name not in axes:
            stored.append(tensor)
            continue
        values = numpy_helper.to_array(tensor)
        _refuse_unstorable(values, tensor.name, kind)
        name = f"{tensor.name}_{kind}"
        if kind == "fp16":
            stored.append(numpy_helper.from_array(values.astype(np.float16), name))
            widening.append(_cast(name, tensor.name))
            continue
        steps, scale = _as_int8(values, axes[tensor.name])
        scale_name, steps_name = f"{tensor.name}_scale", f"{tensor.name}_steps"
        stored += [numpy_helper.from_array(steps, name), numpy_helper.from_array(scale, scale_name)]
        widening += [
            _cast(name, steps_name),
            helper.make_node("Mul", [steps_name, scale_name], [tensor.name]),
        ]
    nodes = [*widening, *small.graph.node]
    del small.graph.initializer[:], small.graph.node[:]
    small.graph.initializer.extend(stored)
    small.graph.node.extend(nodes)
    return small


def _cast(name: str, result: str) -> onnx.NodeProto:
    return helper.make_node("Cast", [name], [result], to=TensorProto.FLOAT)


def _matrices(graph: onnx.GraphProto) -> Iterator[tuple[str, int]]:
    """Names of the float32 constants that matrix products multiply with, and the axis they sum over."""
    constants = {
        tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT
    }
    for node in graph.node:
        for name in node.input[1:3]:  # W and R of a layer; the right side of a product
            if node.op_type in _OUTPUT_AXIS and name in constants:
                yield name, _OUTPUT_AXIS[node.op_type]


def _refuse_unstorable(values: NDArray[np.float32], name: str, kind: WeightKind) -> None:
    largest = float(np.abs(values).max(initial=0.0))
    most = float(np.finfo(np.float16 if kind == "fp16" else np.float32).max)
    if not largest <= most:
        raise ModelError(
            f"the weights {name} reach {largest:g}, which {kind} cannot hold; the model is broken"
        )


def _as_int8(
    values: NDArray[np.float32], axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """The nearest multiples of one scale per output, whose largest weight becomes 127."""
    largest = np.abs(values).max(axis=axis, keepdims=True)
    scale = np.where(largest > 0, largest / _INT8_MOST, 1).astype(np.float32)
    steps = np.rint(values / scale).clip(-_INT8_MOST, _INT8_MOST)
    return steps.astype(np.int8), scale
