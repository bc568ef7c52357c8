"""Segments of different lengths through a model file, those of equal length together.

Not here: where segments come from (``export``, ``inputs``), and sound (``embed``).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamdeep.encoder.model import Model

BATCH = 64


def encode_segments(model: Model, segments: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Embed segments; each one's embedding is the same whatever else is embedded.

    Args:
        model: loaded.
        segments: ``(frames, features)`` float32 in [-1, 1] each, at least one frame.

    Returns:
        ``(segments, dim)`` float32.
    """
    embeddings = np.empty((len(segments), model.contract.encoder.dim), dtype=np.float32)
    lengths = np.array([len(frames) for frames in segments])
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        for some in np.array_split(rows, -(-len(rows) // BATCH)):
            embeddings[some] = model.encode(np.stack([segments[row] for row in some]))
    return embeddings
