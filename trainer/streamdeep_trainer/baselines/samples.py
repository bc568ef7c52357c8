"""Samples of a clip for networks that want no frames: one channel, at one rate, through the engine's own stages."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.file import open_audio
from streamdeep.audio.resample import Resampler
from streamdeep.errors import SourceError
from streamdeep.frontend.damage import sanitise
from streamdeep.pipeline import check_source


def samples_of(path: Path, sample_rate_hz: int) -> NDArray[np.float32]:
    """``(samples,)`` float32, at least one: the mean of the channels.

    Raises:
        SourceError: not audio, broken off, or empty.
        ConfigurationError: a rate or a number of channels that the engine does not take.
    """
    with open_audio(path) as audio:
        check_source(audio.sample_rate_hz, audio.n_channels)
        resampler = Resampler(audio.sample_rate_hz, sample_rate_hz, audio.n_channels)
        found = [
            part for block in audio.blocks() for part in resampler.push(sanitise(block.samples)[0])
        ]
        found += resampler.flush()
    if not found:
        raise SourceError(f"{path} holds no sound")
    mono: NDArray[np.float32] = np.concatenate(found).mean(axis=1)
    return mono
