"""Write a model file: the graph, its contract, its golden proof and its digest; then load it as a user would.

Needs no torch. Not here: the graph (``graph``), and what training found out (``export``).
"""

from typing import Any

import numpy as np
import onnx

from streamdeep import onnxfile
from streamdeep.config import FrontendConfig, SegmentConfig
from streamdeep.encoder.contract import (
    METADATA_KEY,
    Contract,
    EncoderContract,
    Floats,
    GoldenContract,
    LevelContract,
    StatisticsContract,
)
from streamdeep.encoder.golden import golden_length_samples
from streamdeep.encoder.model import Model
from streamdeep.errors import ModelError

GOLDEN_SEED = 20171026
GOLDEN_AMPLITUDE = 0.25


def seal_model(
    graph: onnx.ModelProto,
    *,
    frontend: FrontendConfig,
    segment: SegmentConfig,
    encoder: EncoderContract,
    level: LevelContract | None = None,
    provenance: dict[str, Any] | None = None,
    statistics: StatisticsContract | None = None,
    projection: Floats | None = None,
) -> bytes:
    """Put contract, golden vectors and digest into a graph.

    Returns:
        The bytes of a model file that has proven itself on this machine.

    Raises:
        ModelError: steps, chunks, batches and whole segments differ at all, or the file does not load.
    """
    stereo = any(view.channel != "mean" for view in frontend.views)
    n_samples = golden_length_samples(frontend, segment.length_frames)
    # A second of silence in the middle, or a fifth of a short signal: the levels' lower end is proven too.
    silence = min(frontend.sample_rate_hz, n_samples // 5)
    draft = Contract(
        format=1,
        frontend=frontend,
        segment=segment,
        encoder=encoder,
        level=level,
        provenance=provenance or {},
        statistics=statistics,
        projection=projection,
        golden=GoldenContract(
            seed=GOLDEN_SEED,
            n_samples=n_samples,
            n_channels=2 if stereo else 1,
            amplitude=GOLDEN_AMPLITUDE,
            silence_start_sample=(n_samples - silence) // 2,
            silence_samples=silence,
            frames=Floats.of(np.zeros((3, frontend.n_features))),
            embeddings=Floats.of(np.zeros((2, encoder.dim))),
        ),
    )
    return seal_contract(graph, draft)


def seal_contract(graph: onnx.ModelProto, contract: Contract) -> bytes:
    """Put a contract and digest into a graph, with golden vectors that are made here.

    Args:
        graph: whatever metadata it carries is replaced.
        contract: all but its golden frames and embeddings, of which only the shapes count.

    Returns:
        As :func:`seal_model`.

    Raises:
        ModelError: as :func:`seal_model`.
    """
    model = _load(_sealed(graph, contract))
    frames, length = model.golden_frames, contract.segment.length_frames
    ends = (frames[:length], frames[-length:])
    golden = contract.golden.model_copy(
        update={
            "frames": Floats.of(frames[[0, len(frames) // 2, len(frames) - 1]]),
            "embeddings": Floats.of(np.concatenate([model.encode(rows[None]) for rows in ends])),
        }
    )
    content = _sealed(graph, contract.model_copy(update={"golden": golden}))
    proven = _load(content)
    proven.prove()
    if proven.complaint is not None:
        raise ModelError(
            f"the model breaks the parity promise and is not written: {proven.complaint}"
        )
    return content


def _sealed(graph: onnx.ModelProto, contract: Contract) -> bytes:
    model = onnx.ModelProto()
    model.CopyFrom(graph)
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=contract.model_dump_json(exclude_none=True))
    return onnxfile.seal(model)


def _load(content: bytes) -> Model:
    return Model(
        onnxfile.check(content, onnxfile.ENCODER_OPERATORS, "the new model"), "the new model"
    )
