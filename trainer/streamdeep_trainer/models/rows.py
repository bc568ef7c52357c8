"""Batches of rows of different lengths, padded at the end: masking, turning round, pooling, dropping.

Pure functions; what lies beyond a row's length changes no result within it. Not here: anything with
weights.
"""

import torch
from torch import Tensor

from streamdeep_trainer.graph import (
    ROOT_FLOOR,
    ROUGHNESS_FLOOR,
    SCORE_BOUND,
    VARIANCE_FLOOR,
    heads_of,
)

SILENCE = -1.0
"""What silence is in normalised frames: exactly this, because the normaliser clips at its floor."""


def mask(lengths: Tensor, n_steps: int) -> Tensor:
    """``(batch, time)`` bool: which steps lie within each row's length."""
    return torch.arange(n_steps, device=lengths.device)[None] < lengths[:, None]


def reversed_rows(frames: Tensor, lengths: Tensor) -> Tensor:
    """Each row turned round within its own length; what lies beyond stays where it is."""
    steps = torch.arange(frames.shape[1], device=frames.device)[None]  # (1, time)
    turned = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return torch.gather(frames, 1, turned[:, :, None].expand_as(frames))


def last_steps(outputs: Tensor, lengths: Tensor | None) -> Tensor:
    """``(batch, time, units)`` to ``(batch, units)``: the last step within each row's length."""
    if lengths is None:
        return outputs[:, -1]
    return outputs[torch.arange(len(outputs), device=outputs.device), lengths - 1]


def pooled(outputs: Tensor, lengths: Tensor) -> Tensor:
    """Mean, standard deviation and maximum over each row's own frames, side by side.

    Args:
        outputs: ``(batch, time, units)``.
        lengths: ``(batch,)`` int64, at least 1.

    Returns:
        ``(batch, 3 * units)``; the deviation is ``sqrt(max(variance, 0) + 1e-4)``, as in the graph.
    """
    valid = mask(lengths, outputs.shape[1])[:, :, None]  # (batch, time, 1)
    n_frames = lengths[:, None].to(outputs.dtype)
    mean = (outputs * valid).sum(1) / n_frames
    # From the row's mean: torch has the whole row, so no difference of large numbers is needed.
    variance = (((outputs - mean[:, None]) * valid) ** 2).sum(1) / n_frames
    maximum = outputs.masked_fill(~valid, -torch.inf).amax(1)
    return torch.cat((mean, torch.sqrt(variance + VARIANCE_FLOOR), maximum), dim=1)


def attended(outputs: Tensor, looks: Tensor, lengths: Tensor) -> Tensor:
    """As :func:`pooled`, but of mean and deviation a frame counts ``exp`` of a bounded score, head by head.

    Attentive statistics pooling (Okabe, Koshinaka and Shinoda, Interspeech 2018), with the outputs divided among heads
    (India, Safari and Hernando, Interspeech 2019). Scores are ``4 tanh``, and not whatever the map gives, so that
    sums can run without a maximum beside them. With scores that are all alike it is :func:`pooled`.

    Args:
        outputs: ``(batch, time, units)``.
        looks: ``(batch, time, heads)``, scores before they are bounded.
        lengths: ``(batch,)`` int64, at least 1.

    Returns:
        ``(batch, 3 * units)``.
    """
    valid = mask(lengths, outputs.shape[1])[:, :, None]
    heads = torch.from_numpy(heads_of(outputs.shape[2], looks.shape[2])).to(outputs.device)
    counted = (torch.exp(SCORE_BOUND * torch.tanh(looks)) * valid)[:, :, heads]
    total = counted.sum(1)
    mean = (outputs * counted).sum(1) / total
    variance = (counted * (outputs - mean[:, None]) ** 2).sum(1) / total
    maximum = outputs.masked_fill(~valid, -torch.inf).amax(1)
    return torch.cat((mean, torch.sqrt(variance + VARIANCE_FLOOR), maximum), dim=1)


def roughness(outputs: Tensor, lengths: Tensor, deviation: Tensor) -> Tensor:
    """How much outputs change from step to step, as a share of their deviation.

    Args:
        outputs: ``(batch, time, units)``.
        lengths: ``(batch,)`` int64, at least 1.
        deviation: ``(batch, units)``, as :func:`pooled` gives it.

    Returns:
        ``(batch, units)``; the mean absolute change, to which the first step adds none, over the deviation
        plus 0.02.
    """
    valid = mask(lengths, outputs.shape[1])[:, 1:, None]
    changes = ((outputs[:, 1:] - outputs[:, :-1]).abs() * valid).sum(1)
    return changes / lengths[:, None].to(outputs.dtype) / (deviation + ROUGHNESS_FLOOR)


def signed_root(values: Tensor) -> Tensor:
    """``x / sqrt(|x| + 1e-3)``, as in the graph: large values stand out less.

    Power normalisation, after Perronnin, Sánchez and Mensink (ECCV 2010).
    """
    return values / torch.sqrt(values.abs() + ROOT_FLOOR)


def shifted(steps: Tensor, n_steps: int) -> Tensor:
    """``(batch, time, features)`` moved ``n_steps`` later, zeros first; the last ones fall out."""
    n_kept = max(steps.shape[1] - n_steps, 0)
    opening = torch.zeros_like(steps[:, : steps.shape[1] - n_kept])
    return torch.cat((opening, steps[:, :n_kept]), dim=1)


def drop_steps(steps: Tensor, probability: float) -> Tensor:
    """Whole steps set to zero, drawn for each row and step, the others left as they are.

    auDeep's encoder noise (Freitag et al., JMLR 2017) is this; nothing is scaled up, and zero is the
    middle of the normalised range, not silence.
    """
    kept = torch.rand(steps.shape[:2], device=steps.device) >= probability
    return steps * kept[:, :, None]


def silence_excused(reconstruction: Tensor, targets: Tensor) -> Tensor:
    """The reconstruction, but silence where the target is silent: no error, and no gradient, from there.

    auDeep's ``--mask-silence``. Both are ``(batch, time, features)``.
    """
    return torch.where(targets == SILENCE, targets, reconstruction)
