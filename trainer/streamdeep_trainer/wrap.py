"""A foreign encoder as a model file: an ONNX network from frames to a vector, with the front-end that it wants before it.

Such a model waits for the segment's end (``incremental: false``). Its graph is said in the operators of a model file as far
as they go (``graph.allowed``); what then is left over is refused, because nothing shows that its embeddings would not
depend on their neighbours. There is no sound here, so that levels must be given and novelty is not told.
"""

import math
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamdeep import onnxfile
from streamdeep.config import FixedLevel, FrontendConfig
from streamdeep.encoder.contract import EncoderContract
from streamdeep.encoder.model import Model
from streamdeep.errors import ConfigurationError, ModelError
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.deviation import probes
from streamdeep_trainer.graph.allowed import in_allowed_operators
from streamdeep_trainer.graph.foreign import axes_of, only_input, output_number, read_network, shown
from streamdeep_trainer.modelfile import seal_model

Values = Literal["normalised", "decibels", "logarithms"]
"""What a network wants of a band: -1 to 1 between the levels; dB; or the natural logarithm of power."""

_FRAMES, _EMBEDDING = "frames", "embedding"
_DECIBELS_PER_NEPER = 10.0 / math.log(10.0)  # of power


def wrap_network(
    path: Path,
    recipe: Recipe,
    *,
    values: Values = "normalised",
    output: str | None = None,
    name: str | None = None,
) -> bytes:
    """Make a model file.

    Args:
        path: an ONNX network with one input: ``(batch, time, bands)``, ``(batch, bands, time)`` or
            ``(batch, 1, time, bands)`` float32, batch and time of any length.
        recipe: its front-end, with levels, and its segment.
        values: what the network wants.
        output: which of its outputs, ``(batch, dim)``; may be left out where there is one.
        name: what the model calls itself; the file's name if None.

    Returns:
        The bytes of a model file that has proven itself on this machine.

    Raises:
        ConfigurationError: the recipe has no levels, or values that do not go with it.
        ModelError: the network cannot be read, or cannot be said in a model file; one line.
    """
    frontend = _frontend(recipe, values)
    network = read_network(path)
    number = output_number(network.graph, output, path)
    graph = in_allowed_operators(network, number, str(path))
    left = sorted({node.op_type for node in graph.graph.node} - onnxfile.ENCODER_OPERATORS)
    if left:
        raise ModelError(
            f"{path} has operators that a model file may not hold: {', '.join(left)}; "
            "`compare` runs it as it is, as a system of the kind foreign"
        )
    dim = _name_ends(graph.graph, frontend, values, path)
    encoder = EncoderContract(
        cell="foreign", units=(), readout="final", dim=dim, state_width=0, incremental=False
    )
    content = seal_model(
        graph,
        frontend=frontend,
        segment=recipe.segment.config(frontend),
        encoder=encoder,
        provenance={
            "name": name or path.stem,
            "data": recipe.data,
            "licence": recipe.licence,
            "wrapped": {"file": path.name, "producer": network.producer_name, "values": values},
        },
    )
    _try_lengths(content, frontend, path)
    return content


def _frontend(recipe: Recipe, values: Values) -> FrontendConfig:
    wanted = recipe.frontend
    if wanted.level == "segment":
        if values != "normalised":
            raise ConfigurationError(
                f'{values} need a level that is fixed; write level = "fixed" in [frontend]'
            )
        return wanted.config(0.0, 0.0)
    if wanted.floor_db == "auto" or wanted.ceiling_db == "auto":
        raise ConfigurationError(
            "there is no sound to learn levels from; write floor_db and ceiling_db in [frontend]"
        )
    return wanted.config(wanted.floor_db, wanted.ceiling_db)


