"""Channel fusion: a view's signal as a weighted sum of the source's channels.

A mono source counts as left = right = mean, so its difference is silence.
"""

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import Channel


def fusion_weights(channel: Channel, n_channels: int) -> NDArray[np.float64]:
    """How much of each source channel goes into a view.

    Args:
        channel: ``mean`` of all channels, ``left`` (the first), ``right`` (the second), or their
            ``difference`` (left - right, not halved, as auDeep's DIFF).
        n_channels: channels of the source, at least 1.

    Returns:
        ``(n_channels,)`` float64.
    """
    weights = np.zeros(n_channels)
    right = min(1, n_channels - 1)
    if channel == "mean":
        weights[:] = 1.0 / n_channels
    elif channel == "left":
        weights[0] = 1.0
    elif channel == "right":
        weights[right] = 1.0
    else:
        weights[0] += 1.0
        weights[right] -= 1.0
    return weights
