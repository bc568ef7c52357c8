"""The root mean square error over a whole batch, from shares of it.

One root over all values, as auDeep's loss, not a mean of roots: a batch's gradient then does not favour
the clips that are easy already. It stays one root where a batch is spread over several devices: each has a
share of the mean, and ``share / (2 root)`` has the gradient of the root (``loop``). Not here: where the
error comes from (``models``, ``masked``, ``prediction``).
"""

import torch
from torch import Tensor

from streamdeep_trainer.models.autoencoder import mask


def rmse(reconstruction: Tensor, target: Tensor, lengths: Tensor) -> Tensor:
    """Root of the mean squared error over all values within the rows' lengths.

    Args:
        reconstruction: ``(batch, time, features)``.
        target: like ``reconstruction``.
        lengths: ``(batch,)`` int64; frames beyond do not count.

    Returns:
        A scalar. The gradient at an error of exactly 0 is kept finite by 1e-12 under the root.
    """
    return root(share_of_mean_square(reconstruction, target, lengths, lengths.sum()))


def share_of_mean_square(
    reconstruction: Tensor, target: Tensor, lengths: Tensor, n_frames: Tensor
) -> Tensor:
    """What some rows add to a batch's mean squared error; the shares of all its rows sum to the mean.

    Args:
        reconstruction: ``(rows, time, features)``.
        target: like ``reconstruction``.
        lengths: ``(rows,)`` int64; frames beyond do not count.
        n_frames: int64 scalar, frames of the whole batch.

    Returns:
        A scalar.
    """
    valid = mask(lengths, target.shape[1])[:, :, None]
    errors = ((reconstruction - target) * valid) ** 2
    return errors.sum() / (n_frames * target.shape[2])


def root(mean_square: Tensor) -> Tensor:
    """The root of a mean squared error; finite in its gradient at 0."""
    return torch.sqrt(mean_square + 1e-12)


def mean_square_where(errors: Tensor, counts: Tensor) -> Tensor:
    """The mean of the squares of those errors that count; 0 where none does.

    Args:
        errors: of any shape.
        counts: bool, of a shape that fits it.
    """
    counted = counts.expand_as(errors)
    return (errors.masked_fill(~counted, 0.0) ** 2).sum() / counted.sum().clamp_min(1)
