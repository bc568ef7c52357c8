"""Several single-view models as one file that streams: side by side, in one graph.

Each part sees its own columns of the frame and its own columns of the state, and their embeddings stand
side by side. Nothing in a part changes, so the fused embeddings equal, bit for bit, those of the single
files concatenated; views of one window share their FFTs. Not here: fusing tables of embeddings
(``tables``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import compose, helper, numpy_helper

from streamdeep import onnxfile
from streamdeep.config import FrontendConfig
from streamdeep.encoder.contract import EncoderContract, Floats, StatisticsContract
from streamdeep.encoder.model import Model
from streamdeep.errors import ConfigurationError, MismatchError
from streamdeep_trainer.modelfile import seal_model


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One of the models to be fused.

    Attributes:
        name: what to call it in messages.
        model: loaded and proven.
        graph: its bytes, parsed.
    """

    name: str
    model: Model
    graph: onnx.ModelProto


def load_part(path: Path) -> Part:
    """Load and prove a model file.

    Raises:
        ModelError: as :func:`streamdeep.encoder.model.load_model`.
    """
    file = onnxfile.read(path, onnxfile.ENCODER_OPERATORS)
    model = Model(file, str(path))
    model.prove()
    return Part(str(path), model, onnx.ModelProto.FromString(file.content))


def fuse_models(
    parts: Sequence[Part],
    *,
    name: str,
    statistics: StatisticsContract | None = None,
    projection: Floats | None = None,
) -> bytes:
    """Fuse models of equal rate, hop and segment into one.

    Args:
        parts: at least two; their views stand in this order.
        name: what the fused model is called.
        statistics: of its training embeddings, where they are known; without, it tells no novelty.
        projection: of the same, to draw maps.

    Returns:
        The bytes of a model file, proven on this machine.

    Raises:
        ConfigurationError: fewer than two.
        MismatchError: the parts differ in what a fused model has but once; names what.
        ModelError: the fused graph breaks the parity promise.
    """
    if len(parts) < 2:
        raise ConfigurationError("fusion takes two models or more")
    first = parts[0].model.contract
    for part in parts[1:]:
        _check_alike(parts[0], part)
    contracts = [part.model.contract for part in parts]
    frontend = FrontendConfig.model_validate(
        first.frontend.model_dump()
        | {"views": [view.model_dump() for found in contracts for view in found.frontend.views]}
    )
    encoder = EncoderContract(
        cell=" + ".join(dict.fromkeys(found.encoder.cell for found in contracts)),
        units=tuple(units for found in contracts for units in found.encoder.units),
        readout=first.encoder.readout,
        dim=sum(found.encoder.dim for found in contracts),
        state_width=sum(found.encoder.state_width for found in contracts),
        incremental=first.encoder.incremental,
    )
    provenance = {
        "name": name,
        "fused": [
            {
                "sha256": part.model.digest.hex(),
                "dim": part.model.contract.encoder.dim,
                **part.model.contract.provenance,
            }
            for part in parts
        ],
    }
    return seal_model(
        _join(parts, frontend.n_features, encoder),
        frontend=frontend,
        segment=first.segment,
        encoder=encoder,
        level=first.level,
        provenance=provenance,
        statistics=statistics,
        projection=projection,
    )


def _check_alike(first: Part, other: Part) -> None:
    left, right = first.model.contract, other.model.contract
    single = {"views"}
    if left.frontend.model_dump(exclude=single) != right.frontend.model_dump(exclude=single):
        differing = [
            key
            for key in FrontendConfig.model_fields
            if key not in single and getattr(left.frontend, key) != getattr(right.frontend, key)
        ]
        raise MismatchError(
            f"{first.name} and {other.name} differ in frontend.{', frontend.'.join(differing)}; "
            "train them with the same (views of several channels with fusion = 'spectra')"
        )
    for what, one, two in (
        ("segment", left.segment, right.segment),
        ("resampler", left.resampler, right.resampler),
        ("encoder.incremental", left.encoder.incremental, right.encoder.incremental),
        ("encoder.readout", left.encoder.readout, right.encoder.readout),
    ):
        if one != two:
            raise MismatchError(f"{first.name} and {other.name} differ in {what}: {one} and {two}")


def _join(parts: Sequence[Part], n_features: int, encoder: EncoderContract) -> onnx.ModelProto:
    """One graph: slices of the inputs, the parts under names of their own, outputs side by side."""
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = [numpy_helper.from_array(np.array([-1]), "last_axis")]

    def columns(source: str, name: str, start: int, stop: int) -> None:
        bounds = [f"{name}_start", f"{name}_stop"]
        for bound, value in zip(bounds, (start, stop), strict=True):
            constants.append(numpy_helper.from_array(np.array([value]), bound))
        nodes.append(helper.make_node("Slice", [source, *bounds, "last_axis"], [name]))

    frame_at = state_at = 0
    for index, part in enumerate(parts):
        prefix = f"part{index}_"
        graph = compose.add_prefix(part.graph, prefix).graph
        contract = part.model.contract
        width = contract.frontend.n_features
        columns("frames", f"{prefix}frames", frame_at, frame_at + width)
        frame_at += width
        if encoder.incremental:
            state_width = contract.encoder.state_width
            columns("state", f"{prefix}state", state_at, state_at + state_width)
            state_at += state_width
            for node in graph.node:  # one list of rows for all: an identity needs no operator
                for place, used in enumerate(node.input):
                    if used == f"{prefix}emit":
                        node.input[place] = "emit"
        nodes.extend(graph.node)
        constants.extend(graph.initializer)
    outputs = {"embedding": encoder.dim} | (
        {"state_out": encoder.state_width} if encoder.incremental else {}
    )
    for output in outputs:
        names = [f"part{index}_{output}" for index in range(len(parts))]
        nodes.append(helper.make_node("Concat", names, [output], axis=1))
    return _model(nodes, constants, n_features, encoder, parts[0].graph)


def _model(
    nodes: list[onnx.NodeProto],
    constants: list[onnx.TensorProto],
    n_features: int,
    encoder: EncoderContract,
    like: onnx.ModelProto,
) -> onnx.ModelProto:
    floats, integers = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    value = helper.make_tensor_value_info
    inputs = [value("frames", floats, ["batch", "time", n_features])]
    outputs = [value("embedding", floats, ["k" if encoder.incremental else "batch", encoder.dim])]
    if encoder.incremental:
        inputs += [
            value("state", floats, ["batch", encoder.state_width]),
            value("emit", integers, ["k"]),
        ]
        outputs.append(value("state_out", floats, ["batch", encoder.state_width]))
    graph = helper.make_graph(nodes, "fused encoder", inputs, outputs, constants)
    model = helper.make_model(
        graph, opset_imports=list(like.opset_import), ir_version=like.ir_version
    )
    model.producer_name = "streamdeep"
    return model
