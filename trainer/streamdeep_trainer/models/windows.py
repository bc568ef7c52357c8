"""The bands of a frame, cut into overlapping windows: what the frequency encoder runs over.

auDeep's f-rae (its section "frequency autoencoder") has windows of 32 bands that overlap by 24 and drops
the bands that are left over. Here nothing is dropped: bands that windows do not divide are refused, or
the last window is moved down until it ends at the last band. Not here: the networks.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Remainder = Literal["refuse", "shift"]


@dataclass(frozen=True, slots=True)
class Windows:
    """Where the windows lie.

    Attributes:
        bands: of each view; a view's bands stand side by side in a frame, and no window spans two views.
        width: bands in a window.
        overlap: bands that two neighbours share.
        remainder: what becomes of bands that the windows do not divide: ``refuse``, or ``shift`` the
            last window down, so that it overlaps more.

    Raises:
        ValueError: an impossible window, or bands left over that were to be refused.
    """

    bands: tuple[int, ...]
    width: int = 32
    overlap: int = 24
    remainder: Remainder = "refuse"

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.width:
            raise ValueError(
                f"windows of {self.width} bands cannot overlap by {self.overlap}; use 0 to {self.width - 1}"
            )
        for n_bands in self.bands:
            if n_bands < self.width:
                raise ValueError(
                    f"a window of {self.width} bands does not fit into {n_bands} bands"
                )
            over = (n_bands - self.width) % self.step
            if over and self.remainder == "refuse":
                raise ValueError(
                    f"windows of {self.width} bands every {self.step} leave {over} of {n_bands} bands over; use "
                    f"{n_bands - over} or {n_bands - over + self.step} bands, another overlap, or remainder 'shift'"
                )

    @property
    def step(self) -> int:
        """Bands from one window to the next."""
        return self.width - self.overlap

    @property
    def n_bands(self) -> int:
        """Width of a frame."""
        return sum(self.bands)

    @property
    def starts(self) -> tuple[int, ...]:
        """The first band of each window, view by view, upwards."""
        found: list[int] = []
        first = 0
        for n_bands in self.bands:
            found += range(first, first + n_bands - self.width + 1, self.step)
            if (n_bands - self.width) % self.step:
                found.append(first + n_bands - self.width)
            first += n_bands
        return tuple(found)

    def indices(self) -> NDArray[np.int64]:
        """``(windows, width)``: which bands of a frame each window holds."""
        return np.array(self.starts)[:, None] + np.arange(self.width)
