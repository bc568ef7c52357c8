"""What a model file costs: its weights, the products it computes, the time of a step. Measured, not estimated.

Multiplications are counted by running the graph and looking at the shapes that come along: of every matrix
product, convolution and recurrent layer. What is done element by element is not counted; nor is the front-end.
"""

import math
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from streamdeep import onnxfile
from streamdeep.encoder.model import Model, load_model
from streamdeep_trainer.comparing.system import Cost

_N_WARM_UP = 50
_N_STEPS = 300
_RECURRENT = ("GRU", "LSTM")
_PRODUCTS = ("MatMul", "Conv", "Gemm")
_NOBODY = np.empty(0, dtype=np.int64)
_FIRST = np.zeros(1, dtype=np.int64)


def cost_of(path: Path) -> Cost:
    """What running a model file costs.

    Args:
        path: of an encoder.

    Raises:
        ModelError: the file is not good.
    """
    model = load_model(path)
    content = path.read_bytes()
    return Cost(
        parameters=n_weights(onnx.ModelProto.FromString(content).graph),
        macs_per_s=_macs_per_s(model, content),
        step_us=step_us(model) if model.incremental else None,
        streamable=model.incremental,
    )


def n_weights(graph: onnx.GraphProto) -> int:
    """How many numbers with a fraction the graph holds: weights, biases and the means that sums are taken around."""
    kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    sizes = [math.prod(one.dims) for one in graph.initializer if one.data_type in kinds]
    return sum(sizes)


def step_us(model: Model) -> float:
    """Median microseconds of one frame of one stream on one thread, in a hot loop.

    Calls that come every 40 ms find cold caches and take longer (``docs/latency.md``); relations hold.
    """
    frame = np.zeros((1, 1, model.contract.frontend.n_features), dtype=np.float32)
    state, times = model.fresh_state(1), []
    for number in range(_N_WARM_UP + _N_STEPS):
        begun = time.perf_counter_ns()
        state, _ = model.step(frame, state, _NOBODY)
        if number >= _N_WARM_UP:
            times.append(time.perf_counter_ns() - begun)
    return float(np.median(times)) / 1e3


def _macs_per_s(model: Model, content: bytes) -> float:
    """Of one stream whose segments follow each other without overlap."""
    frontend, segment = model.contract.frontend, model.contract.segment
    frames_per_s = frontend.sample_rate_hz / frontend.hop_samples
    segments_per_s = frames_per_s / segment.length_frames
    if not model.contract.encoder.incremental:
        whole = np.zeros((1, segment.length_frames, frontend.n_features), dtype=np.float32)
        return macs(content, {"frames": whole}) * segments_per_s
    frame = np.zeros((1, 1, frontend.n_features), dtype=np.float32)
    step = {"frames": frame, "state": model.fresh_state(1)}
    per_frame = macs(content, step | {"emit": _NOBODY})
    per_segment = macs(content, step | {"emit": _FIRST}) - per_frame
    return per_frame * frames_per_s + per_segment * segments_per_s


def macs(
    content: bytes,
    inputs: Mapping[str, NDArray[np.generic]],
    operators: frozenset[str] = onnxfile.ENCODER_OPERATORS,
) -> int:
    """Multiplications with additions of one run of a model file.

    Args:
        content: of the file.
        inputs: of the graph, by name.
        operators: that it may hold.
    """
    model = onnx.ModelProto.FromString(content)
    graph = model.graph
    shapes: dict[str, tuple[int, ...]] = {one.name: tuple(one.dims) for one in graph.initializer}
    wanted: list[str] = []
    for node in graph.node:
        if node.op_type in _PRODUCTS or node.op_type in _RECURRENT:
            wanted += [name for name in (*node.input[:3], node.output[0]) if name not in shapes]
    known = {one.name for one in graph.output}
    shapes |= {name: values.shape for name, values in inputs.items()}
    asked = list(dict.fromkeys(name for name in wanted if name and name not in shapes))
    graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in asked if name not in known
    )  # the runtime knows their types
    name = "the model, to count its products"
    file = onnxfile.check(onnxfile.seal(model), operators, name)
    found = onnxfile.Session(file, name).run(asked, inputs) if asked else []
    shapes |= {one: values.shape for one, values in zip(asked, found, strict=True)}
    return sum(_macs_of(node, shapes) for node in graph.node)


def _macs_of(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    if node.op_type == "MatMul":
        return math.prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]
    if node.op_type == "Conv":
        return math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
    if node.op_type == "Gemm":
        return (
            math.prod(shapes[node.output[0]])
            * math.prod(shapes[node.input[1]])
            // (shapes[node.output[0]][-1])
        )
    if node.op_type in _RECURRENT:
        steps, rows, _ = shapes[node.input[0]]
        return steps * rows * (math.prod(shapes[node.input[1]]) + math.prod(shapes[node.input[2]]))
    return 0
