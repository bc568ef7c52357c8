"""Write a head file from a linear classifier: ``activation(embedding W + b)``.

By hand rather than by a converter: converters add operator domains of their own, and their one-row
results differ from many-row results. A scaler is folded into the weights before it comes here.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from streamdeep import onnxfile
from streamdeep.heads.head import METADATA_KEY, Head, HeadContract

OPSET, IR_VERSION = 18, 9


def folded(
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    mean: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fold ``(x - mean) / scale`` into a linear map: ``(classes, dim)`` weight and ``(classes,)`` bias."""
    scaled = weight / scale
    return scaled, bias - scaled @ mean


def write_linear_head(
    path: Path,
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    labels: tuple[str, ...],
    encoder_digest: bytes,
    *,
    activation: Literal["softmax", "sigmoid"] = "softmax",
    provenance: dict[str, Any] | None = None,
    extensions: dict[str, Any] | None = None,
) -> Head:
    """Write a head and load it again.

    Args:
        path: where to; replaced in one step.
        weight: ``(classes, dim)``.
        bias: ``(classes,)``.
        labels: one per class.
        encoder_digest: 32 bytes.
        activation: see :class:`HeadContract`.
        provenance: free; ``name`` is what the head is called on the wire.
        extensions: free.
    """
    n_classes, dim = weight.shape
    contract = HeadContract(
        format=1,
        labels=labels,
        encoder=encoder_digest.hex(),
        dim=dim,
        activation=activation,
        provenance=provenance or {},
        extensions=extensions or {},
    )
    # MatMul and Add rather than Gemm, whose one-row path may differ in the last bit.
    product = helper.make_node("MatMul", ["embedding", "weight"], ["product"])
    summed = helper.make_node("Add", ["product", "bias"], ["logits"])
    if activation == "softmax":
        last = helper.make_node("Softmax", ["logits"], ["probability"], axis=1)
    else:
        last = helper.make_node("Sigmoid", ["logits"], ["probability"])
    graph = helper.make_graph(
        [product, summed, last],
        "head",
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", dim])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n", n_classes])],
        [
            numpy_helper.from_array(np.ascontiguousarray(weight.T, dtype=np.float32), "weight"),
            numpy_helper.from_array(np.asarray(bias, dtype=np.float32), "bias"),
        ],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    model.producer_name = "streamdeep"
    model.metadata_props.add(key=METADATA_KEY, value=contract.model_dump_json())
    content = onnxfile.seal(model)
    head = Head(onnxfile.check(content, onnxfile.HEAD_OPERATORS, str(path)), str(path))
    onnxfile.write(path, content)
    return head
