"""A head: one ONNX file from embeddings to class probabilities, bound to one encoder.

``embedding (n, dim)`` to ``probability (n, classes)``; labels and the encoder's identity are in its
metadata, and it goes through the same checks as an encoder. The wire names a model by 8 bytes; the head
knows all 32 and compares what it is given.
"""

from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamdeep import onnxfile
from streamdeep.config import Strict
from streamdeep.errors import MismatchError, ModelError

METADATA_KEY = onnxfile.HEAD_KEY
FORMAT = 1


class HeadContract(Strict):
    """What a head file says about itself: ``metadata_props["streamdeep_head"]``, format 1.

    Attributes:
        format: 1.
        labels: one per column of ``probability``.
        encoder: SHA-256 of the encoder it was trained on, in hex.
        dim: length of that encoder's embeddings.
        activation: ``softmax`` (one class is right) or ``sigmoid`` (each on its own).
        provenance: data, protocol, accuracy; free.
        extensions: free.
    """

    format: Literal[1]
    labels: tuple[str, ...] = Field(min_length=1, max_length=10_000)
    encoder: str = Field(pattern="^[0-9a-f]{64}$")
    dim: int = Field(ge=1, le=65536)
    activation: Literal["softmax", "sigmoid"] = "softmax"
    provenance: dict[str, Any] = Field(default_factory=dict)
    extensions: dict[str, Any] = Field(default_factory=dict)


class Head:
    """A classifier that can be run.

    Attributes:
        contract: what the file says about itself.
        digest: SHA-256 of the file, 32 bytes.
        name: what the head is called on the wire.
    """

    def __init__(self, file: onnxfile.OnnxFile, name: str) -> None:
        self.contract = onnxfile.parse_metadata(
            file.metadata, METADATA_KEY, HeadContract, name=name, newest=FORMAT
        )
        self.digest = file.digest
        self.name = str(self.contract.provenance.get("name", "scene"))
        n_labels, dim = len(self.contract.labels), self.contract.dim
        shapes = dict(file.inputs), dict(file.outputs)
        if shapes != ({"embedding": (None, dim)}, {"probability": (None, n_labels)}):
            raise ModelError(
                f"{name} does not map embedding (n, {dim}) to probability (n, {n_labels})"
            )
        self._session = onnxfile.Session(file, name)

    def accepts(self, model: bytes) -> bool:
        """Whether embeddings of this model (its digest, or the first 8 bytes of it) can be classified."""
        return bytes.fromhex(self.contract.encoder).startswith(model) and len(model) >= 8

    def check(self, model: bytes) -> None:
        """Refuse another encoder's embeddings.

        Raises:
            MismatchError: names both.
        """
        if not self.accepts(model):
            raise MismatchError(
                f"this head was trained for the encoder {self.contract.encoder[:16]}, the embeddings come from "
                f"{model.hex()[:16]}; run that encoder, or train a head for this one with `streamdeep-train head`"
            )

    def probabilities(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(n, dim)`` float32 to ``(n, classes)``; a row does not depend on the others."""
        if not len(embeddings):
            return np.empty((0, len(self.contract.labels)), dtype=np.float32)
        return self._session.run(("probability",), {"embedding": np.ascontiguousarray(embeddings)})[
            0
        ]


def default_head_path() -> Path:
    """Where the embedded head lies."""
    return Path(str(resources.files("streamdeep") / "models" / "default-head.onnx"))


def load_head(path: Path | None = None) -> Head:
    """Load a head file; None takes the embedded one.

    Raises:
        ModelError: damaged, foreign, too new, or not a head; one line.
    """
    path = path or default_head_path()
    return Head(onnxfile.read(path, onnxfile.HEAD_OPERATORS, kind=METADATA_KEY), str(path))
