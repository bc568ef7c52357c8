"""Where the training embeddings lie, and how loud the training was: what the model file says about both.

Principal components by a singular value decomposition of the centred embeddings; the novelty score is the
engine's own (``streamdeep.heads.novelty``). numpy only.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdeep.encoder.contract import Floats, LevelContract, StatisticsContract
from streamdeep.heads.novelty import novelty_scores

N_AXES = 32
NOVELTY_PROBABILITIES = (0.5, 0.9, 0.95, 0.99, 0.999)
LEVEL_PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)
SILENCE_DBFS = -200.0


def describe_embeddings(
    embeddings: NDArray[np.float32],
) -> tuple[StatisticsContract, Floats]:
    """Statistics and map of the training embeddings.

    Args:
        embeddings: ``(n, dim)``, n at least 2.

    Returns:
        The statistics, and the map ``(2, dim)``: the first two axes over the deviation along them, so that
        the training data has a variance of 1 in both directions. Missing axes are zeros.
    """
    found = embeddings.astype(np.float64)
    n_rows, dim = found.shape
    mean = found.mean(axis=0)
    _, singular, axes = np.linalg.svd(found - mean, full_matrices=False)
    all_variances = singular**2 / (n_rows - 1)
    n_axes = max(1, min(N_AXES, n_rows - 1, dim - 1))
    axes, variances = _signed(axes[:n_axes]), np.maximum(all_variances[:n_axes], 1e-12)
    residual = max(float(all_variances[n_axes:].sum()) / (dim - n_axes), 1e-12)
    # What is stored is float32: score with what a reader will have.
    stored = [Floats.of(mean), Floats.of(axes), Floats.of(variances)]
    kept_mean, kept_axes, kept_variances = (part.array() for part in stored)
    scores = novelty_scores(embeddings, kept_mean, kept_axes, kept_variances, residual)
    statistics = StatisticsContract(
        mean=stored[0],
        axes=stored[1],
        variances=stored[2],
        residual_variance=residual,
        novelty_probabilities=NOVELTY_PROBABILITIES,
        novelty_quantiles=tuple(float(q) for q in np.quantile(scores, NOVELTY_PROBABILITIES)),
    )
    plane = np.zeros((2, dim))
    shown = min(2, n_axes)
    plane[:shown] = axes[:shown] / np.sqrt(variances[:shown, None])
    return statistics, Floats.of(plane)


def _signed(axes: NDArray[Any]) -> NDArray[Any]:
    """An axis may point either way; its largest component is made positive, so that maps repeat."""
    largest = np.abs(axes).argmax(axis=1)
    signs = np.where(axes[np.arange(len(axes)), largest] < 0.0, -1.0, 1.0)
    return axes * signs[:, None]


def describe_levels(energies: NDArray[np.float64]) -> LevelContract:
    """Loudness of the training segments.

    Args:
        energies: ``(segments,)``, mean square of each.
    """
    floor = 10.0 ** (SILENCE_DBFS / 10.0)
    levels = 10.0 * np.log10(np.maximum(energies, floor))
    low, quarter, middle, three_quarters, high = np.quantile(levels, LEVEL_PROBABILITIES)
    return LevelContract(
        dbfs_quantiles=(
            float(low),
            float(quarter),
            float(middle),
            float(three_quarters),
            float(high),
        )
    )
