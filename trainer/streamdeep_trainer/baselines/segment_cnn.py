"""Piczak's convolutional network: short segments of log-Mel frames and their deltas are named, and a clip's are averaged.

Piczak, "Environmental sound classification with convolutional neural networks", MLSP 2015, the variant of short segments
and probability voting, and the code published with it. 60 Mel bands at 22,050 Hz, windows of 1,024 and hops of 512 samples;
41 frames; two channels. 80 filters of 57 x 6, pooled over 4 x 3; 80 of 1 x 3, pooled over 1 x 3; two dense layers of 5,000;
rectified; 50 % dropout; 300 epochs of gradient descent with Nesterov's momentum, rate 0.002, batches of 1,000, squared
weights times 0.001. Different: no augmentation (there, ten stretched and shifted copies of a clip), weights begin as He et
al. 2015 have it, and loudness is taken relative to the clip's loudest value, where there the samples' peak is 1.
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
from streamdeep_trainer.baselines.settings import SegmentCnnSettings
from streamdeep_trainer.progress import track

_REACH = 4  # frames to either side that a delta looks at


def deltas(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Slope of every band over 9 frames, by least squares: ``sum n (x[t+n] - x[t-n]) / (2 sum n^2)``, n from 1 to 4.

    Args:
        frames: ``(..., time, bands)``; at the ends the outermost frame is repeated.

    Returns:
        The same shape, per frame.
    """
    n_frames = frames.shape[-2]
    at = np.arange(n_frames)
    steps = range(1, _REACH + 1)
    total = np.zeros_like(frames)
    for step in steps:
        later, earlier = np.minimum(at + step, n_frames - 1), np.maximum(at - step, 0)
        total += np.float32(step) * (frames[..., later, :] - frames[..., earlier, :])
    return total / np.float32(2 * sum(step * step for step in steps))


def segments_of(decibels: NDArray[np.float32], settings: SegmentCnnSettings) -> NDArray[np.float32]:
    """A clip's segments that are not silent, at least one.

    Args:
        decibels: ``(time, bands)``; a clip that is too short is continued in silence.
        settings: lengths and limits.

    Returns:
        ``(segments, 2, bands, segment_frames)`` float32: dB below the clip's loudest value, and their deltas.
    """
    relative = decibels - decibels.max()
    lacking = settings.segment_frames - len(relative)
    if lacking > 0:
        silence = np.full((lacking, relative.shape[1]), settings.floor_db, np.float32)
        relative = np.concatenate((relative, silence))
    starts = range(0, len(relative) - settings.segment_frames + 1, settings.hop_frames)
    cut = np.stack([relative[start : start + settings.segment_frames] for start in starts])
    means = cut.mean(axis=(1, 2))
    loud = means > settings.silence_db
    loud[means.argmax()] = True
    kept = np.maximum(cut[loud], np.float32(settings.floor_db))
    return np.stack((kept, deltas(kept)), axis=1).swapaxes(2, 3).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class SegmentCnn:
    """What was learnt.

    Attributes:
        network: from standardised segments to logits.
        mean: of all values of the training segments.
        deviation: of the same; deltas are divided by it.
        settings: that it was made by.
        losses: mean loss of each epoch.
    """

    network: nn.Sequential
    mean: float
    deviation: float
    settings: SegmentCnnSettings
    losses: tuple[float, ...]

    @property
    def n_parameters(self) -> int:
        """How many numbers are learnt."""
        return n_parameters(self.network)

    @property
    def macs_per_frame(self) -> float:
        """Multiplications with additions, of segments that overlap as they were learnt from."""
        first = self.network[0]
        assert isinstance(first, nn.Conv2d)
        n_bands = first.kernel_size[0] + 3
        segment = torch.zeros(1, 2, n_bands, self.settings.segment_frames)
        return macs(self.network, segment) / self.settings.hop_frames

    def answer(self, decibels: NDArray[np.float32]) -> NDArray[np.float64]:
        """``(time, bands)`` of one clip to ``(classes,)``: the mean of its segments' probabilities."""
        segments = _standard(segments_of(decibels, self.settings), self.mean, self.deviation)
        mean: NDArray[np.float64] = probabilities(self.network, segments).mean(axis=0)
        return mean


def learn(
    settings: SegmentCnnSettings,
    clips: Sequence[NDArray[np.float32]],
    labels: NDArray[np.int64],
    seed: int,
) -> SegmentCnn:
    """Learn from labelled clips; at the paper's sizes 16 s of a core per epoch of 320 clips of ESC-10, measured.

    Args:
        settings: shape and training.
        clips: frames of each, ``(time, bands)`` in dB, at least 4 bands.
        labels: ``(clips,)`` from 0 on, without gaps.
        seed: of weights, batches and dropouts.
    """
    parts = [segments_of(clip, settings) for clip in clips]
    segments = np.concatenate(parts)
    mean, deviation = float(segments[:, 0].mean()), max(float(segments[:, 0].std()), 1e-6)
    inputs = _standard(segments, mean, deviation)
    targets = torch.from_numpy(labels.repeat([len(part) for part in parts]))
    losses = []
    with seeded(seed):
        network = build(segments.shape[2], int(labels.max()) + 1, settings)
        weights = [one for one in network.parameters() if one.ndim > 1]
        biases = [one for one in network.parameters() if one.ndim == 1]
        groups = [
            # torch adds this times the weight to the gradient, which of a square is twice the weight
            {"params": weights, "weight_decay": 2.0 * settings.weight_decay},
            {"params": biases, "weight_decay": 0.0},
        ]
        optimiser = torch.optim.SGD(groups, settings.learning_rate, momentum=0.9, nesterov=True)
        for _ in track(range(settings.epochs), settings.epochs, "Piczak's network"):
            loss = teach_epoch(network, optimiser, inputs, targets, batch_size=settings.batch_size)
            losses.append(loss)
    return SegmentCnn(network, mean, deviation, settings, tuple(losses))


def build(n_bands: int, n_classes: int, settings: SegmentCnnSettings) -> nn.Sequential:
    """The network as it begins; the first filters leave out three bands, as 57 of 60."""
    filters, units = settings.filters, settings.units
    n_left = ((settings.segment_frames - 5) // 3 - 2) // 3  # of time
    network = nn.Sequential(
        nn.Conv2d(2, filters, (n_bands - 3, 6)),
        nn.ReLU(),
        nn.MaxPool2d((4, 3), stride=(1, 3)),
        nn.Dropout(settings.dropout),
        nn.Conv2d(filters, filters, (1, 3)),
        nn.ReLU(),
        nn.MaxPool2d((1, 3)),
        nn.Flatten(),
        nn.Linear(filters * n_left, units),
        nn.ReLU(),
        nn.Dropout(settings.dropout),
        nn.Linear(units, units),
        nn.ReLU(),
        nn.Dropout(settings.dropout),
        nn.Linear(units, n_classes),
    )
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return network


def _standard(segments: NDArray[np.float32], mean: float, deviation: float) -> Tensor:
    centre = np.array([mean, 0.0], dtype=np.float32)[:, None, None]
    return torch.from_numpy((segments - centre) / np.float32(deviation))
