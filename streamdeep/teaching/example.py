"""One example: an embedding, what was said of it, and where it came from. Not here: many of them (``examples``)."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError
from streamdeep.heads.settings import UNKNOWN
from streamdeep.wire.printable import one_line

LABEL_LETTERS_MOST: Final = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where a segment lies, in the words of the wire.

    Attributes:
        source: the stream's name, or the file's.
        session: of the stream, in hex; empty for a file.
        start_sample: the source's index of the first sample.
        n_samples: length in the source's samples.
        sample_rate_hz: the source's rate.
        captured_utc_ns: Unix time of the last sample; 0 where it is unknown.
    """

    source: str
    session: str
    start_sample: int
    n_samples: int
    sample_rate_hz: int
    captured_utc_ns: int = 0

    @property
    def stop_sample(self) -> int:
        """One past the source's index of the last sample."""
        return self.start_sample + self.n_samples

    @property
    def centre_sample(self) -> int:
        """The middle: a segment stands for the stretch around it."""
        return self.start_sample + self.n_samples // 2


@dataclass(frozen=True, slots=True)
class Meaning:
    """What is said of a sound: that it is of a class, of none, or that it is not of one.

    Attributes:
        label: the class; ``unknown`` is none of them, background.
        negative: it is *not* of this class; what it is instead is not said.

    Raises:
        ConfigurationError: a label that is empty, too long, or holds what cannot be printed.
    """

    label: str
    negative: bool = False

    def __post_init__(self) -> None:
        label = self.label
        if not label or label != label.strip() or label != one_line(label):
            raise ConfigurationError(
                f"{one_line(label)!r} is no name for a class: it needs letters, and neither spaces at its ends nor control characters"
            )
        if len(label) > LABEL_LETTERS_MOST:
            raise ConfigurationError(
                f"the class name {label[:20]!r}... has {len(label)} letters; at most {LABEL_LETTERS_MOST} are allowed"
            )
        if self.negative and label == UNKNOWN:
            raise ConfigurationError(f"'not {UNKNOWN}' says nothing; name the class that it is")

    @property
    def taught_as(self) -> str:
        """The class that it is an example of: what is not of one class is taught as ``unknown``."""
        return UNKNOWN if self.negative else self.label

    def __str__(self) -> str:
        return f"not {self.label}" if self.negative else self.label


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A named segment.

    Attributes:
        vector: ``(dim,)`` float32, finite.
        meaning: what was said of it.
        place: where it came from.
        take: number of the naming it belongs to; what was named together is corrected together.
    """

    vector: NDArray[np.float32]
    meaning: Meaning
    place: Place
    take: int
