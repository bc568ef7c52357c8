"""Which settings are compared: the default and what is left of it without its parts; and which are to choose from.

Nothing here was chosen by looking at scores of held-out folds: the default is ``streamdeep classify``'s own, and of
:data:`GRID` the inner folds of each training part choose, streamed in the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from streamdeep.heads.scores import Scores
from streamdeep.heads.settings import DecisionSettings
from streamdeep_trainer.live.hearing import Heard, hear, most_probable


@dataclass(frozen=True, slots=True)
class Way:
    """A way to decide.

    Attributes:
        name: what it is called in tables.
        settings: of the decisions.
        only_best: each segment counts for its most probable class alone.
    """

    name: str
    settings: DecisionSettings
    only_best: bool = False

    def hear(self, scores: Sequence[Scores], labels: Sequence[str]) -> Heard:
        """Decide so."""
        return hear(most_probable(scores) if self.only_best else scores, labels, self.settings)


_DEFAULT = DecisionSettings()

WAYS: Final = (
    Way("smoothing and hysteresis (default)", _DEFAULT),
    Way("hysteresis, no smoothing", DecisionSettings(smoothing_s=0.0)),
    Way("smoothing, no hysteresis", DecisionSettings(off=_DEFAULT.on)),
    Way("neither", DecisionSettings(smoothing_s=0.0, off=_DEFAULT.on)),
    Way("raw argmax", DecisionSettings(smoothing_s=0.0, on=0.5, off=0.5), only_best=True),
)
CHOSEN: Final = "chosen on the training folds"

GRID: Final = tuple(
    DecisionSettings(
        smoothing_s=smoothing_s, on=on, off=share * on, min_on_s=min_on_s, min_off_s=min_off_s
    )
    for smoothing_s, on, share, min_on_s, min_off_s in product(
        (0.0, 0.5, 1.0, 2.0), (0.3, 0.4, 0.5, 0.6, 0.7), (0.5, 0.7, 1.0), (0.0, 1.0), (0.0, 1.0)
    )
)
