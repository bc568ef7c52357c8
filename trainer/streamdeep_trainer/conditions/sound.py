"""One clip's sound in memory, as it is changed and embedded. Not here: the changes (``changes``, ``codecs``)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.file import open_audio
from streamdeep.errors import SourceError

LONGEST_S: Final = 600.0
"""A clip is changed whole; one longer than this belongs cut into several."""
SILENT_DBFS: Final = -80.0
"""Mean square of 10 ms below which it is no sound: data sets pad short sounds with it to equal length."""


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """Samples and their rate.

    Attributes:
        samples: ``(samples, channels)`` float32, full scale ±1.
        sample_rate_hz: theirs.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int


def read_sound(path: Path) -> Sound:
    """Read a clip; what its file says is missing inside is silence.

    Raises:
        SourceError: not audio, broken off, or longer than :data:`LONGEST_S`.
    """
    with open_audio(path) as audio:
        longest_samples = round(LONGEST_S * audio.sample_rate_hz)
        parts: list[NDArray[np.float32]] = []
        at = 0
        for block in audio.blocks():
            if block.stop_sample > longest_samples:
                raise SourceError(f"{path} is longer than {LONGEST_S:g} s; cut it into clips")
            if block.start_sample > at:
                parts.append(np.zeros((block.start_sample - at, audio.n_channels), np.float32))
            parts.append(block.samples)
            at = block.stop_sample
        if not parts:
            raise SourceError(f"{path} is empty: it holds no samples")
        return Sound(np.concatenate(parts), audio.sample_rate_hz)


def mean_power(samples: NDArray[np.float32]) -> float:
    """Mean square over all samples and channels."""
    return float((samples.astype(np.float64) ** 2).mean())


def sounding_power(sound: Sound) -> float:
    """Mean square over those pieces of 10 ms that are above :data:`SILENT_DBFS`; 0 if none is.

    Pieces are counted from the first sample; the last may be shorter. Channels are averaged.
    """
    energies, lengths, loud = _pieces(sound)
    return float(energies[loud].sum() / lengths[loud].sum()) if loud.any() else 0.0


def sounding_from(sound: Sound) -> int:
    """First sample of the first such piece; 0 if none is."""
    _, lengths, loud = _pieces(sound)
    return int(lengths[: loud.argmax()].sum())


def _pieces(
    sound: Sound,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Energy, length in samples, and whether it sounds, of every piece."""
    step = max(1, sound.sample_rate_hz // 100)
    edges = np.arange(0, len(sound.samples), step)
    energies = np.add.reduceat((sound.samples.astype(np.float64) ** 2).mean(axis=1), edges)
    lengths = np.diff(np.append(edges, len(sound.samples)))
    return energies, lengths, energies / lengths > 10.0 ** (SILENT_DBFS / 10.0)
