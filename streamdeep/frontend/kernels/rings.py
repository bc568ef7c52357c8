"""The front-end's loops straight over the rings of many streams, and into them. Not here: which frames are due."""

import numba
import numpy as np
from numpy.typing import NDArray

from streamdeep.frontend.kernels.levels import hop_levels
from streamdeep.frontend.kernels.spectra import (
    TILE_FRAMES,
    Transforms,
    load_windowed,
    sum_bands,
    transform_tile,
)
from streamdeep.frontend.kernels.sums import dot, largest


@numba.njit(cache=True, nogil=True)
def _unwrap(
    ring: NDArray[np.float32], start: int, n_samples: int, at: int, samples: NDArray[np.float64]
) -> None:
    """Copy ``n_samples`` of a ring, from count ``start`` on, to ``samples[:, at:]``."""
    capacity, n_channels = ring.shape
    begin = start % capacity
    head = min(n_samples, capacity - begin)
    if n_channels == 1:  # contiguous, and then the copy is ten times faster
        flat = ring.reshape(-1)
        _copy(flat[begin : begin + head], samples[0, at : at + head])
        _copy(flat[: n_samples - head], samples[0, at + head : at + n_samples])
        return
    for channel in range(n_channels):
        samples[channel, at : at + head] = ring[begin : begin + head, channel]
        samples[channel, at + head : at + n_samples] = ring[: n_samples - head, channel]


@numba.njit(cache=True, nogil=True)
def _copy(values: NDArray[np.float32], samples: NDArray[np.float64]) -> None:
    """Widen."""
    for i in range(len(values)):
        samples[i] = values[i]


@numba.njit(cache=True, nogil=True)
def ring_power(
    rings: NDArray[np.float32],
    slots: NDArray[np.int64],
    starts: NDArray[np.int64],
    fresh: NDArray[np.bool_],
    plan: Transforms,
    power: NDArray[np.float64],
) -> None:
    """As :func:`~streamdeep.frontend.kernels.spectra.power_frames`, for equally many frames of many rings.

    Args:
        rings: ``(slots, capacity, channels)``.
        slots: ``(rows,)``, which ring.
        starts: ``(rows,)``, count of the first sample of the row's first frame, by the longest window.
        fresh: ``(rows,)``, nothing came before it; otherwise the sample before must still be there.
        plan: what to compute.
        power: ``(rows, frames, features)``, written.
    """
    n_rows, n_frames = power.shape[0], power.shape[1]
    n_transforms, n_bins = len(plan.load_weights), plan.fft_samples // 2 + 1
    n_tile = min(TILE_FRAMES, n_rows * n_frames)
    samples = np.empty((rings.shape[2], len(plan.window) + 1))
    frame = np.empty(len(plan.window))
    padded = np.zeros((n_transforms, n_tile, plan.fft_samples))
    spectra = np.empty((n_transforms, n_tile, n_bins), dtype=np.complex128)
    view_power = np.zeros((len(plan.mix_weights), n_bins))
    for begin in range(0, n_rows * n_frames, TILE_FRAMES):
        n_found = min(TILE_FRAMES, n_rows * n_frames - begin)
        for i in range(n_found):
            row, t = (begin + i) // n_frames, (begin + i) % n_frames
            start = starts[row] + plan.delay + t * plan.hop_samples
            if fresh[row] and start == starts[row]:
                samples[:, 0] = 0.0
                _unwrap(rings[slots[row]], start, len(plan.window), 1, samples)
            else:
                _unwrap(rings[slots[row]], start - 1, len(plan.window) + 1, 0, samples)
            load_windowed(samples, 1, plan, frame, padded, i)
        for transform in range(n_transforms):
            transform_tile(padded[transform, :n_found], spectra[transform, :n_found])
        for i in range(n_found):
            row, t = (begin + i) // n_frames, (begin + i) % n_frames
            sum_bands(spectra, i, plan, view_power, power[row, t])


@numba.njit(cache=True, nogil=True)
def ring_levels(
    rings: NDArray[np.float32],
    slots: NDArray[np.int64],
    starts: NDArray[np.int64],
    fresh: NDArray[np.bool_],
    n_frames: int,
    longest_window: int,
    hop_samples: int,
    full_scale: float,
    energies: NDArray[np.float64],
    peaks: NDArray[np.float64],
    damaged: NDArray[np.bool_],
) -> None:
    """As :func:`hop_levels`, for equally many frames of many rings; and which need a closer look.

    Args:
        rings: ``(slots, capacity, channels)``.
        slots: ``(rows,)``, which ring.
        starts: ``(rows,)``, count of the first sample of the row's first frame.
        fresh: ``(rows,)``, nothing came before it.
        n_frames: of each row.
        longest_window: of all views.
        hop_samples: length of a hop.
        full_scale: samples are expected to lie below it.
        energies: ``(rows, frames)``, written.
        peaks: ``(rows, frames)``, written.
        damaged: ``(rows,)``, written: a sample that no frame before these held is not below it, or no number.
    """
    overlap = longest_window - hop_samples
    samples = np.empty((rings.shape[2], overlap + n_frames * hop_samples))
    for row in range(len(slots)):
        skipped = 0 if fresh[row] else overlap
        n_samples = samples.shape[1] - skipped
        _unwrap(rings[slots[row]], starts[row] + skipped, n_samples, skipped, samples)
        hop_levels(samples, overlap, hop_samples, energies[row], peaks[row])
        peak = peaks[row].max()
        for channel in range(len(samples)):  # what no hop holds, where the first frame begins
            peak = max(peak, largest(samples[channel, skipped:overlap]))
        # A sum of squares that is no number had something in it that was none.
        total = energies[row].sum()
        for channel in range(len(samples)):
            total += dot(samples[channel], samples[channel], skipped, skipped, overlap - skipped)
        damaged[row] = not (peak < full_scale and np.isfinite(total))


@numba.njit(cache=True, nogil=True)
def fill_rings(
    rings: NDArray[np.float32],
    slots: NDArray[np.int64],
    counts: NDArray[np.int64],
    samples: NDArray[np.float32],
) -> None:
    """Put the same samples into several rings.

    Args:
        rings: ``(slots, capacity, channels)``, written.
        slots: which.
        counts: of the samples that each holds already.
        samples: ``(samples, channels)``, no more than fit.
    """
    capacity, n_samples = rings.shape[1], len(samples)
    for row in range(len(slots)):
        ring = rings[slots[row]]
        begin = counts[row] % capacity
        head = min(n_samples, capacity - begin)
        ring[begin : begin + head] = samples[:head]
        ring[: n_samples - head] = samples[head:]
