"""The front-end for many streams in one call: frames straight from their rings.

Row by row the same loops over the same samples as :class:`~streamdeep.frontend.logmel.LogMel` runs, so the
same bits. No state: who calls knows which frame of which ring is due. Not here: rings, and what a damaged
row needs.
"""

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import FrontendConfig
from streamdeep.frontend.damage import FULL_SCALE
from streamdeep.frontend.kernels.rings import ring_levels, ring_power
from streamdeep.frontend.logmel import plan_transforms
from streamdeep.frontend.normalise import fixed_frames


class FrameRows:
    """Frames of rings of one shape; measured at 44.1 kHz with 80 ms windows: 0.93 of a bare FFT's time a frame.

    Args:
        config: what to compute.
        n_channels: of the rings.
    """

    def __init__(self, config: FrontendConfig, n_channels: int) -> None:
        self.config = config
        self._plans = plan_transforms(config, n_channels)

    def levels(
        self,
        rings: NDArray[np.float32],
        slots: NDArray[np.int64],
        starts: NDArray[np.int64],
        fresh: NDArray[np.bool_],
        n_frames: int,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Loudness of each frame's newest hop, and which rows hold samples that are no sound, or clipped.

        Args:
            rings: ``(slots, capacity, channels)`` float32.
            slots: ``(rows,)`` int64, which ring.
            starts: ``(rows,)`` int64, count of the first sample of the row's first frame.
            fresh: ``(rows,)`` bool, that frame is the epoch's first.
            n_frames: frames of each row, at least 1.

        Returns:
            Energies and peaks, ``(rows, frames)`` float64, as in :class:`~streamdeep.records.Frames`, and
            ``(rows,)`` bool.
        """
        shape = (len(slots), n_frames)
        energies, peaks, damaged = np.empty(shape), np.empty(shape), np.empty(len(slots), np.bool_)
        longest, hop = self.config.longest_window_samples, self.config.hop_samples
        ring_levels(
            rings, slots, starts, fresh, n_frames, longest, hop, FULL_SCALE, energies, peaks, damaged
        )  # fmt: skip
        return energies, peaks, damaged

    def values(
        self,
        rings: NDArray[np.float32],
        slots: NDArray[np.int64],
        starts: NDArray[np.int64],
        fresh: NDArray[np.bool_],
        n_frames: int,
    ) -> NDArray[np.float32] | NDArray[np.float64]:
        """``(rows, frames, features)``: float32 in [-1, 1], or float64 power where levels need more than a frame.

        The arguments are those of :meth:`levels`.
        """
        power = np.empty((len(slots), n_frames, self.config.n_features))
        for plan in self._plans:
            ring_power(rings, slots, starts, fresh, plan, power)
        if not self.config.causal:
            return power
        return fixed_frames(power.reshape(-1, power.shape[2]), self.config).reshape(power.shape)


def warm_up(config: FrontendConfig) -> None:
    """Compile or load the kernels, so that no stream pays for it. Up to two seconds on a cold cache."""
    rows = FrameRows(config, 1)
    rings = np.zeros((1, config.longest_window_samples, 1), dtype=np.float32)
    place = np.zeros(1, dtype=np.int64)
    which = rings, place, place, np.ones(1, dtype=np.bool_), 1
    rows.levels(*which)
    rows.values(*which)
