"""Sums and peaks of one row, in an order of our own. Not here: what is summed."""

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def dot(
    left: NDArray[np.float64], right: NDArray[np.float64], start: int, offset: int, count: int
) -> float:
    """``sum(left[start + i] * right[offset + i])`` in four fixed partial sums."""
    sum_0 = sum_1 = sum_2 = sum_3 = 0.0
    # Unsigned: a signed index is first asked whether it counts from the end, which takes twice as long.
    i, j = np.uint64(start), np.uint64(offset)
    for _ in range(count // 4):
        sum_0 += left[i] * right[j]
        sum_1 += left[i + np.uint64(1)] * right[j + np.uint64(1)]
        sum_2 += left[i + np.uint64(2)] * right[j + np.uint64(2)]
        sum_3 += left[i + np.uint64(3)] * right[j + np.uint64(3)]
        i += np.uint64(4)
        j += np.uint64(4)
    for _ in range(count % 4):
        sum_0 += left[i] * right[j]
        i += np.uint64(1)
        j += np.uint64(1)
    return (sum_0 + sum_1) + (sum_2 + sum_3)


@numba.njit(cache=True, nogil=True)
def largest(values: NDArray[np.float64]) -> float:
    """Largest magnitude, and no number counts; four at a time, because the next waits for the last."""
    peak_0 = peak_1 = peak_2 = peak_3 = 0.0
    quarter = len(values) // 4
    for i in range(quarter):
        value_0, value_1 = abs(values[4 * i]), abs(values[4 * i + 1])
        value_2, value_3 = abs(values[4 * i + 2]), abs(values[4 * i + 3])
        peak_0 = value_0 if value_0 > peak_0 else peak_0
        peak_1 = value_1 if value_1 > peak_1 else peak_1
        peak_2 = value_2 if value_2 > peak_2 else peak_2
        peak_3 = value_3 if value_3 > peak_3 else peak_3
    for i in range(4 * quarter, len(values)):
        value_0 = abs(values[i])
        peak_0 = value_0 if value_0 > peak_0 else peak_0
    return max(max(peak_0, peak_1), max(peak_2, peak_3))


@numba.njit(cache=True, nogil=True)
def mean(values: NDArray[np.float64]) -> float:
    """The mean, in four fixed partial sums."""
    sum_0 = sum_1 = sum_2 = sum_3 = 0.0
    whole = len(values) - len(values) % 4
    for i in range(0, whole, 4):
        sum_0 += values[i]
        sum_1 += values[i + 1]
        sum_2 += values[i + 2]
        sum_3 += values[i + 3]
    for i in range(whole, len(values)):
        sum_0 += values[i]
    return ((sum_0 + sum_1) + (sum_2 + sum_3)) / len(values)
