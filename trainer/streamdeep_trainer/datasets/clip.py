"""One sound file of a data set."""

from dataclasses import dataclass
from pathlib import Path

PARTITIONS = ("train", "devel", "test")
"""The parts that a data set may prescribe, in the order of their numbers in files."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A file, and what is known about it.

    Attributes:
        path: where it lies.
        filename: its path below the data set's folder, with forward slashes; unique.
        label: its class; None if nobody said.
        fold: the official fold it belongs to, 1 or more; None if there are none.
        partition: ``train``, ``devel`` or ``test``; None if the data set prescribes none.
        held_out: where official folds overlap, those in which this clip is held out, ascending; empty if
            all of them train on it. None where ``fold`` says it all.
    """

    path: Path
    filename: str
    label: str | None = None
    fold: int | None = None
    partition: str | None = None
    held_out: tuple[int, ...] | None = None
