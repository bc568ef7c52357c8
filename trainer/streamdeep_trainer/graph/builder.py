"""Nodes and constants in the making. Not here: what they compute."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 9


@dataclass
class Builder:
    """A graph that grows node by node; values are known by their names."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """A constant under this name; the same name again must be the same values."""
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def integers(self, *values: int) -> str:
        """A constant int64 vector."""
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
        """Append a node; returns the name of its output, or a list of them."""
        base = name or f"{operator.lower()}_{len(self.nodes)}"
        names = [base] if outputs == 1 else [f"{base}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def columns(self, x: str, start: int, stop: int) -> str:
        """``x[:, start:stop]``."""
        axis = self.integers(1)
        found: str = self.node("Slice", x, self.integers(start), self.integers(stop), axis)
        return found

    def joined(self, parts: Sequence[str], axis: int) -> str:
        """Side by side along an axis; a single part is itself."""
        found: str = parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=axis)
        return found

    def model(
        self, name: str, inputs: dict[str, Sequence[Any]], outputs: dict[str, Sequence[Any]]
    ) -> onnx.ModelProto:
        """The finished graph; ``emit`` is int64, everything else float32."""

        def described(values: dict[str, Sequence[Any]]) -> list[onnx.ValueInfoProto]:
            return [
                helper.make_tensor_value_info(
                    key, TensorProto.INT64 if key == "emit" else TensorProto.FLOAT, list(axes)
                )
                for key, axes in values.items()
            ]

        graph = helper.make_graph(
            self.nodes, name, described(inputs), described(outputs), list(self.constants.values())
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )
        model.producer_name = "streamdeep"
        return model
