"""How far one encoder's embeddings lie from another's, on noise and on silence. Not here: what is allowed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdeep.encoder.model import Model
from streamdeep.errors import ModelError
from streamdeep_trainer.graph import WeightKind

CHECKED_LENGTHS = (1, 2, 7, 124)
CHECKED_ROWS = (1, 3, 64)
BROKEN_COSINE = 0.9
"""Rounded weights turn an embedding by far less than this; what turns it further is not rounding."""


def probes(n_features: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """``noise`` or ``silence``, and frames ``(rows, time, features)``, of many lengths and numbers of rows."""
    random = np.random.default_rng(0)
    for length in CHECKED_LENGTHS:
        for n_rows in CHECKED_ROWS:
            noise = random.uniform(-1.0, 1.0, (n_rows, length, n_features)).astype(np.float32)
            yield "noise", noise
            yield "silence", np.full_like(noise, -1.0)


def weights_provenance(small: Model, full: Model, kind: WeightKind) -> dict[str, Any]:
    """What a file with small weights says about them.

    Args:
        small: the model with small weights.
        full: the same with float32 weights.
        kind: of the small weights.

    Returns:
        ``kind``, the ``largest_deviation`` of any value of an embedding and the ``lowest_cosine`` between
        two embeddings, over all :func:`probes`.

    Raises:
        ModelError: an embedding is not finite or points elsewhere; the model is broken, not rounded.
    """
    largest, lowest = 0.0, 1.0
    for _, frames in probes(full.contract.frontend.n_features):
        wanted, found = (model.encode(frames).astype(np.float64) for model in (full, small))
        norms = np.linalg.norm(wanted, axis=1) * np.linalg.norm(found, axis=1)
        cosines = (wanted * found).sum(axis=1) / np.maximum(norms, 1e-30)
        # Not `max` and `min`, which may pass over what is not a number.
        largest = float(np.max([largest, np.abs(found - wanted).max()]))
        lowest = float(np.min([lowest, cosines.min()]))
    if not (np.isfinite(largest) and lowest >= BROKEN_COSINE):
        raise ModelError(
            f"with {kind} weights embeddings deviate by {largest:.2g} (cosine {lowest:.3g}); this is more "
            "than rounding, and the model is not written"
        )
    return {"kind": kind, "largest_deviation": largest, "lowest_cosine": lowest}
