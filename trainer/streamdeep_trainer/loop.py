"""The training loop, to be read from top to bottom.

Adam on the batch's RMSE, gradients clipped by value. Every epoch sees one random crop of each clip at a
random gain, and ends with a checkpoint; it seeds its own random numbers from the recipe's seed and its
own number, so that a run that was interrupted goes on to the very same weights. On several devices every
rank draws the same batches and takes its own rows of each; the first alone measures the held-out clips and
writes. Not here: where a run begins (``fit``), processes (``devices``), the network (``models``), the crops
(``crops``).
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamdeep.errors import SourceError
from streamdeep_trainer.checkpoint import (
    adam_arrays,
    adam_state,
    load_checkpoint,
    network_from,
    save_checkpoint,
    weights_of,
)
from streamdeep_trainer.config import FitRecipe, FrontendRecipe, Recipe
from streamdeep_trainer.crops import draw_crops
from streamdeep_trainer.models.networks import Network
from streamdeep_trainer.monitor import Monitor
from streamdeep_trainer.objectives import rmse, root, share_of_mean_square
from streamdeep_trainer.progress import progress
from streamdeep_trainer.run_folder import CHECKPOINT
from streamdeep_trainer.spectrograms import Spectrograms

if TYPE_CHECKING:
    from lightning.fabric import Fabric  # 1 to 10 s to import

Crops = Callable[..., tuple[NDArray[np.float32], NDArray[np.int64]]]
"""``draw_crops`` of one run's spectrograms, lengths and levels: ``(rows, gain_db=, random=)``."""

_ROWS_MEASURED = 64


def train(recipe: Recipe, spectrograms: Spectrograms, run: Path, fabric: "Fabric") -> None:
    """Go on from the run's checkpoint, and rewrite it after each epoch.

    Args:
        recipe: what to do.
        spectrograms: of all clips.
        run: folder of the run.
        fabric: launched; this process is one of its ranks.
    """
    torch.set_num_threads(recipe.fit.threads)
    state = load_checkpoint(run / CHECKPOINT)
    length_frames = recipe.segment.config(spectrograms.frontend).length_frames
    crops = partial(
        draw_crops,
        spectrograms,
        length_frames=length_frames,
        levels=state.levels,
        frontend=recipe.frontend,
    )
    training, held_out = split(spectrograms, state.held_out)
    network = network_from(state)
    adam = torch.optim.Adam(network.parameters(), lr=recipe.fit.learning_rate)
    model, optimiser = fabric.setup(network, adam)
    precision = fabric.strategy.precision
    if state.optimiser:
        adam.load_state_dict(adam_state(state.optimiser, adam.state_dict()["param_groups"]))
    if state.loss_scale:
        precision.load_state_dict(state.loss_scale)
    measured = partial(
        validation_loss,
        network,
        spectrograms,
        held_out,
        length_frames=length_frames,
        levels=state.levels,
        frontend=recipe.frontend,
    )
    first = fabric.is_global_zero
    watched = held_out if len(held_out) else np.arange(min(16, len(spectrograms.clips)))
    monitor = None
    if recipe.fit.tensorboard and first:
        monitor = Monitor(run, *crops(watched[:_ROWS_MEASURED], gain_db=0.0, random=None))

    n_steps = n_batches(len(training), recipe.fit) * (recipe.fit.epochs - state.n_epochs)
    bar = progress(n_steps, f"fit {recipe.model.name}") if first else nullcontext(lambda note: None)
    with bar as step:
        for epoch in range(state.n_epochs + 1, recipe.fit.epochs + 1):
            if is_stale(state.losses, recipe.fit.patience):
                break
            loss = _epoch(fabric, model, optimiser, crops, training, recipe.fit, epoch, step)
            # The others wait here: the first's own weights are measured, in full precision.
            held_out_loss = fabric.broadcast(measured() if first else None)
            state = state.after_epoch(
                recipe,
                weights=weights_of(network),
                optimiser=adam_arrays(adam.state_dict()),
                loss_scale=precision.state_dict(),
                losses=(loss, held_out_loss),
            )
            if first:
                save_checkpoint(run / CHECKPOINT, state)
            if monitor is not None:
                monitor.epoch(epoch, network, state.losses)
    if monitor is not None:
        monitor.close()


