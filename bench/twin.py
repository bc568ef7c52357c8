"""The network of all parts in torch, of the same weights: what it gives can be compared value by value.

So nobody is timed at something else. Apart from ``networks``, since torch takes seconds to import.
"""

import torch

from bench.networks import weights


class Twin(torch.nn.Module):
    """The same network in torch, for whole segments."""

    def __init__(self, readout: str) -> None:
        super().__init__()
        drawn = weights(readout)
        self.readout = readout
        self.layers = torch.nn.ModuleList(
            torch.nn.GRU(layer.weight_ih.shape[1], layer.units, batch_first=True)
            for layer in drawn.layers
        )
        for gru, layer in zip(self.layers, drawn.layers, strict=True):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(gru, f"{name}_l0").data = torch.from_numpy(getattr(layer, name))
        if drawn.projection is not None:
            self.weight = torch.from_numpy(drawn.projection.weight)
            self.bias = torch.from_numpy(drawn.projection.bias)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """``(batch, time, bands)`` to ``(batch, dim)``."""
        outputs, finals, steps = [], [], frames
        for gru in self.layers:
            steps, final = gru(steps)
            outputs.append(steps)
            finals.append(final[0])
        if self.readout == "final":
            return torch.tanh(torch.cat(finals, dim=1) @ self.weight + self.bias)
        found = torch.cat(outputs, dim=2)
        variance = found.var(dim=1, correction=0)
        return torch.cat((found.mean(dim=1), torch.sqrt(variance + 1e-4), found.amax(dim=1)), dim=1)
