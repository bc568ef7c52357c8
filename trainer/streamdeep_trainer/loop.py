"""The training loop, to be read from top to bottom.

Adam on the batch's loss, gradients clipped by value. Every epoch sees random crops of each clip at random
gains, and ends with a checkpoint; it seeds its own random numbers from the recipe's seed and its
own number, so that a run that was interrupted goes on to the very same weights. On several devices every
rank draws the same batches and takes its own rows of each; the first alone measures the held-out clips and
writes. Not here: where a run begins (``fit``), processes (``devices``), what is minimised (``objectives``),
the network (``models``), the batches (``batches``).
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamdeep.errors import SourceError
from streamdeep_trainer.batches import Batches
from streamdeep_trainer.checkpoint import (
    adam_arrays,
    adam_state,
    load_checkpoint,
    network_from,
    save_checkpoint,
    tensors_of,
    weights_of,
)
from streamdeep_trainer.config import FitRecipe, Recipe
from streamdeep_trainer.monitor import Monitor
from streamdeep_trainer.objectives.build import build_objective
from streamdeep_trainer.objectives.objective import Batch, Objective
from streamdeep_trainer.progress import progress
from streamdeep_trainer.run_folder import CHECKPOINT
from streamdeep_trainer.spectrograms import Spectrograms

if TYPE_CHECKING:
    from lightning.fabric import Fabric  # 1 to 10 s to import

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
    batches = Batches(spectrograms, recipe, state.levels)
    training, held_out = split(spectrograms, state.held_out)
    objective = build_objective(recipe, network_from(state))
    if state.own_weights:
        objective.own.load_state_dict(tensors_of(state.own_weights))
    adam = torch.optim.Adam(objective.parameters(), lr=recipe.fit.learning_rate)
    model, optimiser = fabric.setup(objective, adam)
    precision = fabric.strategy.precision
    if state.optimiser:
        adam.load_state_dict(adam_state(state.optimiser, adam.state_dict()["param_groups"]))
    if state.loss_scale:
        precision.load_state_dict(state.loss_scale)
    first = fabric.is_global_zero
    watched = held_out if len(held_out) else np.arange(min(16, len(spectrograms.clips)))
    monitor = None
    if recipe.fit.tensorboard and first:
        shown = batches.held_out(watched[:_ROWS_MEASURED])
        monitor = Monitor(run, recipe.objective.measure, shown)

    n_steps = n_batches(len(training), recipe.fit) * (recipe.fit.epochs - state.n_epochs)
    bar = progress(n_steps, f"fit {recipe.model.name}") if first else nullcontext(lambda note: None)
    with bar as step:
        for epoch in range(state.n_epochs + 1, recipe.fit.epochs + 1):
            if is_stale(state.losses, recipe.fit.patience):
                break
            loss = _epoch(fabric, objective, model, optimiser, batches, training, epoch, step)
            # The others wait here: the first's own weights are measured, in full precision.
            held_out_loss = fabric.broadcast(
                validation_loss(objective, batches, held_out) if first else None
            )
            state = state.after_epoch(
                recipe,
                weights=weights_of(objective.network),
                own_weights=weights_of(objective.own),
                optimiser=adam_arrays(adam.state_dict()),
                loss_scale=precision.state_dict(),
                losses=(loss, held_out_loss),
            )
            if first:
                save_checkpoint(run / CHECKPOINT, state)
            if monitor is not None:
                monitor.epoch(epoch, objective, state.losses)
    if monitor is not None:
        monitor.close()


def _epoch(
    fabric: "Fabric",
    objective: Objective,
    model: Any,
    optimiser: Any,
    batches: Batches,
    training: NDArray[np.int64],
    epoch: int,
    step: Callable[[str], None],
) -> float:
    """Every clip once; the loss over all of them, the same on every rank. ``model`` is the objective, wrapped."""
    recipe = batches.recipe
    random = np.random.default_rng((recipe.fit.seed, epoch))
    torch.manual_seed(int(random.integers(1 << 62)) + fabric.global_rank)  # dropouts
    order = random.permutation(training)
    model.train()
    total = n_frames = 0.0
    for rows in np.array_split(order, n_batches(len(training), recipe.fit)):
        batch = batches.training(rows, random)
        loss = _gradients(fabric, objective, model, optimiser, batch)
        fabric.clip_gradients(model, optimiser, clip_val=recipe.fit.gradient_clip)
        optimiser.step()
        objective.after_step()
        total += loss**objective.exponent * int(batch.n_frames)
        n_frames += int(batch.n_frames)
        step(f"epoch {epoch}  {recipe.objective.measure} {loss:.4f}")
    return float((total / n_frames) ** (1 / objective.exponent))


def _gradients(
    fabric: "Fabric", objective: Objective, model: Any, optimiser: Any, batch: Batch
) -> float:
    """Gradients of the whole batch's loss from this rank's rows of it; returns the loss."""
    own = batch.rows(own_rows(len(batch.lengths), fabric.global_rank, fabric.world_size))
    share = model(fabric.to_device(own))
    total = share.detach().clone()
    fabric.all_reduce(total, reduce_op="sum")  # in place
    loss = objective.loss(total)
    optimiser.zero_grad()
    # The mean of the ranks' gradients, which DDP takes, is then the loss's own gradient.
    fabric.backward(share * (fabric.world_size * objective.slope(loss)))
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
    objective: Objective, batches: Batches, rows: NDArray[np.int64]
) -> float | None:
    """The loss over some clips, nothing dropped; None for fewer of them than the objective needs.

    Args:
        objective: is left ready to evaluate.
        batches: of the run.
        rows: of clips that are held out.
    """
    if len(rows) < batches.recipe.objective.n_views:
        return None
    total = n_frames = 0.0
    device = next(objective.parameters()).device
    objective.eval()
    with torch.no_grad():
        for some in np.array_split(rows, -(-len(rows) // _ROWS_MEASURED)):
            batch = batches.held_out(some)
            loss = objective.loss(objective(batch.to(device)))
            total += loss.item() ** objective.exponent * int(batch.n_frames)
            n_frames += int(batch.n_frames)
    return float((total / n_frames) ** (1 / objective.exponent))
