"""What patches of frames are multiplied with: plain arrays. Not here: the other weights, and the writing (``patches``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class DictionaryWeights:
    """What patches of one size are multiplied with.

    Attributes:
        n_frames: of a patch.
        block: values that are side by side in every patch are picked at once; a patch is made of blocks.
        indices: ``(positions, blocks)`` int64, which of the frames' blocks, the oldest frame first, each patch
            holds.
        matrices: one after the other, from ``values`` to ``atoms``.
        bias: ``(atoms,)``, added at the end.
    """

    n_frames: int
    block: int
    indices: NDArray[np.int64]
    matrices: Sequence[NDArray[np.float32]]
    bias: NDArray[np.float32]

    @property
    def n_values(self) -> int:
        """Values of a patch."""
        return int(self.indices.shape[1]) * self.block

    @property
    def n_outputs(self) -> int:
        """Responses of all atoms at all positions."""
        return len(self.indices) * len(self.bias)


@dataclass(frozen=True, slots=True, eq=False)
class PatchWeights:
    """What is looked at instead of single frames.

    Attributes:
        n_features: width of a frame.
        dictionaries: side by side.
        rectify: what becomes of the products: they stay, their positive parts are kept, or positive and
            negative parts side by side.
    """

    n_features: int
    dictionaries: Sequence[DictionaryWeights]
    rectify: Literal["none", "positive", "both"] = "none"

    @property
    def n_before(self) -> int:
        """How many frames before the newest the longest patch looks at."""
        return max(one.n_frames for one in self.dictionaries) - 1

    @property
    def state_width(self) -> int:
        """The frames before, side by side."""
        return self.n_before * self.n_features

    @property
    def n_outputs(self) -> int:
        """What comes out per frame."""
        each = 2 if self.rectify == "both" else 1
        return each * sum(one.n_outputs for one in self.dictionaries)

    @property
    def about(self) -> str:
        """For people: ``dictionary``, and of each the frames and bands of a patch."""
        sizes = (f"{one.n_frames}x{one.n_values // one.n_frames}" for one in self.dictionaries)
        return "-".join(["dictionary", *sizes])
