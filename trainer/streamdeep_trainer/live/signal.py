"""Clips one after another as one signal, as a microphone would bring them: in blocks that fit nothing.

No fade and nothing between clips. A clip's sound is where its recording is: data sets pad short sounds to equal
length, and what is padded (below :data:`SILENT_DBFS` up to the clip's end, or from its beginning) is heard as the
silence that it is. Sounds of one class that touch are one, since nobody could hear where the second begins. Not here: what
is made of the signal.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.file import open_audio
from streamdeep.errors import ConfigurationError
from streamdeep.records import Block
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.live.events import Event

SILENT_DBFS: Final = -80.0
"""Mean square of 10 ms; far below any microphone's own noise."""
_BLOCK_SAMPLES: Final = (441, 1, 4099, 17, 30011, 1021)
"""Blocks of these lengths in turn: a sound card's, one sample, primes."""


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """Clips in the order in which they are heard.

    Attributes:
        clips: all of one rate and number of channels.
        sample_rate_hz: theirs.
        n_channels: theirs.
        references: what is to be heard, in order.
        n_samples: length of the whole.
    """

    clips: tuple[Clip, ...]
    sample_rate_hz: int
    n_channels: int
    references: tuple[Event, ...]
    n_samples: int

    def blocks(self) -> Iterator[Block]:
        """The samples, ``(samples, channels)`` float32, in blocks of changing length."""
        lengths, at = cycle(_BLOCK_SAMPLES), 0
        for clip in self.clips:
            with open_audio(clip.path) as audio:
                for block in audio.blocks():
                    first = 0
                    while first < len(block.samples):
                        part = block.samples[first : first + next(lengths)]
                        yield Block(part, at)
                        first, at = first + len(part), at + len(part)


def make_signal(clips: Sequence[Clip], *, seed: int) -> Signal:
    """Put labelled clips into an order that is drawn.

    Args:
        clips: labelled and readable.
        seed: of the order.

    Raises:
        SourceError: a clip cannot be read.
        ConfigurationError: clips of different rates or channels make no one signal.
    """
    order = np.random.default_rng(seed).permutation(len(clips))
    chosen = tuple(clips[number] for number in order)
    references: list[Event] = []
    kinds: set[tuple[int, int]] = set()
    at = 0
    for clip in chosen:
        with open_audio(clip.path) as audio:
            kinds.add((audio.sample_rate_hz, audio.n_channels))
            samples = np.concatenate([block.samples for block in audio.blocks()])
            start, stop = _sounding(samples, audio.sample_rate_hz)
        label = str(clip.label)
        last = references[-1] if references else None
        if last is not None and last.label == label and last.stop_sample == at + start:
            references[-1] = Event(label, last.start_sample, at + stop)
        elif stop > start:
            references.append(Event(label, at + start, at + stop))
        at += len(samples)
    if not references:
        raise ConfigurationError("all of these clips are silent")
    if len(kinds) > 1:
        found = ", ".join(f"{rate} Hz × {channels}" for rate, channels in sorted(kinds))
        raise ConfigurationError(
            f"clips of {found} make no one signal; convert them to one rate and one number of channels"
        )
    [(rate_hz, n_channels)] = kinds
    return Signal(chosen, rate_hz, n_channels, tuple(references), at)


def _sounding(samples: NDArray[np.float32], sample_rate_hz: int) -> tuple[int, int]:
    """Where a clip, ``(samples, channels)``, begins and stops to be more than padding; 0 and 0 if it is silent."""
    step = max(1, sample_rate_hz // 100)
    edges = np.arange(0, len(samples), step)
    energies = np.add.reduceat((samples.astype(np.float64) ** 2).mean(axis=1), edges)
    lengths = np.diff(np.append(edges, len(samples)))
    loud = np.flatnonzero(energies / lengths > 10.0 ** (SILENT_DBFS / 10.0))
    if not len(loud):
        return 0, 0
    return int(edges[loud[0]]), int(edges[loud[-1]] + lengths[loud[-1]])
