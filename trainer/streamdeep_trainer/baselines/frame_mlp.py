"""The baseline of DCASE 2017: a small perceptron names every frame by its neighbours, and frames vote.

Heittola, Mesaros et al., "DCASE 2017 challenge setup: tasks, datasets and baseline system" (2017), task 1, and the
parameters published with it: 40 log-Mel bands over 5 frames, 200 values; two hidden layers of 50 rectified units,
20 % dropout, softmax; Adam, batches of 256 frames, at most 200 epochs; a tenth of the training clips, class by class, is
kept out, and training ends when 10 epochs have brought no more right frames there. As there the last weights are
used, not the best. Different: Hann windows for Hamming's, and of power; both vanish in standardised logarithms, or nearly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamdeep_trainer.baselines.learning import (
    macs,
    n_parameters,
    probabilities,
    seeded,
    teach_epoch,
)
from streamdeep_trainer.baselines.settings import FrameMlpSettings

_WEIGHTS = 0.05  # they begin evenly between minus and plus this, biases at 0


def with_neighbours(frames: NDArray[np.float32], context_frames: int) -> NDArray[np.float32]:
    """Every frame side by side with its neighbours; at the ends the outermost frame is repeated.

    Args:
        frames: ``(time, bands)``, at least one.
        context_frames: how many frames an input has; the frame itself is in the middle.

    Returns:
        ``(time, context_frames * bands)`` float32, the earliest first.
    """
    before = (context_frames - 1) // 2
    places = np.arange(len(frames))[:, None] + np.arange(context_frames) - before
    found = frames[places.clip(0, len(frames) - 1)]
    return np.asarray(found.reshape(len(frames), -1))


def draw_validation(
    labels: NDArray[np.int64], share: float, random: np.random.Generator
) -> NDArray[np.bool_]:
    """``(clips,)`` bool: so large a share of each class, at least one clip where a class has two or more."""
    drawn = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        clips = random.permutation(np.flatnonzero(labels == label))
        n_drawn = max(1, round(share * len(clips))) if share > 0.0 and len(clips) > 1 else 0
        drawn[clips[:n_drawn]] = True
    return drawn


@dataclass(frozen=True, slots=True, eq=False)
class FrameMlp:
    """What was learnt.

    Attributes:
        network: from standardised inputs to logits.
        mean: ``(bands,)`` of the training frames.
        deviation: ``(bands,)``.
        context_frames: per input.
        n_epochs: after which it stopped.
    """

    network: nn.Sequential
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    context_frames: int
    n_epochs: int

    def inputs(self, decibels: NDArray[np.float32]) -> Tensor:
        """``(time, bands)`` to ``(time, inputs)``."""
        standard = ((decibels - self.mean) / self.deviation).astype(np.float32)
        return torch.from_numpy(with_neighbours(standard, self.context_frames))

    @property
    def n_parameters(self) -> int:
        """How many numbers are learnt."""
        return n_parameters(self.network)

    @property
    def macs_per_frame(self) -> float:
        """Multiplications with additions."""
        return macs(self.network, torch.zeros(1, self.context_frames * len(self.mean)))

    def answer(self, decibels: NDArray[np.float32]) -> NDArray[np.float64]:
        """``(time, bands)`` of one clip to ``(classes,)``, the share of its frames that is given each class."""
        likely = probabilities(self.network, self.inputs(decibels))
        votes = np.bincount(likely.argmax(axis=1), minlength=likely.shape[1])
        return np.asarray(votes / votes.sum())


def learn(
    settings: FrameMlpSettings,
    clips: Sequence[NDArray[np.float32]],
    labels: NDArray[np.int64],
    seed: int,
) -> FrameMlp:
    """Learn from labelled clips.

    Args:
        settings: shape and training.
        clips: frames of each, ``(time, bands)`` in dB.
        labels: ``(clips,)`` from 0 on, without gaps.
        seed: of weights, batches, dropouts, and of the clips kept out.
    """
    kept_out = draw_validation(labels, settings.validation_share, np.random.default_rng(seed))
    taught = [clip for clip, out in zip(clips, kept_out, strict=True) if not out]
    every = np.concatenate(taught).astype(np.float64)
    mean = every.mean(axis=0).astype(np.float32)
    deviation = np.maximum(every.std(axis=0), 1e-6).astype(np.float32)
    n_inputs = settings.context_frames * len(mean)
    with seeded(seed):
        network = _network(n_inputs, int(labels.max()) + 1, settings)
        draft = FrameMlp(network, mean, deviation, settings.context_frames, 0)
        lengths = np.array([len(clip) for clip in clips])
        inputs = torch.cat([draft.inputs(clip) for clip in taught])
        targets = torch.from_numpy(labels[~kept_out].repeat(lengths[~kept_out]))
        out = [draft.inputs(clip) for clip, is_out in zip(clips, kept_out, strict=True) if is_out]
        asked = torch.cat(out) if out else None
        truths = labels[kept_out].repeat(lengths[kept_out])
        optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
        best, n_waited, n_epochs = -1.0, 0, 0
        while n_epochs < settings.epochs and n_waited < settings.patience:
            teach_epoch(network, optimiser, inputs, targets, batch_size=settings.batch_size)
            n_epochs += 1
            if asked is None:
                continue
            right = float((probabilities(network, asked).argmax(axis=1) == truths).mean())
            if right - settings.least_gain > best:
                best, n_waited = right, 0
            else:
                n_waited += 1
    return FrameMlp(network, mean, deviation, settings.context_frames, n_epochs)


def _network(n_inputs: int, n_classes: int, settings: FrameMlpSettings) -> nn.Sequential:
    layers: list[nn.Module] = []
    for units in settings.units:
        layers += [nn.Linear(n_inputs, units), nn.ReLU(), nn.Dropout(settings.dropout)]
        n_inputs = units
    network = nn.Sequential(*layers, nn.Linear(n_inputs, n_classes))
    for layer in network:
        if isinstance(layer, nn.Linear):
            nn.init.uniform_(layer.weight, -_WEIGHTS, _WEIGHTS)
            nn.init.zeros_(layer.bias)
    return network
