"""What training minimises: the root mean square error over the whole batch.

One root over all values, as auDeep's loss, not a mean of roots: a batch's gradient then does not favour
the clips that are easy already. Not here: where the error comes from (``models``).
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
    valid = mask(lengths, target.shape[1])[:, :, None]
    errors = ((reconstruction - target) * valid) ** 2
    n_values = lengths.sum() * target.shape[2]
    return torch.sqrt(errors.sum() / n_values + 1e-12)
