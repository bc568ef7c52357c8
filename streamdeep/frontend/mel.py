"""Frequency scales and filter banks, as pure functions.

Two Mel scales: HTK (O'Shaughnessy 1987, as auDeep and HTK use it) and Slaney's (Auditory Toolbox 1998, as
librosa's default). A bank is kept sparse, because a triangle touches few bins: 1.5 % of a dense
128 x 1765 matrix.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import View

# Slaney's scale is linear below 1 kHz and logarithmic above, 27 steps to a factor of 6.4.
_SLANEY_HZ_PER_MEL = 200.0 / 3.0
_SLANEY_BREAK_HZ = 1000.0
_SLANEY_BREAK_MEL = _SLANEY_BREAK_HZ / _SLANEY_HZ_PER_MEL
_SLANEY_LOG_STEP = np.log(6.4) / 27.0


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """A sparse filter bank: band ``b`` weighs the bins ``starts[b] .. starts[b] + counts[b]``.

    Attributes:
        starts: ``(bands,)`` int64, first bin of each band.
        counts: ``(bands,)`` int64, number of bins of each band; 0 for a band too narrow for any bin.
        weights: ``(sum(counts),)`` float64, the bands' weights one after the other.
    """

    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    weights: NDArray[np.float64]


def htk_mel_from_hz(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """``2595 log10(1 + f / 700)``."""
    mel: NDArray[np.float64] = 2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0)
    return mel


def hz_from_htk_mel(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of :func:`htk_mel_from_hz`."""
    hz: NDArray[np.float64] = 700.0 * (10.0 ** (np.asarray(mel) / 2595.0) - 1.0)
    return hz


def slaney_mel_from_hz(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear to 1 kHz (15 mel), then logarithmic."""
    hz = np.asarray(hz, dtype=np.float64)
    logarithmic = (
        _SLANEY_BREAK_MEL
        + np.log(np.maximum(hz, _SLANEY_BREAK_HZ) / _SLANEY_BREAK_HZ) / _SLANEY_LOG_STEP
    )
    return np.where(hz < _SLANEY_BREAK_HZ, hz / _SLANEY_HZ_PER_MEL, logarithmic)


def hz_from_slaney_mel(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of :func:`slaney_mel_from_hz`."""
    mel = np.asarray(mel, dtype=np.float64)
    logarithmic = _SLANEY_BREAK_HZ * np.exp(
        _SLANEY_LOG_STEP * np.maximum(mel - _SLANEY_BREAK_MEL, 0.0)
    )
    return np.where(mel < _SLANEY_BREAK_MEL, mel * _SLANEY_HZ_PER_MEL, logarithmic)


def htk_bank(n_bands: int, fft_samples: int, sample_rate_hz: int) -> NDArray[np.float64]:
    """The bank of auDeep: triangles between integer bins, peak 1, from 0 Hz to half the rate.

    The ``n_bands + 2`` corners are equidistant in HTK mel and fall on bin
    ``floor((fft_samples + 1) * f / sample_rate_hz)``. A band whose corners share a bin stays empty.

    Returns:
        ``(n_bands, fft_samples // 2 + 1)`` float64.
    """
    top_mel = htk_mel_from_hz(np.array(sample_rate_hz / 2.0))
    corners_hz = hz_from_htk_mel(np.linspace(0.0, float(top_mel), n_bands + 2))
    corners = np.floor((fft_samples + 1) * corners_hz / sample_rate_hz).astype(np.int64)
    bank = np.zeros((n_bands, fft_samples // 2 + 1))
    for band, (lower, centre, upper) in enumerate(
        zip(corners, corners[1:], corners[2:], strict=False)
    ):
        rising = np.arange(lower, centre)
        falling = np.arange(centre, upper)
        bank[band, rising] = (rising - lower) / max(centre - lower, 1)
        bank[band, falling] = (upper - falling) / max(upper - centre, 1)
    return bank


def slaney_bank(n_bands: int, fft_samples: int, sample_rate_hz: int) -> NDArray[np.float64]:
    """Slaney's bank: triangles of unit area between exact frequencies, from 0 Hz to half the rate.

    Returns:
        ``(n_bands, fft_samples // 2 + 1)`` float64; a filter sums power to power per Hz.
    """
    bins_hz = np.arange(fft_samples // 2 + 1, dtype=np.float64) * (sample_rate_hz / fft_samples)
    top_mel = slaney_mel_from_hz(np.array(sample_rate_hz / 2.0))
    corners_hz = hz_from_slaney_mel(np.linspace(0.0, float(top_mel), n_bands + 2))
    widths_hz = np.diff(corners_hz)
    distances_hz = corners_hz[:, None] - bins_hz[None, :]
    rising = -distances_hz[:-2] / widths_hz[:-1, None]
    falling = distances_hz[2:] / widths_hz[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    bank: NDArray[np.float64] = triangles * (2.0 / (corners_hz[2:] - corners_hz[:-2]))[:, None]
    return bank


def band_centres_hz(view: View, sample_rate_hz: int) -> NDArray[np.float64]:
    """Where each band of a view is centred, for axes of pictures; ``(bands,)`` Hz."""
    if view.n_bands is None:
        return np.arange(view.width, dtype=np.float64) * (sample_rate_hz / view.transform_samples)
    top = np.array(sample_rate_hz / 2.0)
    if view.scale == "htk":
        return hz_from_htk_mel(np.linspace(0.0, float(htk_mel_from_hz(top)), view.n_bands + 2))[
            1:-1
        ]
    return hz_from_slaney_mel(np.linspace(0.0, float(slaney_mel_from_hz(top)), view.n_bands + 2))[
        1:-1
    ]


def sparse(bank: NDArray[np.float64]) -> Bank:
    """Keep of each band only the stretch from its first to its last weight that is not zero."""
    starts, counts, weights = [], [], []
    for row in bank:
        touched = np.flatnonzero(row)
        first, last = (int(touched[0]), int(touched[-1]) + 1) if touched.size else (0, 0)
        starts.append(first)
        counts.append(last - first)
        weights.append(row[first:last])
    return Bank(np.array(starts, np.int64), np.array(counts, np.int64), np.concatenate(weights))


def bank_for(view: View, sample_rate_hz: int) -> Bank:
    """The sparse bank of a view; a linear scale has one bin per band."""
    if view.n_bands is None:
        bins = np.arange(view.width, dtype=np.int64)
        return Bank(bins, np.ones_like(bins), np.ones(view.width))
    build = htk_bank if view.scale == "htk" else slaney_bank
    return sparse(build(view.n_bands, view.transform_samples, sample_rate_hz))
