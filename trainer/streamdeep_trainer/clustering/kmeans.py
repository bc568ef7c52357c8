"""Whitening, and spherical k-means on what it gives: pure functions of tensors and a random generator.

After Coates and Ng, "Learning feature representations with k-means" (2012), sections 2 and 3: without whitening
the atoms of neighbouring bands and frames, which are alike, would all be blurs. Not here: where patches come
from (``patches``).
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

FLOOR_SHARE = 0.1
"""Added to the variances, as a share of their mean, before they are divided by: noise is not blown up."""
_SMALLEST_VARIANCE = 1e-8
_ROWS_AT_ONCE = 4096


def whitening_of(patches: Iterable[Tensor], n_components: int) -> tuple[Tensor, Tensor]:
    """Mean of patches, and the matrix that whitens them to principal components.

    The variance of each component is 1 but for what :data:`FLOOR_SHARE` takes off. Needs twice the square of a patch's
    values in float64, and time that grows with their cube: seconds for 2,000, a minute for 4,000.

    Args:
        patches: ``(some, values)`` each, at least one in all.
        n_components: how many of the largest.

    Returns:
        ``(values,)`` and ``(values, components)`` float32.
    """
    n_patches, sums, products = 0, torch.zeros(()), torch.zeros(())
    for some in patches:
        exact = some.double()
        n_patches += len(some)
        sums, products = sums + exact.sum(dim=0), products + exact.T @ exact
    mean = sums / n_patches
    variances, axes = torch.linalg.eigh(products / n_patches - torch.outer(mean, mean))
    variances, axes = variances[-n_components:].clamp_min(0.0), axes[:, -n_components:]
    floored = variances + FLOOR_SHARE * variances.mean().clamp_min(_SMALLEST_VARIANCE)
    return mean.float(), (axes / floored.sqrt()).float()


def first_atoms(directions: Tensor, n_atoms: int, random: np.random.Generator) -> Tensor:
    """Some of the patches themselves: ``(patches, components)`` to ``(atoms, components)``."""
    return directions[torch.from_numpy(random.choice(len(directions), n_atoms, replace=False))]


def mean_square_left(atoms: Tensor, directions: Tensor) -> float:
    """What the best atom leaves of a patch of length 1, squared; the mean over patches, from 0 to 1."""
    left = [
        1.0 - _nearest(atoms, some)[0].square() for some in torch.split(directions, _ROWS_AT_ONCE)
    ]
    return float(torch.cat(left).double().mean())


def improved(
    atoms: Tensor, directions: Tensor, random: np.random.Generator
) -> tuple[Tensor, float]:
    """One pass of spherical k-means: every patch goes to the atom it is most alike.

    An atom becomes the mean of its patches, weighted by how alike they are, and of length 1. One that
    has no patches becomes a patch of those that are represented badly, drawn in proportion to what is left of
    them (as k-means++ does, Arthur and Vassilvitskii, 2007).

    Args:
        atoms: ``(atoms, components)``, of length 1.
        directions: ``(patches, components)``, of length 1; at least as many as atoms.
        random: draws for atoms without patches.

    Returns:
        The new atoms, and the mean square that the old ones left, see :func:`mean_square_left`.
    """
    sums = torch.zeros_like(atoms)
    n_owned = torch.zeros(len(atoms), dtype=torch.int64)
    left = []
    for some in torch.split(directions, _ROWS_AT_ONCE):
        alike, owner = _nearest(atoms, some)
        sums.index_add_(0, owner, some * alike[:, None])
        n_owned += torch.bincount(owner, minlength=len(atoms))
        left.append(1.0 - alike.square())
    residuals = torch.cat(left).double()
    idle = torch.nonzero(n_owned == 0)[:, 0]
    if len(idle):
        weights = residuals.clamp_min(0.0).numpy() + 1e-12
        drawn = random.choice(len(weights), len(idle), replace=False, p=weights / weights.sum())
        sums[idle] = directions[torch.from_numpy(drawn)]
    return normalize(sums, dim=1), float(residuals.mean())


def _nearest(atoms: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """How alike each patch and its nearest atom are, as a cosine, and which atom that is."""
    alike, owner = (directions @ atoms.T).max(dim=1)
    return alike, owner
