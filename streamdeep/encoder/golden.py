"""The signal that every model file proves itself with, made from four numbers.

``x[n] = (s[n] >> 8) / 2^23 - 1`` with ``s[n+1] = (1664525 s[n] + 1013904223) mod 2^32``: noise from the
generator of Numerical Recipes (Press et al., ch. 7.1), which any language computes exactly, with a
stretch of silence in it.
"""

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import FrontendConfig
from streamdeep.encoder.contract import GoldenContract

_MULTIPLIER, _INCREMENT, _MASK = 1664525, 1013904223, (1 << 32) - 1


def noise(seed: int, n_samples: int) -> NDArray[np.float32]:
    """``(n_samples,)`` float32 in [-1, 1), exact on every machine; ``s[0]`` is the seed."""
    states = np.array([seed & _MASK], dtype=np.uint64)
    multiplier, increment = _MULTIPLIER, _INCREMENT
    while (
        len(states) < n_samples
    ):  # the generator leaps: n steps are again one multiply and one add
        states = np.concatenate(
            (states, (states * np.uint64(multiplier) + np.uint64(increment)) & np.uint64(_MASK))
        )
        multiplier, increment = (
            multiplier * multiplier & _MASK,
            (multiplier * increment + increment) & _MASK,
        )
    return ((states[:n_samples] >> np.uint64(8)).astype(np.float64) / (1 << 23) - 1.0).astype(
        np.float32
    )


def golden_signal(golden: GoldenContract) -> NDArray[np.float32]:
    """``(n_samples, n_channels)`` float32."""
    columns = [
        noise(golden.seed + channel, golden.n_samples) for channel in range(golden.n_channels)
    ]
    signal = np.stack(columns, axis=1) * np.float32(golden.amplitude)
    start = golden.silence_start_sample
    signal[start : start + golden.silence_samples] = 0.0
    return signal


def golden_length_samples(frontend: FrontendConfig, length_frames: int) -> int:
    """1.25 segments, at the model's rate."""
    return frontend.span_samples(length_frames) * 5 // 4
