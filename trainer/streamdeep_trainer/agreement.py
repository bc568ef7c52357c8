"""Whether a model file gives what the network gives that it was written from.

The graph and torch add in another order, and what rounding that makes is made larger by what divides or takes roots
afterwards. Roots are therefore compared before the root, and roughness before its division. Not here: whether a small model
gives what the full one does (``deviation``), and what else a file has to prove (``modelfile``).
"""

import numpy as np
import torch
from numpy.typing import NDArray

from streamdeep.encoder.model import Model
from streamdeep.errors import ModelError
from streamdeep_trainer.deviation import probes
from streamdeep_trainer.graph import (
    LENGTH_FLOOR,
    ROOT_FLOOR,
    ROUGHNESS_FLOOR,
    VARIANCE_FLOOR,
    Scaling,
)
from streamdeep_trainer.models.encoder import Encoder

TOLERANCE = 1e-4
LEAST_DIVISOR = VARIANCE_FLOOR**0.5 + ROUGHNESS_FLOOR
"""What a change from frame to frame is divided by at least, to be roughness; rounding counts so much more in it."""


def check_against_torch(model: Model, encoder: Encoder, scaling: Scaling | None = None) -> None:
    """Compare a model file with the network it was written from, on noise and on silence.

    Args:
        model: loaded.
        encoder: the network.
        scaling: that the file has and the network has not; embeddings are then compared as they are.

    Raises:
        ModelError: an embedding differs by more than 1e-4 in any value: rooted values in what they are roots of,
            roughness in the change that it is a share of.
    """
    for what, frames in probes(model.contract.frontend.n_features):
        n_rows, length = frames.shape[:2]
        with torch.no_grad():
            wanted = encoder(torch.from_numpy(frames), torch.full((n_rows,), length)).numpy()
        found = model.encode(frames)
        if scaling is not None:
            far = np.abs(found - _scaled(wanted, scaling))
        else:
            far = np.abs(
                _before_root_and_division(found, encoder)
                - _before_root_and_division(wanted, encoder)
            )
        distance = float(far.max())
        if not distance <= TOLERANCE:
            raise ModelError(
                f"the exported graph differs from torch by {distance:.2g} on {n_rows} rows of "
                f"{length} frames of {what} ({TOLERANCE:g} is allowed); it is not written"
            )


def _before_root_and_division(
    embeddings: NDArray[np.float32], encoder: Encoder
) -> NDArray[np.float64]:
    """Rooted values as what they are roots of, roughness as the change that it is a share of."""
    values = embeddings.astype(np.float64)
    shape = encoder.shape
    n_rough = shape.n_outputs if shape.roughness else 0
    values[:, values.shape[1] - n_rough :] *= LEAST_DIVISOR
    if shape.rooted:
        rooted = values[:, : values.shape[1] - n_rough]
        rooted[:] = before_root(rooted)
    return values


def before_root(rooted: NDArray[np.float64]) -> NDArray[np.float64]:
    """What :func:`~streamdeep_trainer.models.rows.signed_root` was taken of: ``y^2 (|x| + c) = x^2``, solved for x."""
    square = rooted**2
    size = (square + np.sqrt(square**2 + 4.0 * ROOT_FLOOR * square)) / 2.0
    return np.copysign(size, rooted)


def _scaled(embeddings: NDArray[np.float32], scaling: Scaling) -> NDArray[np.float64]:
    alike = (embeddings.astype(np.float64) - scaling.mean) / scaling.deviation
    found: NDArray[np.float64] = alike / np.sqrt(
        (alike**2).sum(axis=1, keepdims=True) + LENGTH_FLOOR
    )
    return found