def _epoch(
    fabric: "Fabric",
    model: Any,
    optimiser: Any,
    crops: Crops,
    training: NDArray[np.int64],
    recipe: FitRecipe,
    epoch: int,
    step: Callable[[str], None],
) -> float:
    """Every clip once; the RMSE over all of them, the same on every rank."""
    random = np.random.default_rng((recipe.seed, epoch))
    torch.manual_seed(int(random.integers(1 << 62)) + fabric.global_rank)  # dropouts
    order = random.permutation(training)
    model.train()
    squares = values = 0.0
    for rows in np.array_split(order, n_batches(len(training), recipe)):
        frames, lengths = crops(rows, gain_db=recipe.gain_db, random=random)
        n_frames = int(lengths.sum())
        loss = _gradients(fabric, model, optimiser, frames, lengths)
        fabric.clip_gradients(model, optimiser, clip_val=recipe.gradient_clip)
        optimiser.step()
        squares += loss**2 * n_frames
        values += n_frames
        step(f"epoch {epoch}  RMSE {loss:.4f}")
    return float((squares / values) ** 0.5)


def _gradients(
    fabric: "Fabric",
    model: Any,
    optimiser: Any,
    frames: NDArray[np.float32],
    lengths: NDArray[np.int64],
) -> float:
    """Gradients of the whole batch's RMSE from this rank's rows of it; returns the RMSE."""
    own = own_rows(len(lengths), fabric.global_rank, fabric.world_size)
    on_device = fabric.to_device(torch.from_numpy(lengths))
    reconstruction, target = model(fabric.to_device(torch.from_numpy(frames[own])), on_device[own])
    share = share_of_mean_square(reconstruction, target, on_device[own], on_device.sum())
    mean_square = share.detach().clone()
    fabric.all_reduce(mean_square, reduce_op="sum")  # in place
    loss = root(mean_square)
    optimiser.zero_grad()
    # The mean of the ranks' gradients, which DDP takes, is then the root's own gradient.
    fabric.backward(share * (fabric.world_size / (2.0 * loss)))
    return float(loss.item())


def own_rows(n_rows: int, rank: int, n_ranks: int) -> slice:
    """A rank's part of a batch; the parts of all ranks are the batch, and differ by one row at most."""
    return slice(n_rows * rank // n_ranks, n_rows * (rank + 1) // n_ranks)


def n_batches(n_clips: int, recipe: FitRecipe) -> int:
    """Batches of an epoch; their sizes differ by one at most."""
    return -(-n_clips // recipe.batch_size)


def is_stale(losses: Sequence[tuple[float, float | None]], patience: int | None) -> bool:
    """Whether the last ``patience`` epochs brought no lower loss on the held-out clips."""
    held_out = [validation for _, validation in losses if validation is not None]
    if patience is None or len(held_out) <= patience:
        return False
    return min(held_out[-patience:]) >= min(held_out[:-patience])


def split(
    spectrograms: Spectrograms, held_out: tuple[str, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to train on, and rows that are held out.

    Raises:
        SourceError: a held-out clip is not among the spectrograms, or nothing is left to train on.
    """
    names = [clip.filename for clip in spectrograms.clips]
    missing = set(held_out) - set(names)
    if missing:
        raise SourceError(
            f"{min(missing)} was held out when training began and is not among the clips now"
        )
    out = np.array([name in set(held_out) for name in names])
    if out.all():
        raise SourceError("there are no clips to train on")
    return np.flatnonzero(~out), np.flatnonzero(out)


def validation_loss(
    network: Network,
    spectrograms: Spectrograms,
    rows: NDArray[np.int64],
    *,
    length_frames: int,
    levels: tuple[float, float],
    frontend: FrontendRecipe,
) -> float | None:
    """RMSE over the beginnings of some clips, nothing dropped, at their own gain; None for no clips."""
    if not len(rows):
        return None
    squares = values = 0.0
    device = next(network.parameters()).device
    network.eval()
    with torch.no_grad():
        for some in np.array_split(rows, -(-len(rows) // _ROWS_MEASURED)):
            frames, lengths = draw_crops(
                spectrograms,
                some,
                length_frames=length_frames,
                levels=levels,
                frontend=frontend,
                gain_db=0.0,
                random=None,
            )
            on_device = torch.from_numpy(lengths).to(device)
            reconstruction, target = network(torch.from_numpy(frames).to(device), on_device)
            squares += rmse(reconstruction, target, on_device).item() ** 2 * int(lengths.sum())
            values += int(lengths.sum())
    return float((squares / values) ** 0.5)
