"""A run's course for TensorBoard: losses, what the embeddings look like, and reconstructions if there are any.

Written once an epoch from a few fixed clips, at their own gain and with nothing dropped; training does not
depend on it. The only module that knows TensorBoard.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from streamdeep_trainer.models.dictionary import Dictionary
from streamdeep_trainer.models.encoder_alone import EncoderAlone
from streamdeep_trainer.models.networks import Autoencoding
from streamdeep_trainer.objectives.objective import Batch, Objective

N_PICTURES = 4


class Monitor:
    """Writes below ``run/tensorboard``; show it with ``tensorboard --logdir run``."""

    def __init__(self, run: Path, measure: str, shown: Batch) -> None:
        """Choose what to look at.

        Args:
            run: folder of the run.
            measure: what the loss is called.
            shown: some clips.
        """
        from torch.utils.tensorboard import SummaryWriter

        self._measure, self._shown = measure.lower(), shown
        make: Any = SummaryWriter  # torch's class carries no types
        self._writer = make(str(run / "tensorboard"))

    def epoch(
        self, number: int, objective: Objective, losses: Sequence[tuple[float, float | None]]
    ) -> None:
        """Write the state of things after an epoch; leaves the objective ready to evaluate."""
        training, validation = losses[-1]
        self._writer.add_scalar(f"{self._measure}/training", training, number)
        if validation is not None:
            self._writer.add_scalar(f"{self._measure}/validation", validation, number)
        network, device = objective.network, next(objective.parameters()).device
        objective.eval()
        with torch.no_grad():
            shown = self._shown.to(device)
            frames, lengths = shown.frames, shown.lengths
            embeddings = network.encoder(frames, lengths)
            signs = objective.signs(shown)
            if not isinstance(network, Dictionary | EncoderAlone):
                self._add_pictures(number, network, frames, lengths)
        for name, value in signs.items():
            self._writer.add_scalar(f"{self._measure}/{name}", value, number)
        self._writer.add_scalar("embedding/mean", embeddings.mean(), number)
        self._writer.add_scalar(
            "embedding/deviation", embeddings.std(dim=0, correction=0).mean(), number
        )
        self._writer.add_histogram("embedding/values", embeddings, number)
        self._writer.flush()

    def _add_pictures(
        self, number: int, network: Autoencoding, frames: Tensor, lengths: Tensor
    ) -> None:
        reconstruction, target = network(frames, lengths)
        for index in range(min(N_PICTURES, len(frames))):
            length = int(lengths[index])
            pair = torch.cat((target[index, :length], reconstruction[index, :length]), dim=1)
            # Bands upwards, time to the right, target below reconstruction; [-1, 1] to [0, 1].
            picture = torch.flip((pair.T.clamp(-1.0, 1.0) + 1.0) / 2.0, dims=(0,))
            self._writer.add_image(f"target and reconstruction/{index}", picture[None], number)

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
