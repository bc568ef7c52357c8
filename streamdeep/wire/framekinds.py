"""The kind of message that carries log-Mel frames, for those who draw them.

Sent only by an engine that was asked to, while somebody listens. Not here: its keys
(:mod:`streamdeep.wire.framelayout`), and how frames come out of an engine (``rack``).
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from streamdeep.wire.kinds import Message

BANDS_MOST: Final = 65_536
"""Of one frame: as many as a front-end can make."""
FRAMES_MOST: Final = 1024
UNIT: Final = "dbfs"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FramesMessage(Message):
    """Consecutive frames of one epoch: the first view of what the encoder sees, in steps of a byte.

    Attributes:
        epoch: as in the embeddings of the same sound.
        start_sample: the source's index of the first sample of the first frame's newest hop.
        n_samples: the source's samples from there to the end of the last frame.
        sample_rate_hz: the source's rate.
        captured_utc_ns: Unix time at which the last frame's last sample was captured.
        model: first 8 bytes of the model's SHA-256.
        start_frame: number of the first frame since the epoch began; the next message goes on where this ends.
        hop_samples: step between frames at the model's rate.
        low: what 0 stands for; a value is ``low + (high - low) * byte / 255``.
        high: what 255 stands for.
        levels: ``(n_frames, n_bands)`` uint8, read-only; bands from low to high frequency.
        unit: of ``low`` and ``high``: ``dbfs``, where 0 is a full-scale sine in its band.
    """

    kind: ClassVar[str] = "frames"

    epoch: int
    start_sample: int
    n_samples: int
    sample_rate_hz: int
    captured_utc_ns: int
    model: bytes
    start_frame: int
    hop_samples: int
    low: float
    high: float
    levels: NDArray[np.uint8]
    unit: str = UNIT

    @property
    def n_frames(self) -> int:
        """How many frames."""
        return int(self.levels.shape[0])

    @property
    def n_bands(self) -> int:
        """Values of a frame."""
        return int(self.levels.shape[1])
