"""What the graph of a model file may hold: the operators of an allow-list, and nothing that reaches outside.

No functions, no external data, no operators of other domains. The only control flow is ``Scan``, with a body
of a few element-wise operators and no graph within it, over something that is known to be short. Not here: how
that is known (``onnxscan``), the file around the graph (``onnxfile``).
"""

import onnx

from streamdeep.errors import ModelError
from streamdeep.onnxscan import check_scans

MAX_NODES = 10_000

# Each of these is proven bit-identical over cuts, batch sizes and neighbours by a test that runs it in an
# exported graph. Conv and quantised products are not, and stay out.
ENCODER_OPERATORS = frozenset(
    {
        "Add",
        "Cast",
        "Concat",
        "CumSum",
        "Div",
        "Equal",
        "GRU",
        "Gather",
        "LSTM",
        "MatMul",
        "Max",
        "Mul",
        "ReduceMax",
        "Reshape",
        "Scan",
        "Shape",
        "Sigmoid",
    }
    | {"Slice", "Sqrt", "Squeeze", "Sub", "Tanh", "Transpose", "Unsqueeze", "Where"}
)
# Within a Scan, which is the only control flow.
SCAN_OPERATORS = frozenset({"Add", "Div", "Identity", "Max", "Mul", "Sub"})
HEAD_OPERATORS = frozenset({"Add", "MatMul", "Sigmoid", "Softmax"})


def check_graph(model: onnx.ModelProto, operators: frozenset[str], name: str) -> None:
    """Refuse a graph that holds anything else.

    Args:
        model: not yet run.
        operators: which may occur.
        name: what to call the file in messages.

    Raises:
        ModelError: an operator, a subgraph or a tensor that is not allowed, or too many nodes.
    """
    if model.functions:
        raise ModelError(f"{name} uses functions, which are not allowed")
    foreign = {opset.domain for opset in model.opset_import} - {"", "ai.onnx"}
    if foreign:
        raise ModelError(
            f"{name} uses operators of {', '.join(sorted(foreign))}; only standard ONNX is allowed"
        )
    bodies = [
        attribute.g
        for node in model.graph.node
        for attribute in node.attribute
        if node.op_type == "Scan" and attribute.HasField("g")
    ]
    n_nodes = sum(len(graph.node) for graph in (model.graph, *bodies))
    if n_nodes > MAX_NODES:
        raise ModelError(f"{name} has {n_nodes} nodes; a model may have {MAX_NODES}")
    tensors = _tensors(model.graph, operators, name, bodies_in="Scan")
    for body in bodies:
        tensors += _tensors(body, SCAN_OPERATORS, name)
    check_scans(model.graph, name)
    if any(
        tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data
        for tensor in tensors
    ):
        raise ModelError(
            f"{name} keeps data outside of its file, which is not allowed; export it as one file"
        )


def _tensors(
    graph: onnx.GraphProto, operators: frozenset[str], name: str, *, bodies_in: str | None = None
) -> list[onnx.TensorProto]:
    """A graph's constants, once its operators are found to be allowed."""
    if graph.sparse_initializer:
        raise ModelError(f"{name} uses sparse tensors, which are not allowed")
    tensors = list(graph.initializer)
    for node in graph.node:
        if node.op_type not in operators or node.domain not in ("", "ai.onnx"):
            raise ModelError(
                f"{name} uses the operator {node.op_type}, which is not on the allow-list"
            )
        for attribute in node.attribute:
            if attribute.graphs or (attribute.HasField("g") and node.op_type != bodies_in):
                raise ModelError(f"{name} uses control flow, which is not allowed")
            tensors += [attribute.t, *attribute.tensors]
    return tensors
