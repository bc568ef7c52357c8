"""What a discriminator has learnt to look at: the layers of a DCGAN that tells pictures of segments from made-up ones.

Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional generative adversarial networks",
ICLR 2016: both networks, their first weights (0.02), Adam (0.0002, first moment 0.5), and features: all layers of the
discriminator, each pooled by its maxima to a grid of 4 x 4. On log-Mel pictures: Amiriparian et al., EUSIPCO 2018, who
take the activations, and fuse them with a recurrent autoencoder's. Different: smaller, and one square picture per segment.
The statistics of batch normalisation, with which features are made, are taken from all that was heard once weights are fixed;
so are those of the untrained twin. A vector depends on its own segment alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamdeep_trainer.baselines.learning import macs, n_parameters, seeded
from streamdeep_trainer.baselines.settings import DcganSettings
from streamdeep_trainer.progress import track

_GRID = 4  # the smallest layer's side, and that of the pooled ones
_WEIGHTS = 0.02
_SLOPE = 0.2
_AT_ONCE = 256


def picture_of(frames: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """``(time, features)`` in [-1, 1] to ``(1, side, side)``, frequency by time: means over areas."""
    picture = torch.from_numpy(np.ascontiguousarray(frames.T))[None, None]
    found: NDArray[np.float32] = nn.functional.interpolate(picture, size=(side, side), mode="area")[
        0
    ].numpy()
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Discriminator:
    """One that has learnt, or the twin that has not.

    Attributes:
        layers: of convolution, normalisation and rectifier.
        side: of pictures.
        losses: of discriminator and generator, means of each epoch.
    """

    layers: nn.ModuleList
    side: int
    losses: tuple[tuple[float, float], ...]

    @property
    def n_parameters(self) -> int:
        """How many numbers are learnt; those of the generator and of the last decision are not used."""
        return n_parameters(self.layers)

    @property
    def macs_per_segment(self) -> float:
        """Multiplications with additions."""
        return macs(nn.Sequential(*self.layers), torch.zeros(1, 1, self.side, self.side))

    def vectors(self, segments: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """``(time, features)`` each to ``(segments, 16 * channels of all layers)`` float32."""
        self.layers.eval()
        pictures = _pictures(segments, self.side)
        with torch.no_grad():
            parts = [
                torch.cat(self._pooled(some), dim=1) for some in torch.split(pictures, _AT_ONCE)
            ]
        found: NDArray[np.float32] = torch.cat(parts).numpy()
        return found

    def _pooled(self, pictures: Tensor) -> list[Tensor]:
        pooled = []
        for layer in self.layers:
            pictures = layer(pictures)
            pooled.append(nn.functional.adaptive_max_pool2d(pictures, _GRID).flatten(1))
        return pooled


def learn(
    segments: Sequence[NDArray[np.float32]], settings: DcganSettings, *, seed: int
) -> Discriminator:
    """Train both networks against each other.

    Args:
        segments: that may be heard, ``(time, features)`` in [-1, 1], two at least.
        settings: sizes; with 0 epochs the discriminator is as it was drawn.
        seed: of weights, noise and batches.
    """
    pictures = _pictures(segments, settings.side)
    with seeded(seed):
        layers, decide = _discriminator(settings)
        generator = _generator(settings)
        judge = nn.Sequential(*layers, decide)
        betas = (0.5, 0.999)
        judging = torch.optim.Adam(judge.parameters(), settings.learning_rate, betas)
        making = torch.optim.Adam(generator.parameters(), settings.learning_rate, betas)
        losses = tuple(
            _epoch(pictures, judge, generator, judging, making, settings)
            for _ in track(range(settings.epochs), settings.epochs, "DCGAN")
        )
        _settle(layers, pictures)
    return Discriminator(layers, settings.side, losses)


def _epoch(
    pictures: Tensor,
    judge: nn.Module,
    generator: nn.Module,
    judging: torch.optim.Optimizer,
    making: torch.optim.Optimizer,
    settings: DcganSettings,
) -> tuple[float, float]:
    judge.train()
    generator.train()
    totals, n_steps = np.zeros(2), 0
    for rows in torch.split(torch.randperm(len(pictures)), settings.batch_size):
        if len(rows) < 2:
            continue  # one picture has no spread to be normalised by
        made = generator(torch.randn(len(rows), settings.noise, 1, 1))
        judging.zero_grad()
        told = _loss(judge(pictures[rows]), real=True) + _loss(judge(made.detach()), real=False)
        told.backward()  # type: ignore[no-untyped-call]
        judging.step()
        making.zero_grad()
        passed = _loss(judge(made), real=True)
        passed.backward()  # type: ignore[no-untyped-call]
        making.step()
        totals += float(told.detach()), float(passed.detach())
        n_steps += 1
    discriminator_loss, generator_loss = totals / max(1, n_steps)
    return float(discriminator_loss), float(generator_loss)


def _loss(said: Tensor, *, real: bool) -> Tensor:
    wanted = torch.ones_like(said) if real else torch.zeros_like(said)
    return nn.functional.binary_cross_entropy_with_logits(said, wanted)


def _settle(layers: nn.ModuleList, pictures: Tensor) -> None:
    """Take the statistics of batch normalisation from all pictures, as means over batches."""
    for module in layers.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # plain means
    layers.train()
    with torch.no_grad():
        for some in pictures.tensor_split(-(-len(pictures) // _AT_ONCE)):
            values = some
            for layer in layers:
                values = layer(values)


def _discriminator(settings: DcganSettings) -> tuple[nn.ModuleList, nn.Module]:
    """Every layer halves the side and doubles the channels, down to 4 x 4; the first is not normalised."""
    layers = nn.ModuleList()
    side, inputs, outputs = int(settings.side), 1, settings.channels
    while side > _GRID:
        convolution = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
        parts: list[nn.Module] = [convolution]
        if inputs > 1:
            parts.append(nn.BatchNorm2d(outputs))
        layers.append(nn.Sequential(*parts, nn.LeakyReLU(_SLOPE)))
        side, inputs, outputs = side // 2, outputs, outputs * 2
    decide = nn.Sequential(nn.Conv2d(inputs, 1, _GRID, bias=False), nn.Flatten())
    for module in (layers, decide):
        module.apply(_draw)
    return layers, decide


def _generator(settings: DcganSettings) -> nn.Sequential:
    """The same steps backwards, from noise."""
    n_doublings = (settings.side // _GRID).bit_length() - 1
    outputs = settings.channels * 2 ** (n_doublings - 1)
    first = nn.ConvTranspose2d(settings.noise, outputs, _GRID, bias=False)
    parts: list[nn.Module] = [first, nn.BatchNorm2d(outputs), nn.ReLU()]
    for _ in range(n_doublings - 1):
        larger = nn.ConvTranspose2d(outputs, outputs // 2, 4, stride=2, padding=1, bias=False)
        parts += [larger, nn.BatchNorm2d(outputs // 2), nn.ReLU()]
        outputs //= 2
    last = nn.ConvTranspose2d(outputs, 1, 4, stride=2, padding=1, bias=False)
    generator = nn.Sequential(*parts, last, nn.Tanh())
    generator.apply(_draw)
    return generator


def _draw(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, _WEIGHTS)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, _WEIGHTS)
        nn.init.zeros_(module.bias)


def _pictures(segments: Sequence[NDArray[np.float32]], side: int) -> Tensor:
    return torch.from_numpy(np.stack([picture_of(frames, side) for frames in segments]))
