"""Pooled log-Mel frames as a system: a recipe's front-end, levels and segments without its network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamdeep_trainer.baselines.pooled_logmel import pooled_logmel
from streamdeep_trainer.comparing.spectra import Spectra
from streamdeep_trainer.comparing.system import Cost, Features
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.levels import levels_of


@dataclass(frozen=True, slots=True)
class PooledLogmelSystem:
    """See :mod:`streamdeep_trainer.baselines.pooled_logmel`.

    Attributes:
        name: what tables call it.
        recipe: of which front-end, levels and segments are taken.
        spectra: of all clips, to learn levels from.
    """

    name: str
    recipe: Recipe
    spectra: Spectra

    def features(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Features:
        """Learn the levels from the clips that may be heard, and pool all; nothing is drawn."""
        made = self.spectra.of(self.recipe)
        names = {clip.filename for clip, may in zip(clips, heard, strict=True) if may}
        rows = np.flatnonzero([clip.filename in names for clip in made.clips]).astype(np.int64)
        frontend = self.recipe.frontend.config(*levels_of(made.only(rows), self.recipe.frontend))
        found = pooled_logmel(clips, frontend, self.recipe.segment.config(frontend))
        # one square per band and frame, for the deviation; no model file is written of it
        macs_per_s = frontend.n_features * frontend.sample_rate_hz / frontend.hop_samples
        return Features(*found, Cost(0, macs_per_s, None, False))

    def untrained(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Features | None:
        """None: there are no weights."""
        return None
