"""Foreign graphs in the operators that a model file may hold: what can be said in them is, and nothing else changes.

Constants become initialisers; ``Identity``, ``Dropout`` and what leads to another output go away; a recurrent layer that begins with
zeros need not be told so; ``Relu`` and ``LeakyRelu`` are maxima; ``Gemm`` is a product and a sum; a ``ReduceMean`` over time a running sum whose last value is divided by the number of frames, so that the order of
additions never changes. Not here: which operators are allowed (``streamdeep.onnxgraph``), and what the graph is for
(``wrap``).
"""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamdeep.errors import ModelError

LEAST_OPSET, MOST_OPSET = 13, 22
"""From 13 on axes and the like are inputs; what came later was not looked at."""
_TIME = 1
_RECURRENT = ("GRU", "LSTM")
_STATES = 5  # where the first states stand among their inputs


class _Rewriter:
    """One graph in the making."""

    def __init__(self, model: onnx.ModelProto, name: str) -> None:
        self._name = name
        self.constants = {one.name: one for one in model.graph.initializer}
        self.nodes: list[onnx.NodeProto] = []
        self._other_names: dict[str, str] = {}
        self._zeros: set[str] = set()

    def take(self, node: onnx.NodeProto) -> None:
        """The next node, in the order in which they run."""
        found = onnx.NodeProto()
        found.CopyFrom(node)
        del found.input[:]
        found.input.extend(self._other_names.get(name, name) for name in node.input)
        if found.op_type == "Constant":
            self._constant(found)
        elif found.op_type in ("Identity", "Dropout"):
            self._other_names[found.output[0]] = found.input[0]
        elif found.op_type == "Relu":
            zero = self._scalar("zero", 0.0)
            self._add("Max", [found.input[0], zero], found.output[0])
        elif found.op_type == "LeakyRelu":
            self._leaky(found)
        elif found.op_type == "Gemm":
            self._gemm(found)
        elif found.op_type == "ReduceMean":
            self._mean(found)
        else:
            if found.op_type == "ConstantOfShape" and _is_zero(found):
                self._zeros.add(found.output[0])
            if found.op_type in _RECURRENT:
                for place in range(_STATES, min(_STATES + 2, len(found.input))):
                    if found.input[place] in self._zeros:
                        found.input[place] = ""
            self.nodes.append(found)

    def needed_for(self, output: str) -> list[onnx.NodeProto]:
        """The nodes that lead to a value, in their order."""
        wanted, kept = {output}, []
        for node in reversed(self.nodes):
            if wanted.intersection(node.output):
                wanted.update(node.input)
                kept.append(node)
        return kept[::-1]

    def renamed(self, name: str) -> str:
        """What a value is called now."""
        return self._other_names.get(name, name)

    def _constant(self, node: onnx.NodeProto) -> None:
        [attribute] = node.attribute
        value = helper.get_attribute_value(attribute)
        if attribute.name == "value":
            tensor = value
        elif attribute.name in ("value_float", "value_floats"):
            tensor = numpy_helper.from_array(np.array(value, dtype=np.float32))
        elif attribute.name in ("value_int", "value_ints"):
            tensor = numpy_helper.from_array(np.array(value, dtype=np.int64))
        else:
            raise ModelError(f"{self._name} has a constant that is no number")
        self._keep(node.output[0], tensor)

    def _keep(self, name: str, tensor: onnx.TensorProto) -> None:
        kept = onnx.TensorProto()
        kept.CopyFrom(tensor)
        kept.name = name
        self.constants[name] = kept

    def _scalar(self, name: str, value: float) -> str:
        called = f"streamdeep_{name}"
        self._keep(called, numpy_helper.from_array(np.array(value, dtype=np.float32)))
        return called

    def _integers(self, *values: int) -> str:
        called = "streamdeep_int_" + "_".join(map(str, values))
        self._keep(called, numpy_helper.from_array(np.array(values, dtype=np.int64)))
        return called

    def _add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def _leaky(self, node: onnx.NodeProto) -> None:
        said = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        slope = said.get("alpha", 0.01)
        if not 0.0 <= slope <= 1.0:
            raise ModelError(f"{self._name} has a LeakyRelu with a slope of {slope:g}")
        output = node.output[0]
        slopes = self._scalar(f"slope_{slope:g}", slope)
        leaked = self._add("Mul", [node.input[0], slopes], f"{output}_leaked")
        self._add("Max", [node.input[0], leaked], output)

    def _gemm(self, node: onnx.NodeProto) -> None:
        said = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        weight = self.constants.get(node.input[1])
        plain = said.get("alpha", 1.0) == said.get("beta", 1.0) == 1.0 and not said.get("transA")
        if weight is None or not plain:
            raise ModelError(
                f"{self._name} has a Gemm that is more than a constant matrix and a sum"
            )
        output = node.output[0]
        matrix = numpy_helper.to_array(weight)
        kept = f"{output}_matrix"
        turned = np.ascontiguousarray(matrix.T if said.get("transB") else matrix)
        self._keep(kept, numpy_helper.from_array(turned))
        biased = len(node.input) > 2 and node.input[2]
        product = f"{output}_product" if biased else output
        self._add("MatMul", [node.input[0], kept], product)
        if biased:
            self._add("Add", [product, node.input[2]], output)

    def _mean(self, node: onnx.NodeProto) -> None:
        said = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        axes = said.get("axes")
        if axes is None and len(node.input) > 1 and node.input[1] in self.constants:
            axes = numpy_helper.to_array(self.constants[node.input[1]]).tolist()
        if axes != [_TIME]:
            raise ModelError(
                f"{self._name} takes a mean over the axes {axes}; over axis {_TIME}, time, it could be wrapped"
            )
        x, base = node.input[0], node.output[0]
        axis, last, end = self._integers(_TIME), self._integers(-1), self._integers(1 << 31)
        self._keep("streamdeep_time", numpy_helper.from_array(np.array(_TIME, dtype=np.int64)))
        sums = self._add("CumSum", [x, "streamdeep_time"], f"{base}_sums")
        total = self._add("Slice", [sums, last, end, axis], f"{base}_total")
        shape = self._add("Shape", [x], f"{base}_shape")
        frames = self._add("Gather", [shape, axis], f"{base}_frames")
        count = self._add("Cast", [frames], f"{base}_count", to=TensorProto.FLOAT)
        if said.get("keepdims", 1):
            self._add("Div", [total, count], base)
        else:
            mean = self._add("Div", [total, count], f"{base}_mean")
            self._add("Squeeze", [mean, axis], base)


