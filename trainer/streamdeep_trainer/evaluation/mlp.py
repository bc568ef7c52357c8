"""The neural classifier of auDeep: two hidden layers on standardised vectors, trained on all rows at once.

Facts from auDeep 0.9.6a1: 2 x 150 rectified units, 40 % dropout after each, Adam at 1e-3, 400 steps over the
whole training part, cross-entropy; no weight decay, no early stopping. Its logits are rectified too, so that a
class whose pre-activation is negative gets no gradient, and its biases are drawn like weights: the variant
``audeep-exact``. The default, ``plain``, has ordinary logits and biases of 0. Unlike auDeep's it is seeded. Not
here: the linear classifiers (``classify``). Adam's epsilon is 1e-8 beside the corrected root in torch, beside
the uncorrected one in TensorFlow 1: the same after the first steps.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from streamdeep.errors import ConfigurationError

Variant = Literal["plain", "audeep-exact"]
Layers = list[tuple[Tensor, Tensor]]
"""Of each layer the weights ``(inputs, outputs)`` and the biases ``(outputs,)``, float32."""


@dataclass(frozen=True, slots=True)
class MlpConfig:
    """Shape and training; the defaults are auDeep's.

    Attributes:
        variant: ``plain`` or ``audeep-exact``.
        layers: hidden layers.
        units: of each.
        keep: share of a hidden layer's outputs that dropout keeps.
        learning_rate: Adam's.
        epochs: steps, each over all rows.
    """

    variant: Variant = "plain"
    layers: int = 2
    units: int = 150
    keep: float = 0.6
    learning_rate: float = 1e-3
    epochs: int = 400

    def __post_init__(self) -> None:
        if self.layers < 0 or self.units < 1 or self.epochs < 0:
            raise ConfigurationError(
                "an MLP needs units of 1 or more; layers and epochs of 0 or more"
            )
        if not (0.0 < self.keep <= 1.0 and self.learning_rate > 0.0):
            raise ConfigurationError(
                "an MLP keeps a share above 0 up to 1, and learns at a rate above 0"
            )


def init_layers(
    n_inputs: int, n_classes: int, config: MlpConfig, generator: torch.Generator
) -> Layers:
    """Glorot-uniform weights (Glorot and Bengio 2010): within +-sqrt(6 / (inputs + outputs)).

    The biases of ``audeep-exact`` are within +-sqrt(3 / outputs): TensorFlow takes the length of a vector for
    both its inputs and its outputs.
    """
    sizes = [n_inputs, *[config.units] * config.layers, n_classes]
    layers = []
    for inputs, outputs in pairwise(sizes):
        limit = math.sqrt(6.0 / (inputs + outputs))
        weight = (2.0 * torch.rand(inputs, outputs, generator=generator) - 1.0) * limit
        bias = torch.zeros(outputs)
        if config.variant == "audeep-exact":
            bias = (2.0 * torch.rand(outputs, generator=generator) - 1.0) * math.sqrt(3.0 / outputs)
        layers.append((weight, bias))
    return layers


def logits(
    layers: Layers,
    inputs: Tensor,
    *,
    variant: Variant = "plain",
    drop: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """``(rows, inputs)`` to ``(rows, classes)``.

    Args:
        layers: see :data:`Layers`.
        inputs: standardised, float32.
        variant: ``audeep-exact`` rectifies the result as well.
        drop: dropout, applied to each hidden layer; none when asked for answers.
    """
    for weight, bias in layers[:-1]:
        inputs = torch.relu(inputs @ weight + bias)
        inputs = inputs if drop is None else drop(inputs)
    weight, bias = layers[-1]
    found = inputs @ weight + bias
    return torch.relu(found) if variant == "audeep-exact" else found


class Mlp:
    """One classifier; :meth:`fit` makes it, and has the words of ``decisions.Classifier``.

    On one thread, so that a seed gives the same classifier beside whatever else runs on the machine.

    Attributes:
        classes_: ``(classes,)`` int64 ascending, those that occurred in training.
        layers: weights and biases.
        losses: cross-entropy before each step, with dropout.
    """

    def __init__(self, config: MlpConfig, seed: int) -> None:
        self.config, self.seed = config, seed
        self.classes_: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.layers: Layers = []
        self.losses: list[float] = []
        self._scaler = StandardScaler()

    @property
    def n_parameters(self) -> int:
        """How many numbers are learnt."""
        return sum(weight.numel() + bias.numel() for weight, bias in self.layers)

    def fit(self, vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> Self:
        """Forget what was learnt, and learn.

        Args:
            vectors: ``(rows, dim)`` float32.
            labels: ``(rows,)`` int64, any numbers.
        """
        self.classes_, places = np.unique(labels, return_inverse=True)
        standard = self._scaler.fit_transform(vectors)
        inputs = torch.from_numpy(standard.astype(np.float32))
        targets = torch.from_numpy(places.astype(np.int64))
        generator = torch.Generator().manual_seed(self.seed)
        self.layers = init_layers(inputs.shape[1], len(self.classes_), self.config, generator)
        weights = [one.requires_grad_() for layer in self.layers for one in layer]
        optimiser = torch.optim.Adam(weights, lr=self.config.learning_rate)
        losses = []
        keep, variant = self.config.keep, self.config.variant

        def drop(values: Tensor) -> Tensor:
            kept = torch.rand(values.shape, generator=generator) < keep
            return values * kept / keep

        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for _ in range(self.config.epochs):
                optimiser.zero_grad()
                found = logits(self.layers, inputs, variant=variant, drop=drop)
                loss = torch.nn.functional.cross_entropy(found, targets)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                losses.append(loss.detach())
        finally:
            torch.set_num_threads(n_threads)
        for one in weights:
            one.requires_grad_(False)
        self.losses = [float(loss) for loss in losses]
        return self

    def logits(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(rows, dim)`` to ``(rows, classes)`` float32, without dropout."""
        inputs = torch.from_numpy(self._scaler.transform(vectors).astype(np.float32))
        found: NDArray[np.float32] = logits(
            self.layers, inputs, variant=self.config.variant
        ).numpy()
        return found

    def decision_function(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """``(rows, classes)`` float64: probabilities, so that a file's mean is not ruled by one loud row."""
        values = self.logits(vectors).astype(np.float64)
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return shares
