"""Spectrograms that all cells share: computed once per front-end, by whoever asks first, and kept.

The bench asks for all of them before the cells begin, so that no two processes write the same file.
"""

from dataclasses import dataclass
from pathlib import Path

from streamdeep_trainer.config import Recipe
from streamdeep_trainer.spectrograms import Spectrograms
from streamdeep_trainer.steps import shared_spectrograms


@dataclass(frozen=True, slots=True)
class Spectra:
    """Where they lie.

    Attributes:
        data: folder of sound files.
        layout: how it is laid out; found out if None.
        store: folder of the spectrograms.
    """

    data: Path
    layout: str | None
    store: Path

    def of(self, recipe: Recipe) -> Spectrograms:
        """Of all clips, by the recipe's front-end.

        Raises:
            SourceError: no clip can be read.
        """
        return shared_spectrograms(recipe, self.data, self.store, layout=self.layout)
