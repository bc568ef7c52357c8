"""Patches of consecutive frames, whitened and compared with atoms: what a dictionary sees of a sound.

Dictionaries of several sizes stand side by side; all see the same frames. Not here: learning (``clustering``), and the
exported graph (``graph.patches``), where mean, whitening and atoms are one matrix and one bias.
"""

from dataclasses import dataclass
from math import gcd
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Rectify = Literal["none", "positive", "both"]
_MOST_VALUES = 8192
"""Of a patch: learning needs the square of it in float64."""


@dataclass(frozen=True, slots=True)
class PatchShape:
    """Everything that decides the size of one dictionary.

    Attributes:
        n_features: width of a frame.
        frames: of a patch.
        bands: of a patch; None: all.
        band_hop: bands from one patch to the next above it; None: as many as a patch has.
        atoms: that patches at all heights share.
        components: that a patch is whitened to.
    """

    n_features: int
    frames: int = 8
    bands: int | None = None
    band_hop: int | None = None
    atoms: int = 256
    components: int = 128

    def __post_init__(self) -> None:
        size = f"a patch of {self.frames} frames and {self.n_bands} bands"
        if self.n_bands > self.n_features:
            raise ValueError(f"{size} does not fit into the {self.n_features} bands of a frame")
        left = (self.n_features - self.n_bands) % (self.band_hop or self.n_bands)
        if left:
            raise ValueError(
                f"{size} every {self.band_hop or self.n_bands} bands leaves {left} of "
                f"{self.n_features} bands out; choose another band_hop"
            )
        if self.components > self.n_values:
            raise ValueError(
                f"{size} has {self.n_values} values, and no {self.components} components"
            )
        if self.n_values > _MOST_VALUES:
            raise ValueError(f"{size} has {self.n_values} values; {_MOST_VALUES} are allowed")

    @property
    def n_bands(self) -> int:
        """Bands of a patch."""
        return self.n_features if self.bands is None else self.bands

    @property
    def n_values(self) -> int:
        """Values of a patch."""
        return self.frames * self.n_bands

    @property
    def n_positions(self) -> int:
        """Patches in the same frames."""
        return (self.n_features - self.n_bands) // (self.band_hop or self.n_bands) + 1

    @property
    def block(self) -> int:
        """Bands that are side by side in every patch that holds one of them."""
        return gcd(self.n_bands, self.band_hop or self.n_bands)

    def indices(self) -> NDArray[np.int64]:
        """``(positions, values)``: which of its frames' values, the oldest frame first, each patch holds."""
        lowest = np.arange(self.n_positions) * (self.band_hop or self.n_bands)
        frame = np.arange(self.frames) * self.n_features
        found = lowest[:, None, None] + frame[:, None] + np.arange(self.n_bands)
        return found.reshape(self.n_positions, -1)


@dataclass(frozen=True, slots=True)
class PatchesShape:
    """Dictionaries side by side.

    Attributes:
        each: at least one, all of the same frames.
        rectify: see :class:`streamdeep_trainer.model_recipe.DictionaryModel`.
    """

    each: tuple[PatchShape, ...]
    rectify: Rectify = "none"

    @property
    def n_outputs(self) -> int:
        """What comes out per frame."""
        twice = 2 if self.rectify == "both" else 1
        return twice * sum(shape.n_positions * shape.atoms for shape in self.each)


class PatchDictionary(nn.Module):
    """Patches of one size: ``(patch - mean) whitening atoms``, as it is before anything is learnt: at random.

    Attributes:
        mean: ``(values,)``, of a patch.
        whitening: ``(values, components)``.
        atoms: ``(atoms, components)``, of length 1.
    """

    mean: Tensor
    whitening: Tensor
    atoms: Tensor

    def __init__(self, shape: PatchShape) -> None:
        super().__init__()
        self.shape = shape
        whitening = torch.randn(shape.n_values, shape.components) / shape.n_values**0.5
        atoms = nn.functional.normalize(torch.randn(shape.atoms, shape.components), dim=1)
        self.register_buffer("mean", torch.zeros(shape.n_values))
        self.register_buffer("whitening", whitening)
        self.register_buffer("atoms", atoms)
        self.register_buffer("indices", torch.from_numpy(shape.indices()), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """``(batch, time, features)`` to responses ``(batch, time, positions * atoms)``; causal."""
        indices = self.get_buffer("indices")
        patches = patches_of(frames, self.shape.frames)[:, :, indices]
        return (self.whitened(patches) @ self.atoms.T).flatten(2)

    def whitened(self, patches: Tensor) -> Tensor:
        """``(..., values)`` to ``(..., components)``."""
        return (patches - self.mean) @ self.whitening


class PatchEncoder(nn.Module):
    """Frames to the responses of all atoms, frame by frame."""

    def __init__(self, shape: PatchesShape) -> None:
        super().__init__()
        self.shape = shape
        self.dictionaries = nn.ModuleList(PatchDictionary(each) for each in shape.each)

    @property
    def each(self) -> list[PatchDictionary]:
        """Its dictionaries."""
        return [one for one in self.dictionaries if isinstance(one, PatchDictionary)]

    def forward(self, frames: Tensor) -> Tensor:
        """``(batch, time, features)`` to ``(batch, time, outputs)``; causal."""
        found = []
        for dictionary in self.each:
            responses = dictionary(frames)
            if self.shape.rectify == "none":
                found.append(responses)
                continue
            found.append(responses.clamp_min(0.0))
            if self.shape.rectify == "both":
                found.append((-responses).clamp_min(0.0))
        return torch.cat(found, dim=2)


def patches_of(frames: Tensor, n_frames: int) -> Tensor:
    """Each frame with the frames before it, oldest first; the first frame stands for what is before it.

    Args:
        frames: ``(batch, time, features)``.
        n_frames: in a patch.

    Returns:
        ``(batch, time, n_frames * features)``.
    """
    before = frames[:, :1].expand(-1, n_frames - 1, -1)
    joined = torch.cat((before, frames), dim=1)
    n_steps = frames.shape[1]
    return torch.cat([joined[:, start : start + n_steps] for start in range(n_frames)], dim=2)
