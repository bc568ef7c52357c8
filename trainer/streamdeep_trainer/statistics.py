"""Where the training embeddings lie, and how loud the training was: what the model file says about both.

Principal components by a singular value decomposition of the centred embeddings, and clusters along the first of them by
k-means; the novelty score is the engine's own (``streamdeep.heads.novelty``).

What the score's quantiles are taken from decides what they are good for. Embeddings that the statistics were fitted to lie
closer to them than new ones of the same kind: on ESC-10, 20 % of new clips were beyond the 99 % quantile of such scores
(``bench/novelty.md``). So every embedding is scored by statistics of other clips (cross-conformal, Vovk 2015), and a
quantile is the smallest score that new sound exceeds no more often, the new one counted in; those beyond what so few
scores can tell are left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdeep.encoder.contract import Floats, LevelContract, StatisticsContract
from streamdeep.heads.novelty import novelty_scores
from streamdeep_trainer.datasets.clip import Clip

N_AXES = 32
N_CENTRES = 32
ROWS_PER_CENTRE = 8
NOVELTY_PROBABILITIES = (0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
N_FOLDS = 5
LEVEL_PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)
SILENCE_DBFS = -200.0


def describe_embeddings(
    embeddings: NDArray[np.float32], groups: NDArray[np.integer] | None = None
) -> tuple[StatisticsContract, Floats]:
    """Statistics and map of the training embeddings.

    Args:
        embeddings: ``(n, dim)``, n at least 2.
        groups: ``(n,)``, what belongs together and is no test of itself: each row's clip, or official fold.
            None: every row stands for itself.

    Returns:
        The statistics, and the map ``(2, dim)``: the first two axes over the deviation along them, so that
        the training data has a variance of 1 in both directions. Missing axes are zeros.
    """
    fitted = _fit(embeddings)
    probabilities, quantiles = conformal_quantiles(held_out_scores(embeddings, groups))
    statistics = StatisticsContract(
        mean=Floats.of(fitted.mean),
        axes=Floats.of(fitted.axes),
        centres=Floats.of(fitted.centres),
        mean_square=fitted.mean_square,
        novelty_probabilities=probabilities,
        novelty_quantiles=quantiles,
    )
    plane = np.zeros((2, embeddings.shape[1]))
    shown = min(2, len(fitted.axes))
    plane[:shown] = fitted.axes[:shown] / np.sqrt(fitted.variances[:shown, None])
    return statistics, Floats.of(plane)


def held_out_scores(
    embeddings: NDArray[np.float32], groups: NDArray[np.integer] | None = None
) -> NDArray[np.float64]:
    """Novelty of every embedding for statistics of the others, fold by fold.

    Args:
        embeddings: ``(n, dim)``.
        groups: as for :func:`describe_embeddings`. Fewer than three make no folds: then each takes a stretch of rows.

    Returns:
        ``(n,)``; with fewer than three rows, where nothing can be held out, the scores of the statistics' own.
    """
    n_rows = len(embeddings)
    if n_rows < 3:
        return _fit(embeddings).scores(embeddings)
    numbers = np.arange(n_rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_groups = int(numbers.max()) + 1
    folds = numbers % N_FOLDS if n_groups >= 3 else np.arange(n_rows) * N_FOLDS // n_rows
    scores = np.zeros(n_rows)
    for fold in np.unique(folds):
        held_out = folds == fold
        scores[held_out] = _fit(embeddings[~held_out]).scores(embeddings[held_out])
    return scores


def groups_of(clips: Sequence[Clip]) -> NDArray[np.int64]:
    """What of a data set is no test of itself: official folds, which keep recordings apart; without, single files."""
    if all(clip.fold is not None for clip in clips):
        return np.array([clip.fold for clip in clips], dtype=np.int64)
    return np.unique([clip.filename for clip in clips], return_inverse=True)[1].astype(np.int64)


def conformal_quantiles(
    scores: NDArray[np.float64],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Levels that so many scores can tell, and the score at each.

    Args:
        scores: ``(n,)``, at least one.

    Returns:
        Levels p with ``(n + 1) (1 - p) >= 1``, and the score whose rank is ``(n + 1) p``, rounded up.
    """
    n_scores, ordered = len(scores), np.sort(scores)
    # Rounded, since 100 * 0.99 must be 99.
    ranks = [math.ceil(round((n_scores + 1) * level, 9)) for level in NOVELTY_PROBABILITIES]
    told = [
        (level, float(ordered[rank - 1]))
        for level, rank in zip(NOVELTY_PROBABILITIES, ranks, strict=True)
        if rank <= n_scores
    ] or [(NOVELTY_PROBABILITIES[0], float(ordered[-1]))]
    return tuple(level for level, _ in told), tuple(score for _, score in told)


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """Principal components and clusters; float32, as a reader of the file will have them."""

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    variances: NDArray[np.float32]
    centres: NDArray[np.float32]
    mean_square: float

    def scores(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        return novelty_scores(embeddings, self.mean, self.axes, self.centres, self.mean_square)


def _fit(embeddings: NDArray[np.float32]) -> _Fitted:
    found = embeddings.astype(np.float64)
    n_rows, dim = found.shape
    mean = found.mean(axis=0)
    _, singular, axes = np.linalg.svd(found - mean, full_matrices=False)
    all_variances = singular**2 / (n_rows - 1)
    n_axes = max(1, min(N_AXES, n_rows - 1, dim - 1))
    kept = _signed(axes[:n_axes])
    centres, mean_square = _clusters((found - mean) @ kept.T)
    mean_square += float(singular[n_axes:] @ singular[n_axes:]) / n_rows
    return _Fitted(
        mean.astype(np.float32),
        kept.astype(np.float32),
        np.maximum(all_variances[:n_axes], 1e-12).astype(np.float32),
        centres.astype(np.float32),
        max(mean_square, 1e-12),
    )


def _clusters(coordinates: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Centres, and the mean squared distance to the nearest; on one thread, so that every machine adds in one order."""
    from sklearn.cluster import KMeans  # half a second to import
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    n_clusters = max(1, min(N_CENTRES, len(np.unique(coordinates, axis=0)) // ROWS_PER_CENTRE))
    with threadpool_limits(1):
        found = KMeans(n_clusters, n_init=2, random_state=0).fit(coordinates)
    return found.cluster_centers_, float(found.inertia_) / len(coordinates)


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
