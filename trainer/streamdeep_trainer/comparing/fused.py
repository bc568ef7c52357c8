"""Several systems' features side by side, as one system: what one has learnt is beside what another has.

Parts are of one recipe with changes of their own, and have to cut the same segments; each has a seed of its own, so
that equal parts differ. Not here: fusion of model files that stream (``fusion``), and of tables (``tables.fuse``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.comparing.system import Cost, Features, FeatureSystem, FromFiles
from streamdeep_trainer.datasets.clip import Clip

_SEED_STEP = 1000  # parts of neighbouring seeds stay apart


@dataclass(frozen=True, slots=True)
class FusedSystem:
    """Two systems or more.

    Attributes:
        name: what tables call it.
        parts: in the order of their columns.
    """

    name: str
    parts: tuple[FeatureSystem, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """Of all parts."""
        return tuple(
            file for part in self.parts if isinstance(part, FromFiles) for file in part.files
        )

    def features(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Features:
        """Of all parts.

        Raises:
            ConfigurationError: parts cut different segments.
            StreamdeepError: whatever stops a part.
        """
        found = [
            part.features(clips, heard, seed=seed + _SEED_STEP * number, run=_place(run, number))
            for number, part in enumerate(self.parts)
        ]
        return _side_by_side(found)

    def untrained(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Features | None:
        """Of all parts; one that has no weights is as it is.

        None if all are such, or if one has learnt elsewhere: a twin that is half trained would be none.
        """
        if self.files:
            return None
        calls = [
            (part, seed + _SEED_STEP * number, _place(run, number))
            for number, part in enumerate(self.parts)
        ]
        twins = [part.untrained(clips, heard, seed=own, run=at) for part, own, at in calls]
        if all(twin is None for twin in twins):
            return None
        return _side_by_side(
            [
                twin or part.features(clips, heard, seed=own, run=at)
                for twin, (part, own, at) in zip(twins, calls, strict=True)
            ]
        )


def _place(run: Path, number: int) -> Path:
    place = run / f"part-{number}"
    place.mkdir(parents=True, exist_ok=True)
    return place


def _side_by_side(found: Sequence[Features]) -> Features:
    first = found[0]
    for other in found[1:]:
        if other.clips != first.clips or not np.array_equal(other.clip_rows, first.clip_rows):
            raise ConfigurationError("the parts cut different segments; fuse what has one recipe")
    costs = [one.cost for one in found]
    steps = [one.step_us for one in costs if one.step_us is not None]
    together = Cost(
        parameters=sum(one.parameters for one in costs),
        macs_per_s=sum(one.macs_per_s for one in costs),
        step_us=sum(steps) if len(steps) == len(costs) else None,
        streamable=all(one.streamable for one in costs),
    )
    vectors = np.concatenate([one.vectors for one in found], axis=1)
    return Features(first.clips, vectors, first.clip_rows, together)
