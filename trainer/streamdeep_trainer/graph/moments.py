"""Mean, deviation and maximum over time, followed step by step in a ``Scan``.

``mean += (x - mean) / n`` and ``squares += (x - old mean) (x - new mean)`` (Welford 1962): as exact as wide sums
where outputs stand still, with the narrow state, and cheaper than either in single steps (decision 9). Whole
segments cost more: 2.6 times narrow sums. Not here: sums (``sums``).
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamdeep_trainer.graph.builder import Builder
from streamdeep_trainer.graph.sums import first_step


def follow(build: Builder, outputs: str, opening: list[str] | None, width: int) -> list[str]:
    """Count ``(batch, 1)``, means, sums of squared deviations and maxima ``(batch, width)`` so far.

    Args:
        build: where nodes go.
        outputs: ``(time, batch, width)``.
        opening: the same four, before; None: nothing so far.
        width: of the outputs.
    """
    if opening is None:
        step = first_step(build, outputs)
        nothing = build.node("Sub", step, step)
        opening = [build.columns(nothing, 0, 1), nothing, nothing, nothing]
    count, means, squares, maxima = opening
    # A lane that has seen nothing has no maximum yet: minus infinity, not the zero that opened it.
    fresh = build.node("Equal", count, build.constant("zero", np.zeros(1, np.float32)))
    lowest = build.constant("minus_infinity", np.full(1, -np.inf, np.float32))
    maxima = build.node("Where", fresh, lowest, maxima)
    found: list[str] = build.node(
        "Scan",
        *(count, means, squares, maxima, outputs),
        outputs=4,
        name="moments",
        num_scan_inputs=1,
        body=_body(width),
    )
    return found


def _body(width: int) -> onnx.GraphProto:
    def rows(*names: str) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(
                name, TensorProto.FLOAT, ("batch", 1 if name.endswith("count") else width)
            )
            for name in names
        ]

    nodes = [
        helper.make_node("Add", ["count", "one"], ["new_count"]),
        helper.make_node("Sub", ["x", "mean"], ["from_old"]),
        helper.make_node("Div", ["from_old", "new_count"], ["share"]),
        helper.make_node("Add", ["mean", "share"], ["new_mean"]),
        helper.make_node("Sub", ["x", "new_mean"], ["from_new"]),
        helper.make_node("Mul", ["from_old", "from_new"], ["square"]),
        helper.make_node("Add", ["squares", "square"], ["new_squares"]),
        helper.make_node("Max", ["maximum", "x"], ["new_maximum"]),
    ]
    names = ("count", "mean", "squares", "maximum")
    # Its own constant: a body that reads from outside could not be put beside another (``fusion``).
    one = numpy_helper.from_array(np.ones(1, np.float32), "one")
    new_names = [f"new_{name}" for name in names]
    return helper.make_graph(nodes, "moments", rows(*names, "x"), rows(*new_names), [one])