def _name_ends(
    graph: onnx.GraphProto,
    frontend: FrontendConfig,
    values: Values,
    path: Path,
) -> int:
    """Give input and output the names and shapes of a model file's; returns the length of an embedding."""
    given, found = only_input(graph, path), graph.output[0]
    nodes: list[onnx.NodeProto] = []
    last = _scaled(graph, nodes, frontend, values)
    _arranged(graph, nodes, last, given, frontend.n_features, path)
    shape = axes_of(found)
    dim = shape[-1] if shape else None
    if len(shape) != 2 or dim is None:
        raise ModelError(
            f"{path} gives {shown(shape)}; (batch, dim) with a known dim is needed: choose another output"
        )
    if shape[0] is not None:
        raise ModelError(f"{path} has a batch of {shape[0]}; export it with a batch of any length")
    for node in graph.node:
        for names in (node.input, node.output):
            for place, one in enumerate(names):
                names[place] = _EMBEDDING if one == found.name else one
    rest = list(graph.node)
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend([*nodes, *rest])
    frames: list[str | int | None] = ["batch", "time", frontend.n_features]
    graph.input.append(helper.make_tensor_value_info(_FRAMES, TensorProto.FLOAT, frames))
    embedding: list[str | int | None] = ["batch", dim]
    graph.output.append(helper.make_tensor_value_info(_EMBEDDING, TensorProto.FLOAT, embedding))
    return int(dim)


def _scaled(
    graph: onnx.GraphProto, nodes: list[onnx.NodeProto], frontend: FrontendConfig, values: Values
) -> str:
    """From -1 to 1 to what the network wants, band by band; the name of the value."""
    if values == "normalised":
        return _FRAMES
    unit = 1.0 if values == "decibels" else 1.0 / _DECIBELS_PER_NEPER
    spans, middles = [], []
    for view in frontend.views:
        assert isinstance(view.level, FixedLevel)
        floor, ceiling = view.level.floor_db, view.level.ceiling_db
        spans += [unit * (ceiling - floor) / 2.0] * view.width
        middles += [unit * (ceiling + floor) / 2.0] * view.width
    for called, numbers in (("span", spans), ("middle", middles)):
        array = np.array(numbers, dtype=np.float32)
        graph.initializer.append(numpy_helper.from_array(array, f"streamdeep_{called}"))
    nodes.append(helper.make_node("Mul", [_FRAMES, "streamdeep_span"], ["streamdeep_spanned"]))
    inputs = ["streamdeep_spanned", "streamdeep_middle"]
    nodes.append(helper.make_node("Add", inputs, ["streamdeep_values"]))
    return "streamdeep_values"


def _arranged(
    graph: onnx.GraphProto,
    nodes: list[onnx.NodeProto],
    last: str,
    given: onnx.ValueInfoProto,
    n_features: int,
    path: Path,
) -> None:
    """Bring ``(batch, time, bands)`` into the order of axes that the network's input has."""
    axes = axes_of(given)
    turned = len(axes) == 3 and axes[1] == n_features != axes[2]
    if len(axes) == 3 and axes[2] in (None, n_features) and not turned:
        place, free = None, axes[:2]
    elif turned:
        place = helper.make_node("Transpose", [last], [given.name], perm=[0, 2, 1])
        free = [axes[0], axes[2]]
    elif len(axes) == 4 and axes[1] == 1 and axes[3] in (None, n_features):
        second = numpy_helper.from_array(np.array([1], dtype=np.int64), "streamdeep_channel")
        graph.initializer.append(second)
        place = helper.make_node("Unsqueeze", [last, second.name], [given.name])
        free = [axes[0], axes[2]]
    else:
        raise ModelError(
            f"{path} takes {shown(axes)}, and a model file gives (batch, time, {n_features}); what takes samples "
            "is run as it is by `compare`, as a system of the kind foreign"
        )
    if any(axis is not None for axis in free):
        raise ModelError(
            f"{path} takes {shown(axes)}; a stream's last segment is shorter than the others, and several come "
            "at once: export it with a batch and a time of any length"
        )
    if place is not None:
        nodes.append(place)
        return
    for node in graph.node:
        for place_in, one in enumerate(node.input):
            node.input[place_in] = last if one == given.name else one


def _try_lengths(content: bytes, frontend: FrontendConfig, path: Path) -> None:
    """A segment at a stream's end may have a single frame."""
    model = Model(
        onnxfile.check(content, onnxfile.ENCODER_OPERATORS, "the new model"), "the new model"
    )
    for what, frames in probes(frontend.n_features):
        n_rows, length = frames.shape[:2]
        try:
            found = model.encode(frames)
        except ModelError as error:
            raise ModelError(
                f"{path} fails on {n_rows} rows of {length} frames: {error}"
            ) from error
        if not np.isfinite(found).all():
            raise ModelError(f"{path} gives no numbers for {length} frames of {what}")
