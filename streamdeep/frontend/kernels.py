"""The compiled loops of the front-end, and all that the project knows of numba.

Why loops and not array expressions: results must not depend on how many frames one call handles, to the
last bit. A matrix product through BLAS changes in the sixth digit with the number of rows; a loop whose
order is fixed per frame does not, and is no slower. For the same reason there is no ``fastmath`` (it
lets the compiler reorder sums) and no ``prange`` (it aborts the process when two threads enter). Long
sums are split by hand into four partial sums, so that the order is ours and the adds still overlap.

Everything here releases the GIL. Compiled code is cached under the user's cache folder; the first start on
a machine compiles for some seconds.
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


def are_compiled() -> bool:
    """Whether an earlier start on this machine left compiled kernels; otherwise the next calls take seconds."""
    return any(Path(os.environ["NUMBA_CACHE_DIR"]).glob("*/*.ring_power-*.nbi"))


@numba.njit(cache=True, nogil=True)
def _dot(
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
def _largest(values: NDArray[np.float64]) -> float:
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
def _mix_one(
    spectrum: NDArray[np.complex128], weight: float, scale: float, power: NDArray[np.float64]
) -> None:
    """A view of one transform: its power."""
    for k in range(len(power)):
        real, imaginary = weight * spectrum[k].real, weight * spectrum[k].imag
        power[k] = (real * real + imaginary * imaginary) * scale


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
    spectra = np.empty((n_transforms if n_transforms > 1 else 0, n_bins), dtype=np.complex128)
    view_power = np.zeros((n_views, n_bins))  # a view of no transform is silence
    for t in range(len(power)):
        for transform in range(n_transforms):
            _load(samples, load_weights[transform], first + t * hop_samples, pre_emphasis, frame)
            mean = _mean(frame) if remove_frame_mean else 0.0
            for i in range(len(window)):
                padded[i] = (frame[i] - mean) * window[i]
            spectrum = np.fft.rfft(padded)
            if n_transforms > 1:
                spectra[transform] = spectrum
            else:
                for view in range(n_views):
                    _mix_one(spectrum, mix_weights[view, 0], scale, view_power[view])
        for view in range(n_views if n_transforms > 1 else 0):
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
            peak = max(peak, _largest(samples[channel, start : start + hop_samples]))
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
    for i in range(len(values)):
        samples[i] = values[i]


@numba.njit(cache=True, nogil=True)
def ring_power(  # noqa: D417 - as said there
    rings: NDArray[np.float32],
    slots: NDArray[np.int64],
    starts: NDArray[np.int64],
    fresh: NDArray[np.bool_],
    n_frames: int,
    longest_window: int,
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
    """As :func:`power_frames`, for equally many frames of many rings.

    Args:
        rings: ``(slots, capacity, channels)``.
        slots: ``(rows,)``, which ring.
        starts: ``(rows,)``, count of the first sample of the row's first frame.
        fresh: ``(rows,)``, nothing came before it; otherwise the sample before must still be there.
        n_frames: of each row.
        longest_window: of all views; what begins at ``starts``.
        power: ``(rows, frames, features)``, written.

    The others as for :func:`power_frames`.
    """
    n_samples = longest_window + (n_frames - 1) * hop_samples
    samples = np.zeros((rings.shape[2], n_samples + 1))
    first = 1 + longest_window - len(window)  # every frame ends at the same sample
    for row in range(len(slots)):
        if fresh[row]:
            samples[:, 0] = 0.0
            _unwrap(rings[slots[row]], starts[row], n_samples, 1, samples)
        else:
            _unwrap(rings[slots[row]], starts[row] - 1, n_samples + 1, 0, samples)
        power_frames(
            samples,
            first,
            hop_samples,
            window,
            fft_samples,
            pre_emphasis,
            remove_frame_mean,
            scale,
            load_weights,
            mix_weights,
            band_views,
            band_starts,
            band_counts,
            band_columns,
            bank_weights,
            power[row],
        )


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
            peak = max(peak, _largest(samples[channel, skipped:overlap]))
        # A sum of squares that is no number had something in it that was none.
        total = energies[row].sum()
        for channel in range(len(samples)):
            total += _dot(samples[channel], samples[channel], skipped, skipped, overlap - skipped)
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
