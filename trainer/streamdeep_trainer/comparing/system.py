"""What can be compared: systems that learn features from sound, and systems that decide by themselves.

Systems are small and hold settings alone: one travels to a worker process, and what it learns goes into the
folder that it is given. They live in this package, beside this module; the networks and the mathematics of
other people's systems live in ``baselines``, which is a layer below and knows nothing of this module. Not
here: which systems a table can name (``kinds``), how they are judged (``answers``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from streamdeep_trainer.datasets.clip import Clip


@dataclass(frozen=True, slots=True)
class Cost:
    """What using a system costs, once it has learnt.

    Attributes:
        parameters: learnt numbers that are used when it runs.
        macs_per_s: multiplications with additions per second of sound, for one stream whose segments do not
            overlap; the front-end is not counted.
        step_us: microseconds per frame, one stream, one thread, measured; None if it does not run frame by frame.
        streamable: causal, and exported under the incremental contract of the model file.
    """

    parameters: int
    macs_per_s: float
    step_us: float | None
    streamable: bool


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What a feature system makes of a data set.

    Attributes:
        clips: those that could be read, in the order in which they were given.
        vectors: ``(rows, dim)`` float32.
        clip_rows: ``(rows,)`` int64, each row's clip.
        cost: of making them.
    """

    clips: tuple[Clip, ...]
    vectors: NDArray[np.float32]
    clip_rows: NDArray[np.int64]
    cost: Cost


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """What a deciding system says of a data set.

    Attributes:
        names: the classes, in the order of the columns.
        probabilities: ``(clips, classes)`` float64; NaN in the rows of clips that taught.
        cost: of deciding.
    """

    names: tuple[str, ...]
    probabilities: NDArray[np.float64]
    cost: Cost


@runtime_checkable
class FeatureSystem(Protocol):
    """Learns features from sound, never from labels."""

    @property
    def name(self) -> str:
        """What tables call it."""

    def features(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Features:
        """Learn from some clips, and describe all.

        Args:
            clips: their labels are not to be looked at.
            heard: ``(clips,)`` bool, which may be learnt from: all of them (transductive), or the training
                folds (inductive).
            seed: of everything that is drawn.
            run: an empty folder of its own.

        Raises:
            StreamdeepError: whatever stops it.
        """

    def untrained(
        self, clips: Sequence[Clip], heard: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Features | None:
        """As :meth:`features`, with weights as they were drawn; None if that has no meaning."""


@runtime_checkable
class DecidingSystem(Protocol):
    """Learns with labels, and decides itself."""

    @property
    def name(self) -> str:
        """What tables call it."""

    def decide(
        self, clips: Sequence[Clip], training: NDArray[np.bool_], *, seed: int, run: Path
    ) -> Decided:
        """Learn from the training clips, sound and labels, and answer for all others.

        Args:
            clips: all labelled; the labels of those that do not teach are not to be looked at.
            training: ``(clips,)`` bool.
            seed: of everything that is drawn.
            run: an empty folder of its own.

        Raises:
            StreamdeepError: whatever stops it.
        """


@runtime_checkable
class FromFiles(Protocol):
    """A system that has learnt elsewhere: what is in its files decides what it gives."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Where they lie."""
