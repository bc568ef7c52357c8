"""One ONNX file, checked before it runs: the only module that knows onnxruntime.

The order matters. Size, then the SHA-256 over all bytes (which refuses damage before protobuf sees it),
then the graph (``onnxgraph``): no external data, no foreign operators, no functions, and no control flow that
could run for ever. Only then is a session made, from the very bytes that were checked. Encoders and heads
both come through here. Not here: what the metadata means (``encoder.contract``, ``heads.head``).
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray
from pydantic import ValidationError

# Read at import: ONNX Runtime would keep a device's number in the user's cache and report to its maker.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

from streamdeep.config import Strict, describe
from streamdeep.errors import ModelError
from streamdeep.onnxgraph import ENCODER_OPERATORS as ENCODER_OPERATORS
from streamdeep.onnxgraph import HEAD_OPERATORS as HEAD_OPERATORS
from streamdeep.onnxgraph import check_graph
from streamdeep.providers import ProviderName, find_provider, not_started

DIGEST_KEY = "streamdeep.sha256"
ENCODER_KEY = "streamdeep"
HEAD_KEY = "streamdeep_head"
_NOUNS = {ENCODER_KEY: "an encoder", HEAD_KEY: "a head"}
MAX_BYTES = 256 << 20

_Record = TypeVar("_Record", bound=Strict)
_DIGEST_FIELD = re.compile(re.escape(DIGEST_KEY.encode()) + rb"\x12\x40([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, eq=False)
class OnnxFile:
    """A file that passed every check.

    Attributes:
        digest: SHA-256 of the file with its own digits as zeros; its identity.
        metadata: the file's ``metadata_props``.
        inputs: name to shape; an unknown axis is None.
        outputs: name to shape.
        content: the bytes.
    """

    digest: bytes
    metadata: Mapping[str, str]
    inputs: Mapping[str, tuple[int | None, ...]]
    outputs: Mapping[str, tuple[int | None, ...]]
    content: bytes


def digest_of(content: bytes) -> tuple[bytes, bytes] | None:
    """The digest a file states and the one it has, or None where it states none (or several)."""
    found = list(_DIGEST_FIELD.finditer(content))
    if len(found) != 1:
        return None
    start, stop = found[0].span(1)
    computed = hashlib.sha256(content[:start])
    computed.update(b"0" * 64)
    computed.update(content[stop:])
    return bytes.fromhex(found[0].group(1).decode()), computed.digest()


def seal(model: onnx.ModelProto) -> bytes:
    """Serialise a model with its digest written into it; the inverse of :func:`check`."""
    kept = [prop for prop in model.metadata_props if prop.key != DIGEST_KEY]
    sealed = onnx.ModelProto()
    sealed.CopyFrom(model)
    del sealed.metadata_props[:]
    sealed.metadata_props.extend(kept)
    sealed.metadata_props.add(key=DIGEST_KEY, value="0" * 64)
    content: bytes = sealed.SerializeToString(deterministic=True)
    digests = digest_of(content)
    if digests is None:
        raise ModelError("the model's metadata holds a second digest; it cannot be sealed")
    digits = digests[1].hex().encode()
    return _DIGEST_FIELD.sub(lambda field: field.group(0)[:-64] + digits, content)


def write(path: Path, content: bytes) -> None:
    """Write a sealed file so that a crash leaves the old one or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(path.suffix + ".part")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)  # on a full disk, it would be what fills it
        raise


def parse_metadata(
    file_metadata: Mapping[str, str], key: str, record: type[_Record], *, name: str, newest: int
) -> _Record:
    """The record under a metadata key.

    Args:
        file_metadata: of the file.
        key: where the record stands, as JSON.
        record: what it must be.
        name: what to call the file in messages.
        newest: the newest ``format`` that this version reads.

    Raises:
        ModelError: missing, of a newer format, or not understood; one line.
    """
    text = file_metadata.get(key)
    if text is None:
        raise ModelError(f"{name} is of another kind: it has no {key!r} metadata")
    try:
        found = json.loads(text)
        version = found["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{name} carries {key!r} metadata that is no contract: {error}") from error
    if isinstance(version, int) and version > newest:
        raise ModelError(
            f"{name} has format {version}; this version reads format {newest}: upgrade streamdeep"
        )
    try:
        return record.model_validate(found)
    except ValidationError as error:
        raise ModelError(f"{name} does not follow format {newest}: {describe(error)}") from error


