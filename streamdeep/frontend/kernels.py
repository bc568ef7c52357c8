"""The compiled loops of the front-end, and all that the project knows of numba.

Why loops and not array expressions: results must not depend on how many frames one call handles, to the
last bit. A matrix product through BLAS changes in the sixth digit with the number of rows; a loop whose
order is fixed per frame does not, and is no slower. For the same reason there is no ``fastmath`` (it
lets the compiler reorder sums) and no ``prange`` (it aborts the process when two threads enter). Long
sums are split by hand into four partial sums, so that the order is ours and the adds still overlap.

Everything here releases the GIL. Compiled code is cached under the user's cache folder; the first call on
a machine compiles for about a second.
"""

import os
from pathlib import Path


def _cache_folder() -> str:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return str(Path(base) / "streamdeep" / "numba")


# Read by numba at import: an installed package's own folder may be read-only.
os.environ.setdefault("NUMBA_CACHE_DIR", _cache_folder())

import numba  # noqa: E402
import numpy as np  # noqa: E402
import rocket_fft  # noqa: E402, F401 - registers numpy.fft with numba
from numpy.typing import NDArray  # noqa: E402


@numba.njit(cache=True, nogil=True)
def _dot(
    left: NDArray[np.float64], right: NDArray[np.float64], start: int, offset: int, count: int
) -> float:
    """``sum(left[start + i] * right[offset + i])`` in four fixed partial sums."""
    sum_0 = sum_1 = sum_2 = sum_3 = 0.0
    whole = count - count % 4
    for i in range(0, whole, 4):
        sum_0 += left[start + i] * right[offset + i]
        sum_1 += left[start + i + 1] * right[offset + i + 1]
        sum_2 += left[start + i + 2] * right[offset + i + 2]
        sum_3 += left[start + i + 3] * right[offset + i + 3]
    for i in range(whole, count):
        sum_0 += left[start + i] * right[offset + i]
    return (sum_0 + sum_1) + (sum_2 + sum_3)


@numba.njit(cache=True, nogil=True)
def _mean(values: NDArray[np.float64]) -> float:
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
        for i in range(len(frame)):
            value = weight * (
                samples[channel, start + i] - pre_emphasis * samples[channel, start + i - 1]
            )
            frame[i] = value if first else frame[i] + value
        first = False
    if first:
        frame[:] = 0.0


@numba.njit(cache=True, nogil=True)
def power_frames(
    samples: NDArray[np.float64],
    first: int,
    hop_samples: int,
    window: NDArray[np.float64],
    fft_samples: int,
    pre_emphasis: float,
    remove_frame_mean: bool,
    scale: float,
    load_weights: NDArray[np.float64],
    mix_weights: NDArray[np.float64],
    band_views: NDArray[np.int64],
    band_starts: NDArray[np.int64],
    band_counts: NDArray[np.int64],
    band_columns: NDArray[np.int64],
    bank_weights: NDArray[np.float64],
    power: NDArray[np.float64],
) -> None:
    """Fill the columns of ``power`` that belong to one group of views of equal window.

    Args:
        samples: ``(channels, samples)``; column ``first - 1`` must exist.
        first: where the first frame of this group begins.
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
        band_columns: ``(bands,)``, column of ``power`` to write.
        bank_weights: the bands' weights one after the other.
        power: ``(frames, features)``, written.
    """
    n_transforms = len(load_weights)
    n_views = len(mix_weights)
    n_bins = fft_samples // 2 + 1
    frame = np.empty(len(window))
    padded = np.zeros(fft_samples)
    spectra = np.empty((n_transforms, n_bins), dtype=np.complex128)
    view_power = np.empty((n_views, n_bins))
    for t in range(len(power)):
        for transform in range(n_transforms):
            _load(samples, load_weights[transform], first + t * hop_samples, pre_emphasis, frame)
            mean = _mean(frame) if remove_frame_mean else 0.0
            for i in range(len(window)):
                padded[i] = (frame[i] - mean) * window[i]
            spectra[transform] = np.fft.rfft(padded)
        for view in range(n_views):
            for k in range(n_bins):
                real = 0.0
                imaginary = 0.0
                for transform in range(n_transforms):
                    weight = mix_weights[view, transform]
                    if weight != 0.0:
                        real += weight * spectra[transform, k].real
                        imaginary += weight * spectra[transform, k].imag
                view_power[view, k] = (real * real + imaginary * imaginary) * scale
        offset = 0
        for band in range(len(band_views)):
            count = band_counts[band]
            power[t, band_columns[band]] = _dot(
                view_power[band_views[band]], bank_weights, band_starts[band], offset, count
            )
            offset += count


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
            energy += _dot(samples[channel], samples[channel], start, start, hop_samples)
            for i in range(start, start + hop_samples):
                peak = max(peak, abs(samples[channel, i]))
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
