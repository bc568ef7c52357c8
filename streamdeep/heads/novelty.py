"""How far an embedding lies from the training data.

The score of probabilistic principal component analysis (Tipping and Bishop 1999): squared distances along
the first axes in units of their variance, plus what is left in units of the mean residual variance,
averaged over all directions, as a root. About 1 for what was trained on. numpy only.
"""

import numpy as np
from numpy.typing import NDArray


def novelty_scores(
    embeddings: NDArray[np.floating],
    mean: NDArray[np.floating],
    axes: NDArray[np.floating],
    variances: NDArray[np.floating],
    residual_variance: float,
) -> NDArray[np.float64]:
    """Score embeddings.

    Args:
        embeddings: ``(n, dim)``.
        mean: ``(dim,)`` of the training embeddings.
        axes: ``(axes, dim)``, orthonormal.
        variances: ``(axes,)``.
        residual_variance: mean variance along each of the ``dim - axes`` other directions.

    Returns:
        ``(n,)`` float64, the root mean square of the standardised coordinates.
    """
    deviations = embeddings.astype(np.float64) - mean
    along = deviations @ axes.T.astype(np.float64)
    rest = np.maximum((deviations**2).sum(axis=1) - (along**2).sum(axis=1), 0.0)
    squares = (along**2 / np.maximum(variances, 1e-12)).sum(axis=1) + rest / max(
        residual_variance, 1e-12
    )
    scores: NDArray[np.float64] = np.sqrt(squares / embeddings.shape[1])
    return scores
