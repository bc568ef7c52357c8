"""Networks that others have written: read without being run, and what goes in and comes out.

Not here: what becomes of them (``wrap``, ``baselines.foreign``).
"""

from pathlib import Path

import onnx
from onnx import TensorProto

from streamdeep import onnxfile
from streamdeep.errors import ModelError


def read_network(path: Path) -> onnx.ModelProto:
    """Read a foreign file, without running it.

    Raises:
        ModelError: missing, too large, or not ONNX; one line.
    """
    try:
        if path.stat().st_size > onnxfile.MAX_BYTES:
            raise ModelError(f"{path} has more than {onnxfile.MAX_BYTES >> 20} MiB")
        network: onnx.ModelProto = onnx.ModelProto.FromString(path.read_bytes())
    except OSError as error:
        raise ModelError(f"cannot read the network {path}: {error.strerror or error}") from error
    except ModelError:
        raise
    except Exception as error:  # protobuf's own class; the package is onnx's affair
        raise ModelError(f"{path} is not an ONNX file, or is cut short") from error
    if not network.graph.node:
        raise ModelError(f"{path} is not an ONNX file, or is cut short")
    return network


def only_input(graph: onnx.GraphProto, path: Path) -> onnx.ValueInfoProto:
    """A network's one input that is no constant.

    Raises:
        ModelError: several, none, or no float32.
    """
    constants = {one.name for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in constants]
    if len(inputs) != 1:
        raise ModelError(f"{path} has {len(inputs)} inputs; one is needed")
    if inputs[0].type.tensor_type.elem_type != TensorProto.FLOAT:
        raise ModelError(f"{path} takes no float32; export it so that it does")
    found: onnx.ValueInfoProto = inputs[0]
    return found


def output_number(graph: onnx.GraphProto, wanted: str | None, path: Path) -> int:
    """Which of its outputs is asked for, from 0 on; the only one if none is.

    Raises:
        ModelError: there is none such, or there are several to choose from.
    """
    names = [one.name for one in graph.output]
    if wanted is None and len(names) != 1:
        raise ModelError(f"{path} has the outputs {', '.join(names)}; choose one")
    if wanted is not None and wanted not in names:
        raise ModelError(f"{path} has no output {wanted!r}; choose {', '.join(names)}")
    return 0 if wanted is None else names.index(wanted)


def axes_of(value: onnx.ValueInfoProto) -> list[int | None]:
    """Lengths of its axes; None where any will do."""
    return [
        axis.dim_value if axis.HasField("dim_value") else None
        for axis in value.type.tensor_type.shape.dim
    ]


def shown(axes: list[int | None]) -> str:
    """Axes as messages have them."""
    return f"({', '.join('any' if axis is None else str(axis) for axis in axes)})"
