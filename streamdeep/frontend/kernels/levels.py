"""How loud hops are, and power as dB in [-1, 1]. Not here: levels that need more than a frame (``normalise``)."""

import numba
import numpy as np
from numpy.typing import NDArray

from streamdeep.frontend.kernels.sums import dot, largest


@numba.njit(cache=True, nogil=True)
def hop_levels(
    samples: NDArray[np.float64],
    first: int,
    hop_samples: int,
    energies: NDArray[np.float64],
    peaks: NDArray[np.float64],
) -> None:
    """Mean square and largest magnitude of each frame's newest hop, over all channels.

    Args:
        samples: ``(channels, samples)``.
        first: where the newest hop of the first frame begins.
        hop_samples: length of a hop.
        energies: ``(frames,)``, written.
        peaks: ``(frames,)``, written.
    """
    n_channels = len(samples)
    for t in range(len(energies)):
        start = first + t * hop_samples
        energy = 0.0
        peak = 0.0
        for channel in range(n_channels):
            energy += dot(samples[channel], samples[channel], start, start, hop_samples)
            peak = max(peak, largest(samples[channel, start : start + hop_samples]))
        energies[t] = energy / (hop_samples * n_channels)
        peaks[t] = peak


@numba.njit(cache=True, nogil=True)
def fixed_level(
    power: NDArray[np.float64],
    floors_db: NDArray[np.float64],
    ceilings_db: NDArray[np.float64],
    values: NDArray[np.float32],
) -> None:
    """Power to dB, affinely to [-1, 1] between floor and ceiling, clipped, rounded once.

    Args:
        power: ``(frames, features)``.
        floors_db: ``(features,)``.
        ceilings_db: ``(features,)``.
        values: ``(frames, features)`` float32, written.
    """
    for t in range(power.shape[0]):
        for k in range(power.shape[1]):
            db = 10.0 * np.log10(max(power[t, k], 1e-30))
            value = 2.0 * (db - floors_db[k]) / (ceilings_db[k] - floors_db[k]) - 1.0
            values[t, k] = min(1.0, max(-1.0, value))
