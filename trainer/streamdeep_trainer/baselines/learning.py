"""What networks of others have in common: draws from one seed, minibatches with labels, and what they cost.

On one thread, so that a seed gives the same network beside whatever else runs. Not here: the networks.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_AT_ONCE = 1024  # rows that are asked together


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """In this block torch draws from this seed, on one thread; afterwards it is as it was before."""
    n_threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(n_threads)


def teach_epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    inputs: Tensor,
    targets: Tensor,
    *,
    batch_size: int,
) -> float:
    """Go once through all rows in a drawn order, by cross-entropy.

    Args:
        network: from inputs to logits ``(rows, classes)``.
        optimiser: of its weights.
        inputs: ``(rows, ...)`` float32.
        targets: ``(rows,)`` int64.
        batch_size: rows per step.

    Returns:
        The mean loss.
    """
    network.train()
    total = 0.0
    for rows in torch.split(torch.randperm(len(inputs)), batch_size):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(network(inputs[rows]), targets[rows])
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += float(loss.detach()) * len(rows)
    return total / len(inputs)


def probabilities(network: nn.Module, inputs: Tensor) -> NDArray[np.float64]:
    """``(rows, ...)`` to ``(rows, classes)``, without dropout."""
    network.eval()
    with torch.no_grad():
        parts = [network(some).double().softmax(dim=1) for some in torch.split(inputs, _AT_ONCE)]
    found: NDArray[np.float64] = torch.cat(parts).numpy()
    return found


def n_parameters(network: nn.Module) -> int:
    """How many numbers are learnt."""
    return sum(one.numel() for one in network.parameters())


def macs(network: nn.Module, example: Tensor) -> int:
    """Multiplications with additions of dense and convolutional layers, for this input."""
    counts: list[int] = []

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, Tensor)
        counts.append(output.numel() * weight[0].numel())

    hooks = [
        one.register_forward_hook(count)
        for one in network.modules()
        if isinstance(one, nn.Linear | nn.Conv2d)
    ]
    network.eval()
    with torch.no_grad():
        network(example)
    for hook in hooks:
        hook.remove()
    return sum(counts)
