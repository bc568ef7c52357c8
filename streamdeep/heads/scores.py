"""What a head says of one segment, and where the segment lies: what smoothing and decisions work on."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Probabilities of one segment.

    Attributes:
        start_sample: the source's index of the segment's first sample.
        n_samples: its length in the source's samples.
        sample_rate_hz: the source's rate.
        probabilities: ``(classes,)`` float64 in [0, 1].
    """

    start_sample: int
    n_samples: int
    sample_rate_hz: int
    probabilities: NDArray[np.float64]

    @property
    def stop_sample(self) -> int:
        """One past the source's index of the last sample."""
        return self.start_sample + self.n_samples

    def with_probabilities(self, probabilities: NDArray[np.float64]) -> "Scores":
        """The same segment with other probabilities."""
        return replace(self, probabilities=probabilities)