def read(path: Path, operators: frozenset[str], *, kind: str | None = None) -> OnnxFile:
    """Read a file and check it.

    Raises:
        ModelError: missing, too large, damaged, not ONNX, not streamdeep's, or not allowed; one line.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ModelError(f"{path} has {size >> 20} MiB; a model may have {MAX_BYTES >> 20}")
        content = path.read_bytes()
    except OSError as error:
        what = "head" if kind == HEAD_KEY else "model"
        raise ModelError(
            f"cannot read the {what} {path}: {error.strerror or error}; correct the path, or leave it out for the embedded one"
        ) from error
    return check(content, operators, str(path), kind=kind)


def check(
    content: bytes, operators: frozenset[str], name: str, *, kind: str | None = None
) -> OnnxFile:
    """Check the bytes of a file; cost about 7 ms for 4 MB.

    Args:
        content: the whole file.
        operators: which operators may occur.
        name: what to call the file in messages.
        kind: ``ENCODER_KEY`` or ``HEAD_KEY``; None takes either.

    Raises:
        ModelError: as :func:`read`.
    """
    digests = digest_of(content)
    if digests is not None and digests[0] != digests[1]:
        raise ModelError(
            f"{name} is damaged: its SHA-256 is not the one written in it; copy or export it again"
        )
    try:
        model = onnx.ModelProto.FromString(content)
    except Exception as error:  # protobuf's own class; the package is onnx's affair
        raise ModelError(
            f"{name} is not an ONNX file, or is cut short; copy or export it again"
        ) from error
    if not model.graph.node:
        raise ModelError(f"{name} is not an ONNX file, or is cut short; copy or export it again")
    if digests is None:
        raise ModelError(
            f"{name} is an ONNX file but not one of streamdeep's: it carries no {DIGEST_KEY!r}; "
            "use a file written by `streamdeep-train export` or `streamdeep-train head`"
        )
    metadata = {prop.key: prop.value for prop in model.metadata_props}
    found = next((key for key in _NOUNS if key in metadata), None)
    if kind is not None and found is not None and found != kind:
        raise ModelError(f"{name} is {_NOUNS[found]}; {_NOUNS[kind]} is needed here")
    check_graph(model, operators, name)
    return OnnxFile(
        digest=digests[0],
        metadata=metadata,
        inputs={value.name: _shape(value) for value in model.graph.input},
        outputs={value.name: _shape(value) for value in model.graph.output},
        content=content,
    )


def _shape(value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    return tuple(
        axis.dim_value if axis.HasField("dim_value") else None
        for axis in value.type.tensor_type.shape.dim
    )


class Session:
    """A checked file, ready to run on one core, or on an accelerator.

    One intra-op thread without spinning: 3 % of a core at 100 steps a second, against 28 % and a worse
    tail with the defaults. Thread-safe; the GIL is released while it runs.
    """

    def __init__(self, file: OnnxFile, name: str, *, provider: ProviderName = "cpu") -> None:
        """Load a file.

        Args:
            file: checked.
            name: what to call it in messages.
            provider: what runs it; what it cannot run, the CPU does.

        Raises:
            ModelError: the runtime refuses the file.
            ConfigurationError: no such provider.
            MissingDependencyError: the provider is not installed, or does not start.
        """
        chosen = find_provider(provider, onnxruntime.get_available_providers())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        if provider == "directml":
            options.enable_mem_pattern = False  # it cannot do otherwise
        wanted = [(chosen.onnxruntime_name, chosen.options)]
        if provider != "cpu":
            wanted.append(("CPUExecutionProvider", {}))
        try:
            self._session = onnxruntime.InferenceSession(file.content, options, providers=wanted)
        except (
            Exception
        ) as error:  # onnxruntime's classes share no base, and it lets UnicodeDecodeError through
            if provider != "cpu":
                raise not_started(provider) from error
            raise ModelError(f"{name} cannot be loaded: {str(error).splitlines()[0]}") from error
        # Where a driver or a library is missing, the runtime says so in a log and takes the CPU.
        if chosen.onnxruntime_name not in self._session.get_providers():
            raise not_started(provider)
        self._name = name

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]
    ) -> list[NDArray[np.float32]]:
        """Run the graph.

        Raises:
            ValueError: an empty batch or time axis, on which ONNX Runtime's GRU aborts the process.
            ModelError: the runtime refuses.
        """
        for name, value in inputs.items():
            if name != "emit" and value.size == 0:
                raise ValueError(
                    f"input {name} has the shape {value.shape}; every axis must be at least 1"
                )
        try:
            found: list[NDArray[np.float32]] = self._session.run(list(outputs), dict(inputs))
        except Exception as error:
            raise ModelError(f"{self._name} failed to run: {str(error).splitlines()[0]}") from error
        return found
