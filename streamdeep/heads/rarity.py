"""What a novelty score means: which share of sound like the model's training scores as much or more.

A model knows some quantiles of that distribution (:class:`~streamdeep.records.NoveltyScale`). Between two of them the
share is taken to fall exponentially with the score, as tails do. Beyond the last nothing is known but that it is
rarer still, and below the first only that it is more frequent: there the share at the end is given, as a bound. Pure.
"""

import bisect
import math

from streamdeep.records import NoveltyScale


def tail_rate(score: float, scale: NoveltyScale) -> float:
    """Which share of sound like the training is as novel as this, or more: the p-value of the score.

    It is also how often an alarm at this score would be a false one.

    Returns:
        Within :func:`rates`; at its ends a bound.
    """
    quantiles, tails = scale.quantiles, _tails(scale)
    place = bisect.bisect_right(quantiles, score)
    if place in (0, len(quantiles)):
        return tails[max(0, place - 1)]
    low, high = quantiles[place - 1], quantiles[place]
    share = (score - low) / (high - low)
    return tails[place - 1] * math.exp(share * math.log(tails[place] / tails[place - 1]))


def score_at(rate: float, scale: NoveltyScale) -> float:
    """The score that this share of sound like the training reaches: where to alarm, to be wrong so often.

    Args:
        rate: what lies outside of :func:`rates` counts as its nearer end.
        scale: of the model.
    """
    quantiles, tails = scale.quantiles, _tails(scale)
    if rate >= tails[0]:
        return quantiles[0]
    for place in range(1, len(tails)):
        if rate >= tails[place]:
            share = math.log(tails[place - 1] / rate) / math.log(tails[place - 1] / tails[place])
            return quantiles[place - 1] + share * (quantiles[place] - quantiles[place - 1])
    return quantiles[-1]


def rates(scale: NoveltyScale) -> tuple[float, float]:
    """The rarest and the most frequent that a model can tell."""
    tails = _tails(scale)
    return tails[-1], tails[0]


def in_words(rate: float, scale: NoveltyScale) -> str:
    """A rate for people, at the ends as the bound that it is: ``below 0.1 %``."""
    rarest, most_frequent = rates(scale)
    percent = f"{100.0 * rate:.2g} %"
    if rate <= rarest:
        return f"below {percent}"
    return f"above {percent}" if rate >= most_frequent else percent


def _tails(scale: NoveltyScale) -> list[float]:
    """Falling; rounded, so that 1 - 0.999 is 0.001."""
    return [round(1.0 - probability, 12) for probability in scale.probabilities]
