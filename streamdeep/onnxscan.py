"""How often a ``Scan`` may run: as often as there are frames, or as a number in the file says.

A tensor without columns takes no memory, however many rows it has, and so a ``Scan`` over one could go on
for years. Therefore its input must come from the frames by operators that add no rows; what this module does
not recognise is refused. Not here: what a ``Scan`` may do (``onnxgraph``).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from streamdeep.errors import ModelError

MAX_STEPS = 65536
"""Of a Scan over something else than frames, as the windows of a frame are."""
_ELEMENTWISE = frozenset({"Add", "Div", "Mul", "Sigmoid", "Sub", "Tanh"})
_FRAMES_FIRST, _FRAMES_SECOND = 0, 1


def check_scans(graph: onnx.GraphProto, name: str) -> None:
    """Refuse a ``Scan`` that could run for ever.

    Args:
        graph: its nodes in the order in which they run.
        name: what to call the file in messages.

    Raises:
        ModelError: a Scan over something that is not known to be short.
    """
    if all(node.op_type != "Scan" for node in graph.node):
        return
    bounds = _Bounds(graph)
    for node in graph.node:
        if node.op_type == "Scan" and not bounds.allow(node):
            raise ModelError(f"{name} has a Scan over something else than its frames")
        try:
            bounds.follow(node)
        except IndexError as error:
            raise ModelError(f"{name} has a {node.op_type} without inputs") from error


class _Bounds:
    """Which values have no more rows than there are frames, or than the file has bytes.

    Axis 0 of those in ``_short[0]``, axis 1 of those in ``_short[1]``.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._values = {tensor.name: tensor for tensor in graph.initializer if all(tensor.dims)}
        self._constants = set(self._values)
        self._short: tuple[set[str], set[str]] = (set(), {"frames"})
        self._frames = {"frames"}  # all frames, of all bands or some
        self._sizes: set[str] = set()  # batch and number of frames, and shapes that begin with them

    def allow(self, scan: onnx.NodeProto) -> bool:
        """Whether a Scan reads short inputs only, along their first axis."""
        attributes = _attributes(scan)
        n_read = attributes.get("num_scan_inputs", 0)
        read = list(scan.input)[len(scan.input) - n_read :] if n_read > 0 else []
        return (
            0 < n_read <= len(scan.input)
            and "scan_input_axes" not in attributes
            and "scan_output_axes" not in attributes
            and all(name in self._short[_FRAMES_FIRST] for name in read)
        )

    def follow(self, node: onnx.NodeProto) -> None:
        """Take note of what comes out of a node."""
        inputs, outputs = list(node.input), list(node.output)
        if node.op_type in ("Cast", "Mul") and self._constants.issuperset(inputs):
            self._constants.update(outputs)
        elif node.op_type == "Scan":  # behind the states stand rows, one a step
            n_states = len(inputs) - _attributes(node)["num_scan_inputs"]
            self._short[_FRAMES_FIRST].update(outputs[n_states:])
        elif node.op_type in ("GRU", "LSTM"):
            if inputs[0] in self._short[_FRAMES_FIRST]:
                self._short[_FRAMES_FIRST].add(outputs[0])
        elif self._gives_sizes(node):
            self._sizes.update(outputs)
        else:
            if self._takes_bands(node):
                self._frames.update(outputs)
            for axis in (_FRAMES_FIRST, _FRAMES_SECOND):
                if self._stays_short(node, axis):
                    self._short[axis].update(outputs)

    def _takes_bands(self, node: onnx.NodeProto) -> bool:
        if node.op_type != "Slice" or len(node.input) != 4:
            return False
        axes = self._integers(node.input[3])
        return len(axes) == 1 and axes[0] in (2, -1) and node.input[0] in self._frames

    def _gives_sizes(self, node: onnx.NodeProto) -> bool:
        if node.op_type == "Shape":
            return node.input[0] in self._frames and _attributes(node) == {"start": 0, "end": 2}
        return node.op_type == "Concat" and node.input[0] in self._sizes

    def _stays_short(self, node: onnx.NodeProto, axis: int) -> bool:
        inputs, short = list(node.input), self._short[axis]
        attributes = _attributes(node)
        if node.op_type == "Transpose":
            return attributes.get("perm") == [1, 0, 2] and inputs[0] in self._short[1 - axis]
        if node.op_type == "Reshape" and axis == _FRAMES_SECOND:
            shape = self._integers(inputs[1])
            return inputs[1] in self._sizes or (len(shape) > 1 and 0 < shape[1] <= MAX_STEPS)
        if node.op_type in _ELEMENTWISE and axis == _FRAMES_FIRST:
            known = all(name in short or name in self._constants for name in inputs)
            return known and any(name in short for name in inputs)
        if node.op_type == "MatMul" and axis == _FRAMES_FIRST:
            return inputs[0] in short and inputs[1] in self._constants
        if node.op_type in ("Concat", "Gather"):
            rest = inputs[1:] if node.op_type == "Concat" else []
            return attributes.get("axis") == 2 and all(name in short for name in [inputs[0], *rest])
        if node.op_type == "Squeeze" and axis == _FRAMES_FIRST:
            return inputs[0] in short and self._integers(inputs[-1]) == [1]
        return node.op_type == "Slice" and inputs[0] in short  # it takes rows away at most

    def _integers(self, name: str) -> Sequence[int]:
        tensor = self._values.get(name)
        if tensor is None or tensor.data_type != onnx.TensorProto.INT64 or len(tensor.dims) != 1:
            return []
        found: list[int] = np.asarray(numpy_helper.to_array(tensor)).tolist()
        return found


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Its whole numbers."""
    return {
        attribute.name: onnx.helper.get_attribute_value(attribute)
        for attribute in node.attribute
        if attribute.type in (onnx.AttributeProto.INT, onnx.AttributeProto.INTS)
    }
