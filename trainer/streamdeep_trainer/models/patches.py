"""Patches of consecutive frames, whitened and compared with atoms: what a dictionary sees of a sound.

One dictionary per length of patch; all see the same frames. Not here: learning (``clustering``), and the
exported graph (``graph.patches``), where mean, whitening and atoms are one matrix and one bias.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Rectify = Literal["none", "positive", "both"]
_MOST_VALUES = 8192
"""Of a patch: learning needs the square of it in float64."""
_MOST_DIM = 65536
"""Of an embedding, as the model file has it."""


@dataclass(frozen=True, slots=True)
class PatchShape:
    """Everything that decides the size of dictionaries.

    Attributes:
        n_features: width of a frame.
        patch_frames: frames in a patch, of each dictionary.
        atoms: of each dictionary.
        components: that a patch is whitened to.
        rectify: see :class:`streamdeep_trainer.model_recipe.DictionaryModel`.
    """

    n_features: int
    patch_frames: tuple[int, ...] = (4,)
    atoms: int = 1024
    components: int = 256
    rectify: Rectify = "none"

    def __post_init__(self) -> None:
        least, most = (
            n_frames * self.n_features
            for n_frames in (min(self.patch_frames), max(self.patch_frames))
        )
        if self.components > least:
            raise ValueError(
                f"a patch of {min(self.patch_frames)} frames has {least} values, "
                f"and no {self.components} components"
            )
        if 3 * self.n_outputs > _MOST_DIM:
            raise ValueError(
                f"the embedding would have {3 * self.n_outputs} values; {_MOST_DIM} are allowed"
            )
        if most > _MOST_VALUES:
            raise ValueError(
                f"a patch of {max(self.patch_frames)} frames has {most} values; {_MOST_VALUES} are allowed"
            )

    @property
    def n_outputs(self) -> int:
        """What comes out per frame."""
        return len(self.patch_frames) * self.atoms * (2 if self.rectify == "both" else 1)


class PatchDictionary(nn.Module):
    """Patches of one length: ``(patch - mean) whitening atoms``, as it is before anything is learnt: at random.

    Attributes:
        n_frames: in a patch.
        mean: ``(values,)``, of a patch.
        whitening: ``(values, components)``.
        atoms: ``(atoms, components)``, of length 1.
    """

    mean: Tensor
    whitening: Tensor
    atoms: Tensor

    def __init__(self, n_frames: int, n_features: int, components: int, n_atoms: int) -> None:
        super().__init__()
        self.n_frames = n_frames
        n_values = n_frames * n_features
        self.register_buffer("mean", torch.zeros(n_values))
        self.register_buffer("whitening", torch.randn(n_values, components) / n_values**0.5)
        atoms = torch.randn(n_atoms, components)
        self.register_buffer("atoms", nn.functional.normalize(atoms, dim=1))

    def forward(self, patches: Tensor) -> Tensor:
        """``(..., values)`` to ``(..., atoms)``."""
        return self.whitened(patches) @ self.atoms.T

    def whitened(self, patches: Tensor) -> Tensor:
        """``(..., values)`` to ``(..., components)``."""
        return (patches - self.mean) @ self.whitening


class PatchEncoder(nn.Module):
    """Frames to the responses of all atoms, frame by frame."""

    def __init__(self, shape: PatchShape) -> None:
        super().__init__()
        self.shape = shape
        self.dictionaries = nn.ModuleList(
            PatchDictionary(n_frames, shape.n_features, shape.components, shape.atoms)
            for n_frames in shape.patch_frames
        )

    def forward(self, frames: Tensor) -> Tensor:
        """``(batch, time, features)`` to ``(batch, time, outputs)``; causal."""
        found = []
        for n_frames, dictionary in zip(self.shape.patch_frames, self.dictionaries, strict=True):
            response = dictionary(patches_of(frames, n_frames))
            if self.shape.rectify == "none":
                found.append(response)
                continue
            found.append(response.clamp_min(0.0))
            if self.shape.rectify == "both":
                found.append((-response).clamp_min(0.0))
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
