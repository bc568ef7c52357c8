"""Is a difference chance? Intervals over seeds and over clips, and a paired test over clips.

Two systems that answer the same clips are compared clip by clip: what both have right or wrong says nothing.
Pure functions; not here: whose answers they are (``standings``).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from scipy.stats import t as student

N_RESAMPLES = 10_000


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """The probability of so uneven a division by chance: McNemar's test (1947), exact and two-sided.

    Of the clips that only one of two has right, each is the first one's or the second's with equal chance if they
    are equally good: a binomial test (Dietterich 1998, "Approximate statistical tests for comparing supervised
    classification learning algorithms", recommends it for classifiers that are trained once).

    Args:
        first: ``(clips,)`` bool, whether one was right.
        second: ``(clips,)`` bool, whether the other was.

    Returns:
        p; 1 if they differ on no clip.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def difference_interval(
    first: NDArray[np.bool_], second: NDArray[np.bool_], *, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the first one's lead: paired percentile bootstrap over clips (Efron and Tibshirani 1993).

    Args:
        first: ``(seeds, clips)`` bool, whether one was right.
        second: ``(seeds, clips)`` bool, whether the other was.
        seed: of the resamples.

    Returns:
        Its ends, as shares. A clip is drawn with its answers of all seeds, so that seeds do not count as more clips.
    """
    leads = first.astype(np.int64).sum(axis=0) - second.astype(np.int64).sum(axis=0)
    # clips of equal leads are interchangeable: their numbers in a resample are multinomial
    kinds, n_of_kind = np.unique(leads, return_counts=True)
    n_seeds, n_clips = first.shape
    random = np.random.default_rng(seed)
    drawn = random.multinomial(n_clips, n_of_kind / n_clips, size=N_RESAMPLES)
    low, high = np.quantile((drawn @ kinds) / (n_clips * n_seeds), (0.025, 0.975))
    return float(low), float(high)


def noise(share: float, n_clips: int) -> float:
    """Half the width of Wilson's 95 % interval (1927) of a share of so many clips."""
    low, high = binomtest(round(share * n_clips), n_clips).proportion_ci(0.95, method="wilson")
    return float(high - low) / 2.0


def seed_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval of the mean over seeds, by Student's t; None of fewer than two."""
    if len(values) < 2:
        return None
    mean, n_values = float(np.mean(values)), len(values)
    half = float(student.ppf(0.975, n_values - 1) * np.std(values, ddof=1) / np.sqrt(n_values))
    return mean - half, mean + half
