"""From samples to the power in bands, for views of equal window: they share the transforms.

Frames go through the transform in tiles: several in one call of the FFT take two thirds of the time that they
take one by one, and come out the same to the last bit (measured, and tested). Not here: rings, levels.
"""

from typing import NamedTuple

import numba
import numpy as np
import rocket_fft  # noqa: F401 - registers numpy.fft with numba
from numpy.typing import NDArray
from rocket_fft import r2c

from streamdeep.frontend.kernels.sums import dot, mean

TILE_FRAMES = 8
"""Frames of one call of the FFT; more take no less time each (measured)."""


class Transforms(NamedTuple):
    """What is computed of views that share their window.

    Attributes:
        delay: samples from the beginning of the longest window to that of this one; all end together.
        hop_samples: step between frames.
        window: ``(window,)`` Hann.
        fft_samples: length of the transform.
        pre_emphasis: coefficient, 0 is off.
        remove_frame_mean: subtract each frame's mean before the window.
        scale: power of one bin of a full-scale sine becomes 1.
        load_weights: ``(transforms, channels)``, what is transformed.
        mix_weights: ``(views, transforms)``, each view's spectrum as a sum of transforms.
        band_views: ``(bands,)``, which view a band reads.
        band_starts: ``(bands,)``, first bin.
        band_counts: ``(bands,)``, number of bins.
        band_columns: ``(bands,)``, column of the power to write.
        bank_weights: the bands' weights one after the other.
    """

    delay: int
    hop_samples: int
    window: NDArray[np.float64]
    fft_samples: int
    pre_emphasis: float
    remove_frame_mean: bool
    scale: float
    load_weights: NDArray[np.float64]
    mix_weights: NDArray[np.float64]
    band_views: NDArray[np.int64]
    band_starts: NDArray[np.int64]
    band_counts: NDArray[np.int64]
    band_columns: NDArray[np.int64]
    bank_weights: NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def _load(
    samples: NDArray[np.float64],
    weights: NDArray[np.float64],
    start: int,
    pre_emphasis: float,
    frame: NDArray[np.float64],
) -> None:
    """Fuse channels and pre-emphasise; ``samples[:, start - 1]`` must exist."""
    first = True
    for channel in range(len(weights)):
        weight = weights[channel]
        if weight == 0.0:
            continue
        present = samples[channel, start : start + len(frame)]
        before = samples[channel, start - 1 : start - 1 + len(frame)]
        if first and pre_emphasis == 0.0:  # what most models have
            for i in range(len(frame)):
                frame[i] = weight * present[i]
        elif first:
            for i in range(len(frame)):
                frame[i] = weight * (present[i] - pre_emphasis * before[i])
        else:
            for i in range(len(frame)):
                frame[i] += weight * (present[i] - pre_emphasis * before[i])
        first = False
    if first:
        frame[:] = 0.0


@numba.njit(cache=True, nogil=True)
def load_windowed(
    samples: NDArray[np.float64],
    start: int,
    plan: Transforms,
    frame: NDArray[np.float64],
    padded: NDArray[np.float64],
    number: int,
) -> None:
    """Put one frame, as every transform wants it, into a tile.

    Args:
        samples: ``(channels, samples)``; column ``start - 1`` must exist.
        start: where the frame begins.
        plan: what to compute.
        frame: ``(window,)``, overwritten.
        padded: ``(transforms, frames, fft)``, written as far as the window reaches.
        number: of the frame in the tile.
    """
    for transform in range(len(padded)):
        _load(samples, plan.load_weights[transform], start, plan.pre_emphasis, frame)
        level = mean(frame) if plan.remove_frame_mean else 0.0
        row = padded[transform, number]
        for i in range(len(frame)):
            row[i] = (frame[i] - level) * plan.window[i]


@numba.njit(cache=True, nogil=True)
def transform_tile(padded: NDArray[np.float64], spectra: NDArray[np.complex128]) -> None:
    """Transform the frames of a tile.

    Args:
        padded: ``(frames, fft)``.
        spectra: ``(frames, bins)``, written.
    """
    if len(padded) == 1:  # a call of its own: a tile of one takes a quarter longer
        r2c(padded[0], spectra[0], np.array([0]), True, 1.0, 1)
    else:
        r2c(padded, spectra, np.array([1]), True, 1.0, 1)


@numba.njit(cache=True, nogil=True)
def _mix(
    spectra: NDArray[np.complex128],
    number: int,
    plan: Transforms,
    view_power: NDArray[np.float64],
) -> None:
    """Each view's power; a view of no transform stays silent."""
    n_transforms, n_bins = spectra.shape[0], spectra.shape[2]
    for view in range(len(view_power)):
        power = view_power[view]
        if n_transforms == 1:
            weight, spectrum = plan.mix_weights[view, 0], spectra[0, number]
            for k in range(n_bins):
                real, imaginary = weight * spectrum[k].real, weight * spectrum[k].imag
                power[k] = (real * real + imaginary * imaginary) * plan.scale
            continue
        for k in range(n_bins):
            real = 0.0
            imaginary = 0.0
            for transform in range(n_transforms):
                weight = plan.mix_weights[view, transform]
                if weight != 0.0:
                    real += weight * spectra[transform, number, k].real
                    imaginary += weight * spectra[transform, number, k].imag
            power[k] = (real * real + imaginary * imaginary) * plan.scale


@numba.njit(cache=True, nogil=True)
def sum_bands(
    spectra: NDArray[np.complex128],
    number: int,
    plan: Transforms,
    view_power: NDArray[np.float64],
    bands: NDArray[np.float64],
) -> None:
    """Fill these views' columns of one frame.

    Args:
        spectra: ``(transforms, frames, bins)``.
        number: of the frame in the tile.
        plan: what to compute.
        view_power: ``(views, bins)``, overwritten; zeros at first.
        bands: ``(features,)``, written.
    """
    _mix(spectra, number, plan, view_power)
    offset = 0
    for band in range(len(plan.band_views)):
        count = plan.band_counts[band]
        bands[plan.band_columns[band]] = dot(
            view_power[plan.band_views[band]],
            plan.bank_weights,
            plan.band_starts[band],
            offset,
            count,
        )
        offset += count


@numba.njit(cache=True, nogil=True)
def power_frames(
    samples: NDArray[np.float64], plan: Transforms, power: NDArray[np.float64]
) -> None:
    """Fill the columns of ``power`` that belong to these views.

    Args:
        samples: ``(channels, 1 + samples)``: the sample before the first frame, and all frames.
        plan: what to compute.
        power: ``(frames, features)``, written.
    """
    n_transforms, n_bins = len(plan.load_weights), plan.fft_samples // 2 + 1
    n_tile = min(TILE_FRAMES, len(power))
    frame = np.empty(len(plan.window))
    padded = np.zeros((n_transforms, n_tile, plan.fft_samples))
    spectra = np.empty((n_transforms, n_tile, n_bins), dtype=np.complex128)
    view_power = np.zeros((len(plan.mix_weights), n_bins))
    for begin in range(0, len(power), TILE_FRAMES):
        n_frames = min(TILE_FRAMES, len(power) - begin)
        for t in range(n_frames):
            start = 1 + plan.delay + (begin + t) * plan.hop_samples
            load_windowed(samples, start, plan, frame, padded, t)
        for transform in range(n_transforms):
            transform_tile(padded[transform, :n_frames], spectra[transform, :n_frames])
        for t in range(n_frames):
            sum_bands(spectra, t, plan, view_power, power[begin + t])
