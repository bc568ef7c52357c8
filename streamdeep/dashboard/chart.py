"""Where embeddings lie on a map on which places stay put.

The projection comes from the model file, since the wire does not carry it: so it holds for embeddings of that model
only. Nothing of the model is run. Not here: drawing.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamdeep import onnxfile
from streamdeep.encoder.contract import FORMAT, METADATA_KEY, Contract
from streamdeep.encoder.model import default_model_path


class Chart:
    """A model's map.

    Attributes:
        digest: SHA-256 of the model file, 32 bytes.
        name: what the model is called.
        has_map: the file has a projection.
    """

    def __init__(self, contract: Contract, digest: bytes) -> None:
        self.digest = digest
        self.name = contract.name
        self.has_map = contract.projection is not None
        self._projection = np.zeros((2, contract.encoder.dim))
        if contract.projection is not None:
            self._projection = contract.projection.array().astype(np.float64)
        self._origin = np.zeros(2)
        if contract.statistics is not None:
            mean = contract.statistics.mean.array().astype(np.float64)
            self._origin = self._projection @ mean

    def belongs_to(self, model: bytes) -> bool:
        """Whether this is the chart of a model, named by its digest or the first 8 bytes of it."""
        return len(model) >= 8 and self.digest.startswith(model)

    def place(self, vector: NDArray[np.float32]) -> tuple[float, float]:
        """Where a ``(dim,)`` embedding lies: the training data has mean 0 and variance 1 in both directions."""
        across, up = self._projection @ vector.astype(np.float64) - self._origin
        return float(across), float(up)


def load_chart(path: Path | None = None) -> Chart:
    """Read a model file's chart; None takes the embedded model.

    Raises:
        ModelError: damaged, foreign, too new, or no model; one line.
    """
    path = path or default_model_path()
    file = onnxfile.read(path, onnxfile.ENCODER_OPERATORS, kind=METADATA_KEY)
    contract = onnxfile.parse_metadata(
        file.metadata, METADATA_KEY, Contract, name=str(path), newest=FORMAT
    )
    return Chart(contract, file.digest)
