"""Systems of others that learn with labels and decide themselves: frames of labelled clips in, one answer per clip out.

Not here: their networks (``baselines.frame_mlp``, ``baselines.segment_cnn``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamdeep_trainer.comparing.material import decibels_of
from streamdeep_trainer.comparing.spectra import Spectra
from streamdeep_trainer.comparing.system import Cost, Decided
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.datasets.clip import Clip


class Learnt(Protocol):
    """A network that has learnt."""

    @property
    def n_parameters(self) -> int:
        """How many numbers are learnt."""

    @property
    def macs_per_frame(self) -> float:
        """Multiplications with additions."""

    def answer(self, decibels: NDArray[np.float32]) -> NDArray[np.float64]:
        """``(time, bands)`` of one clip to ``(classes,)`` shares."""


Learn = Callable[[Sequence[NDArray[np.float32]], NDArray[np.int64], int], Learnt]
"""From the frames of clips, their labels and a seed; one that travels to another process."""


@dataclass(frozen=True, slots=True)
class FramesSystem:
    """A system that learns from frames.

    Attributes:
        name: what tables call it.
        recipe: of which the front-end is taken; frames are in dB.
        spectra: of all clips.
        learn: the network.
    """

    name: str
    recipe: Recipe
    spectra: Spectra
    learn: Learn

    def decide(
        self, clips: Sequence[Clip], training: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Decided:
        """Learn from the training clips, and answer for all others.

        Raises:
            SourceError: a clip cannot be read.
        """
        frames = decibels_of(clips, self.recipe, self.spectra)
        taught = [int(row) for row in np.flatnonzero(training)]
        names = tuple(sorted({str(clips[row].label) for row in taught}))
        labels = np.array([names.index(str(clips[row].label)) for row in taught], dtype=np.int64)
        learnt = self.learn([frames[row] for row in taught], labels, seed)
        shares = np.full((len(clips), len(names)), np.nan)
        for row in np.flatnonzero(~training):
            shares[row] = learnt.answer(frames[row])
        frontend = self.recipe.frontend.stored()
        frames_per_s = frontend.sample_rate_hz / frontend.hop_samples
        cost = Cost(learnt.n_parameters, learnt.macs_per_frame * frames_per_s, None, False)
        return Decided(names, shares, cost)
