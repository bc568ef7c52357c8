"""What happens at a ring's writing end, in order; and how to make it happen again."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.ring import Ring

Why = Literal["gap", "overflow", "unrecorded"]


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """Samples that the ring took.

    Attributes:
        samples: ``(samples, channels)`` float32.
        captured_ns: when the last of them was captured.
    """

    samples: NDArray[np.float32]
    captured_ns: int

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(frozen=True, slots=True)
class Loss:
    """Samples that the ring did not take, or the recording does not have.

    Attributes:
        n_samples: how many.
        why: ``gap``: never captured; ``overflow``: refused by the full ring; ``unrecorded``: the engine had
            them, and the recording was held up.
        estimated: the number is an estimate.
    """

    n_samples: int
    why: Why
    estimated: bool = False

    def __len__(self) -> int:
        return self.n_samples


@dataclass(frozen=True, slots=True)
class End:
    """The source closed the ring.

    Attributes:
        error: why, if it is not simply the end.
    """

    error: str | None

    def __len__(self) -> int:
        return 0


Event = Sound | Loss | End


def tell_loss(loss: Loss, ring: Ring) -> None:
    """Have a ring lose what was lost once; the next sound shows as a jump."""
    if loss.why == "overflow":
        ring.refuse(loss.n_samples)
        return
    nothing = np.empty((0, ring.array.n_channels), dtype=np.float32)
    ring.write(nothing, 0, gap_samples=loss.n_samples, gap_estimated=loss.estimated)
