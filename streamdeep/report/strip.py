"""Numbers over time in a bounded number of columns, however long it lasts.

When the columns are used up, neighbours are joined and columns are twice as long. So a day takes no more memory than a
minute, and nothing has to be known of the length beforehand. A column keeps the largest value, the sum and the count of
what falls into it. Cut-invariant: columns are joined exactly when the first thing comes that needs it.
"""

import numpy as np
from numpy.typing import NDArray


class Strip:
    """Columns over a source's time.

    Args:
        width: numbers side by side.
        first_sample: where the first column begins.
        column_samples: its length to begin with.
        most_columns: even.

    Attributes:
        first_sample: as given.
        column_samples: length of a column now.
    """

    def __init__(
        self, width: int, *, first_sample: int, column_samples: int, most_columns: int
    ) -> None:
        self.first_sample = first_sample
        self.column_samples = max(1, column_samples)
        self._most = most_columns
        self._largest = np.full((most_columns, width), -np.inf)
        self._sums = np.zeros((most_columns, width))
        self._counts = np.zeros(most_columns, dtype=np.int64)

    def add(self, samples: NDArray[np.int64], rows: NDArray[np.floating]) -> None:
        """Take rows in the order of time.

        Args:
            samples: ``(n,)``, where each row is; ascending, from ``first_sample`` on.
            rows: ``(n, width)``, finite.
        """
        at = 0
        while at < len(samples):
            columns = (samples[at:] - self.first_sample) // self.column_samples
            fitting = int(np.searchsorted(columns, self._most))
            places, some = columns[:fitting], rows[at : at + fitting]
            np.maximum.at(self._largest, places, some)
            np.add.at(self._sums, places, some)
            np.add.at(self._counts, places, 1)
            at += fitting
            if at < len(samples):
                self._join()

    def _join(self) -> None:
        half = self._most // 2
        self._largest[:half] = np.maximum(self._largest[::2], self._largest[1::2])
        self._sums[:half] = self._sums[::2] + self._sums[1::2]
        self._counts[:half] = self._counts[::2] + self._counts[1::2]
        self._largest[half:], self._sums[half:], self._counts[half:] = -np.inf, 0.0, 0
        self.column_samples *= 2

    @property
    def n_columns(self) -> int:
        """Up to the last that holds anything."""
        used = np.flatnonzero(self._counts)
        return int(used[-1]) + 1 if len(used) else 0

    @property
    def stop_sample(self) -> int:
        """Where the last column ends."""
        return self.first_sample + self.n_columns * self.column_samples

    def counts(self) -> NDArray[np.int64]:
        """``(columns,)``, how many rows fell into each."""
        return self._counts[: self.n_columns].copy()

    def largest(self) -> NDArray[np.float64]:
        """``(columns, width)``; NaN where nothing fell."""
        found = self._largest[: self.n_columns]
        return np.where(np.isfinite(found), found, np.nan)

    def means(self) -> NDArray[np.float64]:
        """``(columns, width)``; NaN where nothing fell."""
        counts = self._counts[: self.n_columns, None]
        return np.where(counts > 0, self._sums[: self.n_columns] / np.maximum(counts, 1), np.nan)
