"""Which channels of a source are heard, counted from 1, as sockets are labelled.

What a source writes has the selected channels and no others, in the order they were named: the first is *left* and the
second *right* for models with such views, all of them are in *mean*, and one alone is mono. Not here: what views make of
them (``frontend.channels``).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError, SourceError

MOST_SELECTED = 64


@dataclass(frozen=True, slots=True)
class Selection:
    """Some channels, or all.

    Attributes:
        numbers: from 1, each once, in the order wanted; empty for all channels as they are.

    Raises:
        ConfigurationError: a number that is none, or stands twice, or too many.
    """

    numbers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for number in self.numbers:
            if number < 1:
                raise ConfigurationError(
                    f"channel {number} cannot be selected: channels are counted from 1"
                )
            if self.numbers.count(number) > 1:
                raise ConfigurationError(f"channel {number} is selected twice; once will do")
        if len(self.numbers) > MOST_SELECTED:
            raise ConfigurationError(
                f"{len(self.numbers)} channels are selected; {MOST_SELECTED} at most will do"
            )

    def count(self, n_channels: int, of: str) -> int:
        """How many channels are left of so many.

        Args:
            n_channels: of the source.
            of: the source, for the error message.

        Raises:
            SourceError: it has fewer than were selected.
        """
        highest = max(self.numbers, default=0)
        if highest > n_channels:
            raise SourceError(
                f"there is no channel {highest} to select: {of} has {n_channels} channel"
                + ("s" if n_channels > 1 else "")
            )
        return len(self.numbers) or n_channels

    def take(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """These channels of ``(samples, channels)`` float32: a copy, or the same if all are taken."""
        if not self.numbers:
            return samples
        return samples.take([number - 1 for number in self.numbers], axis=1)

    def label(self, name: str) -> str:
        """A source's name with its channels, so that two selections of one source have two names."""
        return f"{name}.ch{'-'.join(map(str, self.numbers))}" if self.numbers else name


EVERY_CHANNEL = Selection()


def parse_selection(text: str) -> tuple[int, ...]:
    """Numbers with commas between them, as on a command line.

    Raises:
        ConfigurationError: it is something else.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 5 for part in parts):
        raise ConfigurationError(
            f"--select {text!r} is no list of channels; write their numbers, as in --select 3,4"
        )
    return tuple(map(int, parts))
