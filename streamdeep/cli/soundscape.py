"""A seeded synthetic soundscape, for a demo without a microphone.

Ten kinds of sound that only resemble what their names say: noise shaped and gated, chirps, pulses. It is
there to move samples through the whole line, not to prove a classifier's accuracy, and the demo says so.
"""

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float64]
Scene = Callable[[np.random.Generator, Sound, int], Sound]


def _noise(random: np.random.Generator, seconds: Sound, rate_hz: int, slope: float) -> Sound:
    """Noise whose power falls with frequency to the power ``slope``."""
    spectrum = np.fft.rfft(random.standard_normal(len(seconds)))
    frequencies_hz = np.maximum(np.fft.rfftfreq(len(seconds), 1 / rate_hz), 20.0)
    shaped = np.fft.irfft(spectrum * frequencies_hz ** (-slope / 2), len(seconds))
    loudest = float(np.abs(shaped).max())
    quietened: Sound = shaped / loudest
    return quietened


def _rain(random: np.random.Generator, seconds: Sound, rate_hz: int) -> Sound:
    return 0.3 * _noise(random, seconds, rate_hz, 0.3)


def _waves(random: np.random.Generator, seconds: Sound, rate_hz: int) -> Sound:
    return 0.5 * _noise(random, seconds, rate_hz, 1.2) * (0.15 + np.sin(np.pi * seconds / 5.0) ** 2)


def _ticks(random: np.random.Generator, seconds: Sound, rate_hz: int) -> Sound:
    since_tick = np.mod(seconds, 0.5)
    clicks = np.exp(-400 * since_tick) * np.sin(2 * np.pi * 3200 * since_tick)
    sound: Sound = 0.6 * clicks + 0.002 * random.standard_normal(len(seconds))
    return sound


def _rotor(random: np.random.Generator, seconds: Sound, rate_hz: int) -> Sound:
    return 0.6 * _noise(random, seconds, rate_hz, 1.5) * (0.3 + np.mod(-13.0 * seconds, 1.0) ** 2)


def _motor(random: np.random.Generator, seconds: Sound, rate_hz: int) -> Sound:
    phase = 2 * np.pi * np.cumsum(110 + 30 * np.sin(2 * np.pi * 0.4 * seconds)) / rate_hz
    orders = np.arange(1, 25)[:, None]
    harmonics = (np.sin(orders * phase) / orders**0.5).sum(axis=0)
    sound: Sound = 0.12 * harmonics + 0.1 * _noise(random, seconds, rate_hz, 0.5)
    return sound


def _crow(random: np.random.Generator, seconds: Sound, rate_hz: int) -> Sound:
    phase = 2 * np.pi * np.cumsum(600 + 300 * np.sin(np.pi * np.mod(seconds, 2.5))) / rate_hz
    orders = np.arange(1, 9)[:, None]
    voice = (np.sin(orders * phase) / orders).sum(axis=0)
    hiss = 0.002 * random.standard_normal(len(seconds))
    sound: Sound = 0.25 * voice * (np.mod(seconds, 2.5) < 1.3) + hiss
    return sound


def _crackle(random: np.random.Generator, seconds: Sound, rate_hz: int) -> Sound:
    pops = (random.random(len(seconds)) < 25 / rate_hz) * random.standard_normal(len(seconds))
    decay = np.exp(-np.arange(rate_hz // 100) / (rate_hz / 1500))
    bed = 0.02 * _noise(random, seconds, rate_hz, 1.0)
    return 0.6 * np.convolve(pops, decay)[: len(seconds)] + bed


SCENES: dict[str, Scene] = {
    "rain-like noise": _rain,
    "surf-like swells": _waves,
    "ticks": _ticks,
    "rotor-like pulses": _rotor,
    "motor-like harmonics": _motor,
    "crowing chirps": _crow,
    "crackles": _crackle,
}


def write_soundscape(
    path: Path, *, seed: int, scene_s: float, rate_hz: int = 44100
) -> list[tuple[float, str]]:
    """Write a 16-bit mono wave file of all scenes, one after the other.

    Returns:
        Start in seconds and name of every scene.
    """
    random = np.random.default_rng(seed)
    seconds = np.arange(int(scene_s * rate_hz)) / rate_hz
    parts = [scene(random, seconds, rate_hz) for scene in SCENES.values()]
    samples = np.clip(np.concatenate(parts), -0.99, 0.99)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
    return [(index * scene_s, name) for index, name in enumerate(SCENES)]
