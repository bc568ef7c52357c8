"""One sound file of a data set."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Clip:
    """A file, and what is known about it.

    Attributes:
        path: where it lies.
        filename: its path below the data set's folder, with forward slashes; unique.
        label: its class; None if nobody said.
        fold: the official fold it belongs to, 1 or more; None if there are none.
    """

    path: Path
    filename: str
    label: str | None = None
    fold: int | None = None
