"""Mean, deviation and maximum over time, and how much there is of change, followed step by step in a ``Scan``.

``mean += (x - mean) / n`` and ``squares += (x - old mean) (x - new mean)`` (Welford 1962): as exact as wide sums
where outputs stand still, with the narrow state, and cheaper than either in single steps (decision 9). Whole
segments cost more: 2.6 times narrow sums. Where frames count differently, ``mean += w / W (x - mean)``, ``W`` being all
weights so far, and the squares times ``w`` (West, Communications of the ACM 22(9), 1979). Not here: sums (``sums``).
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamdeep_trainer.graph.builder import Builder
from streamdeep_trainer.graph.sums import first_step

_STATISTICS = ("mean", "squares", "maximum")
_CHANGES = ("change", "previous")


def follow(
    build: Builder,
    outputs: str,
    opening: list[str] | None,
    width: int,
    *,
    weights: str | None = None,
    changes: bool = False,
) -> list[str]:
    """Count ``(batch, 1)``, means, sums of squared deviations and maxima ``(batch, width)`` so far.

    Args:
        build: where nodes go.
        outputs: ``(time, batch, width)``.
        opening: the same four, or six, before; None: nothing so far.
        width: of the outputs.
        weights: like ``outputs``, above 0, what each counts; its sum ``(batch, width)`` is then the count. None: 1.
        changes: behind the maxima come the means of the absolute change from step to step, of which the first
            step has none, and the newest outputs.
    """
    names = (*_STATISTICS, *(_CHANGES if changes else ()))
    first = first_step(build, outputs)
    if opening is None:
        nothing = build.node("Sub", first, first)
        no_count = build.columns(nothing, 0, 1) if weights is None else nothing
        opening = [no_count, *[nothing] * len(names)]
    count, *pools = opening
    # A lane that has seen nothing has no maximum yet: minus infinity, not the zero that opened it.
    fresh = build.node("Equal", count, build.constant("zero", np.zeros(1, np.float32)))
    lowest = build.constant("minus_infinity", np.full(1, -np.inf, np.float32))
    for name, instead in (("maximum", lowest), ("previous", first)):
        if name in names:
            place = names.index(name)
            pools[place] = build.node("Where", fresh, instead, pools[place])
    found: list[str] = build.node(
        "Scan",
        *(count, *pools, outputs, *([] if weights is None else [weights])),
        outputs=1 + len(names),
        name="moments",
        num_scan_inputs=1 if weights is None else 2,
        body=_body(width, names, weighted=weights is not None),
    )
    return found


def _body(width: int, names: Sequence[str], *, weighted: bool) -> onnx.GraphProto:
    def rows(*names: str) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(
                name, TensorProto.FLOAT, ("batch", count_width if name.endswith("count") else width)
            )
            for name in names
        ]

    count_width = width if weighted else 1
    pull = "weighted" if weighted else "from_old"
    nodes = [
        helper.make_node("Add", ["count", "weight" if weighted else "one"], ["new_count"]),
        helper.make_node("Sub", ["x", "mean"], ["from_old"]),
        *([helper.make_node("Mul", ["from_old", "weight"], [pull])] if weighted else []),
        helper.make_node("Div", [pull, "new_count"], ["share"]),
        helper.make_node("Add", ["mean", "share"], ["new_mean"]),
        helper.make_node("Sub", ["x", "new_mean"], ["from_new"]),
        helper.make_node("Mul", [pull, "from_new"], ["square"]),
        helper.make_node("Add", ["squares", "square"], ["new_squares"]),
        helper.make_node("Max", ["maximum", "x"], ["new_maximum"]),
    ]
    if "change" in names:
        nodes += [
            helper.make_node("Sub", ["x", "previous"], ["rise"]),
            helper.make_node("Sub", ["previous", "x"], ["fall"]),
            helper.make_node("Max", ["rise", "fall"], ["size"]),
            helper.make_node("Sub", ["size", "change"], ["from_change"]),
            helper.make_node("Div", ["from_change", "new_count"], ["share_of_change"]),
            helper.make_node("Add", ["change", "share_of_change"], ["new_change"]),
            helper.make_node("Identity", ["x"], ["new_previous"]),
        ]
    # Its own constant: a body that reads from outside could not be put beside another (``fusion``).
    one = numpy_helper.from_array(np.ones(1, np.float32), "one")
    carried = ("count", *names)
    new_names = [f"new_{name}" for name in carried]
    read, constants = ["x", "weight"] if weighted else ["x"], [] if weighted else [one]
    return helper.make_graph(nodes, "moments", rows(*carried, *read), rows(*new_names), constants)