def _is_zero(node: onnx.NodeProto) -> bool:
    values = [numpy_helper.to_array(one.t) for one in node.attribute if one.name == "value"]
    return all(not value.any() for value in values)


def in_allowed_operators(model: onnx.ModelProto, output: int, name: str) -> onnx.ModelProto:
    """What leads to one output, as far as it can be said in other operators.

    Args:
        model: with nodes in the order in which they run; it is not changed.
        output: its number; the others go away.
        name: what to call it in messages.

    Returns:
        A model that may still hold operators that are not allowed.

    Raises:
        ModelError: an operator set that is too old or too new, or an operator in a form that cannot be said.
    """
    opset = max((one.version for one in model.opset_import if not one.domain), default=0)
    if not LEAST_OPSET <= opset <= MOST_OPSET:
        raise ModelError(
            f"{name} is of operator set {opset}; export it with one from {LEAST_OPSET} to {MOST_OPSET}"
        )
    rewriter = _Rewriter(model, name)
    for node in model.graph.node:
        rewriter.take(node)
    written = onnx.ModelProto()
    written.CopyFrom(model)
    graph = written.graph
    for part in (graph.node, graph.initializer, graph.value_info):
        del part[:]
    kept = onnx.ValueInfoProto()
    kept.CopyFrom(graph.output[output])
    kept.name = rewriter.renamed(kept.name)
    del graph.output[:]
    graph.output.append(kept)
    nodes = rewriter.needed_for(kept.name)
    used = {one for node in nodes for one in node.input}
    graph.node.extend(nodes)
    graph.initializer.extend(
        tensor for called, tensor in rewriter.constants.items() if called in used
    )
    return written
