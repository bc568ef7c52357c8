"""A model file made smaller: the same model with its weights stored as fp16 or int8.

Needs neither the run nor torch, and takes fused models too. The golden embeddings are the small model's own;
statistics and projection stay those of the training data's float32 embeddings, because the data is not
here (``export --weights`` makes them anew). Not here: how weights are stored (``graph.narrow``).
"""

from pathlib import Path

import onnx

from streamdeep import onnxfile
from streamdeep.encoder.contract import METADATA_KEY
from streamdeep.encoder.model import Model
from streamdeep.errors import ModelError
from streamdeep_trainer.deviation import weights_provenance
from streamdeep_trainer.graph import WeightKind, narrow
from streamdeep_trainer.modelfile import seal_contract


def shrink_model(path: Path, kind: WeightKind) -> bytes:
    """Store a model file's weights small.

    Args:
        path: a model file with float32 weights.
        kind: ``fp16`` or ``int8``.

    Returns:
        The bytes of a model file that has proven itself on this machine; its ``provenance.weights`` tells
        the kind, how far embeddings moved, and the digest of the file it was made from.

    Raises:
        ModelError: the file is bad, its weights are small already, or rounding them breaks it.
    """
    file = onnxfile.read(path, onnxfile.ENCODER_OPERATORS, kind=METADATA_KEY)
    full = Model(file, str(path))
    full.prove()
    contract = full.contract
    if "weights" in contract.provenance:
        raise ModelError(f"{path} has small weights already; give the float32 file")
    graph = narrow(onnx.ModelProto.FromString(file.content), kind)
    draft = seal_contract(graph, contract)
    small = Model(
        onnxfile.check(draft, onnxfile.ENCODER_OPERATORS, "the new model"), "the new model"
    )
    about = weights_provenance(small, full, kind) | {"sha256_of_float32": full.digest.hex()}
    provenance = contract.provenance | {"weights": about}
    return seal_contract(graph, contract.model_copy(update={"provenance": provenance}))
