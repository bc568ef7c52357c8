"""The minimal gated layer: two products over all steps at once, then ``h' = z h + (1 - z) n`` in a ``Scan``.

ONNX has no operator for the recurrence, which is one multiplication and one addition a unit. ``Scan`` runs
exactly as often as there are steps. Without it, as a ``GRU`` of 16 units that takes the others as further
rows, the same bits cost the same at one row and twice as much at 64 (decision 9). Not here: other layers.
"""

import onnx
from onnx import TensorProto, helper

from streamdeep_trainer.graph.builder import Builder
from streamdeep_trainer.graph.sums import first_step
from streamdeep_trainer.graph.weights import MinimalLayer


def write_minimal(
    build: Builder,
    name: str,
    layer: MinimalLayer,
    steps: str,
    opening: str | None,
    *,
    back: bool = False,
) -> tuple[str, str]:
    """One layer.

    Args:
        build: where nodes go.
        name: what constants and nodes are called.
        layer: its weights.
        steps: ``(time, batch, inputs)``.
        opening: ``(batch, units)``, the state to begin from; None is zeros.
        back: from the last step to the first.

    Returns:
        The outputs ``(time, batch, units)`` in the order of time, and the state ``(batch, units)`` after the
        last step that was read.
    """
    units = layer.units
    product = build.node("MatMul", steps, build.constant(f"{name}_W", layer.weight_ih.T))
    gates = build.node("Add", product, build.constant(f"{name}_b", layer.bias_ih))
    axis = build.integers(2)
    parts = [
        build.node("Slice", gates, build.integers(start), build.integers(start + units), axis)
        for start in (0, units)
    ]
    keep, new = build.node("Sigmoid", parts[0]), build.node("Tanh", parts[1])
    given = build.node("Sub", new, build.node("Mul", keep, new))  # (1 - z) n
    directions = {"scan_input_directions": [1, 1], "scan_output_directions": [1]} if back else {}
    final, outputs = build.node(
        "Scan",
        _zeros(build, given) if opening is None else opening,
        keep,
        given,
        outputs=2,
        name=name,
        num_scan_inputs=2,
        body=_body(units),
        **directions,
    )
    return outputs, final


def _zeros(build: Builder, steps: str) -> str:
    """A state that has seen nothing, as wide as a step of ``(time, batch, units)``."""
    step = first_step(build, steps)
    found: str = build.node("Sub", step, step)
    return found


def _body(units: int) -> onnx.GraphProto:
    """One step; the state goes out twice, to the next step and to those who read the outputs."""

    def row(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ("batch", units))

    nodes = [
        helper.make_node("Mul", ["state", "keep"], ["kept"]),
        helper.make_node("Add", ["kept", "given"], ["next_state"]),
        helper.make_node("Identity", ["next_state"], ["output"]),
    ]
    return helper.make_graph(
        nodes,
        "step",
        [row("state"), row("keep"), row("given")],
        [row("next_state"), row("output")],
    )
