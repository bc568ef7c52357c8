"""What a room, a microphone or a line does to sound, one pure function each. Not here: codecs (``codecs``)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.signal import oaconvolve

from streamdeep.audio.resample import Resampler
from streamdeep_trainer.conditions.sound import Sound, mean_power, sounding_from, sounding_power

LOWEST_PINK_HZ: Final = 20.0
"""Below it pink noise is white, so that the power that is counted can be heard."""
DECAYS: Final = 1.5
"""How long an impulse response is, in reverberation times: to -90 dB."""


def louder(sound: Sound, gain_db: float) -> Sound:
    """Louder or quieter, and clipped at full scale as a sound card clips; nothing is rounded to integers."""
    samples = sound.samples * np.float32(10.0 ** (gain_db / 20.0))
    return Sound(np.clip(samples, -1.0, 1.0), sound.sample_rate_hz)


def at_rate(sound: Sound, sample_rate_hz: int) -> Sound:
    """As a source of this rate delivers it: through soxr at HQ, as all resampling of the project."""
    n_channels = sound.samples.shape[1]
    resampler = Resampler(sound.sample_rate_hz, sample_rate_hz, n_channels)
    parts = [*resampler.push(sound.samples), *resampler.flush()]
    return Sound(np.concatenate(parts or [sound.samples[:0]]), sample_rate_hz)


def of_length(sound: Sound, length_s: float) -> Sound:
    """So many seconds from where the sound begins, or from as late as leaves enough.

    Of a sound that is shorter: all of it, as often from its beginning as it takes.
    """
    n_samples = max(1, round(length_s * sound.sample_rate_hz))
    first = min(sounding_from(sound), max(0, len(sound.samples) - n_samples))
    rows = (first + np.arange(n_samples)) % len(sound.samples)
    return Sound(sound.samples[rows], sound.sample_rate_hz)


def noisy(sound: Sound, snr_db: float, noise: NDArray[np.float64]) -> Sound:
    """With noise, from the first sample to the last.

    Args:
        sound: what it is added to; silence stays as it is, since no noise is this far below it.
        snr_db: mean power of the sounding part (:func:`sounding_power`) over that of the noise, exactly.
        noise: ``(samples, channels)`` of any level.

    Returns:
        The sum; beyond full scale it is not clipped.
    """
    wanted, power = sounding_power(sound) / 10.0 ** (snr_db / 10.0), float((noise**2).mean())
    scale = np.sqrt(wanted / power) if power > 0.0 else 0.0
    return Sound(sound.samples + (scale * noise).astype(np.float32), sound.sample_rate_hz)


def white_noise(shape: tuple[int, int], random: np.random.Generator) -> NDArray[np.float64]:
    """``(samples, channels)``, Gaussian, channels apart from each other."""
    return random.standard_normal(shape)


def pink_noise(
    shape: tuple[int, int], sample_rate_hz: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """As :func:`white_noise`, with a power density that falls as 1/f above :data:`LOWEST_PINK_HZ`."""
    n_drawn = next_fast_len(shape[0], real=True)
    spectrum = np.fft.rfft(white_noise((n_drawn, shape[1]), random), axis=0)
    frequencies_hz = np.fft.rfftfreq(n_drawn, 1.0 / sample_rate_hz)
    weights = 1.0 / np.sqrt(np.maximum(frequencies_hz, LOWEST_PINK_HZ))
    weights[0] = 0.0
    noise: NDArray[np.float64] = np.fft.irfft(spectrum * weights[:, None], n=n_drawn, axis=0)
    return noise[: shape[0]]


def impulse_response(
    reverberation_s: float, sample_rate_hz: int, n_channels: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """A large room's, far from the source: Gaussian noise that decays by 60 dB in the reverberation time.

    ``h(t) = n(t) exp(-d t)`` with ``d = 3 ln(10) / RT60``: J.-D. Polack, "La transmission de l'énergie sonore
    dans les salles" (thesis, Université du Maine, Le Mans 1988). No direct sound and no single reflections.

    Returns:
        ``(samples, channels)``, of energy 1 in each channel.
    """
    n_samples = max(1, round(DECAYS * reverberation_s * sample_rate_hz))
    times_s = np.arange(n_samples) / sample_rate_hz
    decay = np.exp(-3.0 * np.log(10.0) / reverberation_s * times_s)
    response = random.standard_normal((n_samples, n_channels)) * decay[:, None]
    unit: NDArray[np.float64] = response / np.sqrt((response**2).sum(axis=0))
    return unit


def reverberant(sound: Sound, response: NDArray[np.float64]) -> Sound:
    """As heard through a room, ``(samples, channels)``: as long as before, and as loud over its whole length."""
    wet = oaconvolve(sound.samples.astype(np.float64), response, axes=0)[: len(sound.samples)]
    power = float((wet**2).mean())
    scale = np.sqrt(mean_power(sound.samples) / power) if power > 0.0 else 0.0
    return Sound((scale * wet).astype(np.float32), sound.sample_rate_hz)
