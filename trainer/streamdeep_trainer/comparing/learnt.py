"""Systems of others that learn features from segments without labels: sparse coding, and a DCGAN's discriminator.

Segments, front-end and levels are the recipe's, as for the encoders. Not here: the mathematics (``baselines``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamdeep_trainer.baselines.settings import DcganSettings, SparseCodingSettings
from streamdeep_trainer.comparing.material import Material, material_of
from streamdeep_trainer.comparing.spectra import Spectra
from streamdeep_trainer.comparing.system import Cost, Features
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.progress import track

if TYPE_CHECKING:
    from streamdeep_trainer.baselines.sparse_coding import Dictionary


@dataclass(frozen=True, slots=True)
class SparseCodingSystem:
    """See :mod:`streamdeep_trainer.baselines.sparse_coding`.

    Attributes:
        name: what tables call it.
        recipe: of which front-end, levels and segments are taken.
        spectra: of all clips.
        settings: of the dictionary.
    """

    name: str
    recipe: Recipe
    spectra: Spectra
    settings: SparseCodingSettings

    def features(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Features:
        """Learn a dictionary from the clips that may be heard, and describe all."""
        from streamdeep_trainer.baselines.sparse_coding import learn

        material = material_of(clips, heard, self.recipe, self.spectra)
        dictionary = learn(material.heard_segments, self.settings, seed=seed)
        return _described(clips, material, dictionary)

    def untrained(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Features | None:
        """By atoms as they were drawn."""
        from streamdeep_trainer.baselines.sparse_coding import begin

        material = material_of(clips, heard, self.recipe, self.spectra)
        dictionary = begin(material.heard_segments, self.settings, seed=seed)
        return _described(clips, material, dictionary)


@dataclass(frozen=True, slots=True)
class DcganSystem:
    """See :mod:`streamdeep_trainer.baselines.dcgan`.

    Attributes:
        name: what tables call it.
        recipe: of which front-end, levels and segments are taken.
        spectra: of all clips.
        settings: of both networks.
    """

    name: str
    recipe: Recipe
    spectra: Spectra
    settings: DcganSettings

    def features(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Features:
        """Train on the clips that may be heard, and describe all."""
        return self._seen(self.settings, clips, heard, seed)

    def untrained(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Features | None:
        """By the discriminator that training begins with."""
        return self._seen(self.settings.model_copy(update={"epochs": 0}), clips, heard, seed)

    def _seen(
        self, settings: DcganSettings, clips: Sequence[Clip], heard: NDArray[np.bool_], seed: int
    ) -> Features:
        from streamdeep_trainer.baselines.dcgan import learn

        material = material_of(clips, heard, self.recipe, self.spectra)
        learnt = learn(material.heard_segments, settings, seed=seed)
        macs_per_s = learnt.macs_per_segment * material.segments_per_s
        cost = Cost(learnt.n_parameters, macs_per_s, None, False)
        return Features(tuple(clips), learnt.vectors(material.segments), material.clip_rows, cost)


def _described(clips: Sequence[Clip], material: Material, dictionary: "Dictionary") -> Features:
    segments = track(material.segments, len(material.segments), "sparse codes")
    vectors = np.stack([dictionary.vector(frames) for frames in segments])
    cost = Cost(
        dictionary.atoms.size, dictionary.macs_per_frame * material.frames_per_s, None, False
    )
    return Features(tuple(clips), vectors, material.clip_rows, cost)
