"""What listens in on a ring's writer: told of all that the ring took, refused and missed.

Not here: what becomes of it (``recording``).
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Tap(Protocol):
    """Told of every write into a ring, by the writer's thread, perhaps an audio callback: nothing here waits."""

    def take(
        self,
        samples: NDArray[np.float32],
        captured_ns: int,
        *,
        refused_samples: int,
        gap_samples: int,
        gap_estimated: bool,
    ) -> None:
        """A write happened.

        Args:
            samples: ``(samples, channels)`` float32, those that the ring took; a view, to be copied.
            captured_ns: monotonic time of the last of them; means nothing if there is none.
            refused_samples: so many more came after them and were refused.
            gap_samples: so many were never captured before them.
            gap_estimated: that is an estimate.
        """

    def room(self) -> int:
        """How many samples a writer that can wait may write now; 0 makes it wait."""

    def close(self, error: Exception | None) -> None:
        """The writer closed the ring; ``error`` says why if it is not simply the end."""
