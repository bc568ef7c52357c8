"""The training loop, to be read from top to bottom.

Adam on the batch's RMSE, gradients clipped by value. Every epoch sees one random crop of each clip at a
random gain, and ends with a checkpoint; it seeds its own random numbers from the recipe's seed and its
own number, so that a run that was interrupted goes on to the very same weights. Not here: the network
(``models``), the crops (``crops``), what becomes of the result (``export``).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.checkpoint import (
    Checkpoint,
    adam_arrays,
    adam_state,
    load_checkpoint,
    network_from,
    save_checkpoint,
    untrained_network,
    weights_of,
)
from streamdeep_trainer.config import FrontendRecipe, Recipe
from streamdeep_trainer.crops import draw_crops
from streamdeep_trainer.levels import learn_levels
from streamdeep_trainer.models.networks import Network
from streamdeep_trainer.monitor import Monitor
from streamdeep_trainer.objectives import rmse
from streamdeep_trainer.progress import progress
from streamdeep_trainer.run_folder import CHECKPOINT
from streamdeep_trainer.spectrograms import Spectrograms


def fit(
    recipe: Recipe, spectrograms: Spectrograms, *, run: Path, resume: bool = False
) -> Checkpoint:
    """Train an autoencoder.

    Args:
        recipe: what to do.
        spectrograms: of all clips it may see; a part is held out to measure the loss on.
        run: folder of the run; the checkpoint in it is rewritten after each epoch, and is usable at any time.
        resume: go on from the checkpoint; front-end, segment, model and fit must be those
            it was begun with, except for the number of epochs.

    Returns:
        The last checkpoint.

    Raises:
        ConfigurationError: the checkpoint was begun with another recipe or other clips.
    """
    from lightning.fabric import Fabric  # 1 to 10 s to import, needed here alone

    torch.set_num_threads(recipe.fit.threads)
    fabric = Fabric(accelerator=recipe.fit.accelerator, devices=1)
    length_frames = recipe.segment.config(spectrograms.frontend).length_frames
    path = run / CHECKPOINT
    state = _opening(recipe, spectrograms, path, resume=resume)
    training, held_out = split(spectrograms, state.held_out)
    network = network_from(state)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.fit.learning_rate)
    if state.optimiser:
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict(adam_state(state.optimiser, groups))
    model, adam = fabric.setup(network, optimiser)
    monitor = _monitor(run, spectrograms, held_out, state) if recipe.fit.tensorboard else None

    batches = -(-len(training) // recipe.fit.batch_size)
    n_steps = batches * (recipe.fit.epochs - state.n_epochs)
    with progress(n_steps, f"fit {recipe.model.name}") as step:
        for epoch in range(state.n_epochs + 1, recipe.fit.epochs + 1):
            random = np.random.default_rng((recipe.fit.seed, epoch))
            torch.manual_seed(int(random.integers(1 << 62)))  # dropouts
            order = random.permutation(training)
            model.train()
            squares = values = 0.0
            for rows in np.array_split(order, batches):
                frames, lengths = draw_crops(
                    spectrograms,
                    rows,
                    length_frames=length_frames,
                    levels=state.levels,
                    frontend=recipe.frontend,
                    gain_db=recipe.fit.gain_db,
                    random=random,
                )
                on_device = fabric.to_device(torch.from_numpy(lengths))
                reconstruction, target = model(
                    fabric.to_device(torch.from_numpy(frames)), on_device
                )
                loss = rmse(reconstruction, target, on_device)
                adam.zero_grad()
                fabric.backward(loss)
                torch.nn.utils.clip_grad_value_(model.parameters(), recipe.fit.gradient_clip)
                adam.step()
                squares += loss.item() ** 2 * int(lengths.sum())
                values += int(lengths.sum())
                step(f"epoch {epoch}  RMSE {loss.item():.4f}")
            losses = (
                (squares / values) ** 0.5,
                validation_loss(
                    network,
                    spectrograms,
                    held_out,
                    length_frames=length_frames,
                    levels=state.levels,
                    frontend=recipe.frontend,
                ),
            )
            state = replace(
                state,
                recipe=recipe,
                n_epochs=epoch,
                weights=weights_of(network),
                optimiser=adam_arrays(optimiser.state_dict()),
                losses=(*state.losses, losses),
            )
            save_checkpoint(path, state)
            if monitor is not None:
                monitor.epoch(epoch, network, state.losses)
            if is_stale(state.losses, recipe.fit.patience):
                break
    if monitor is not None:
        monitor.close()
    return state


def is_stale(losses: Sequence[tuple[float, float | None]], patience: int | None) -> bool:
    """Whether the last ``patience`` epochs brought no lower loss on the held-out clips."""
    held_out = [validation for _, validation in losses if validation is not None]
    if patience is None or len(held_out) <= patience:
        return False
    return min(held_out[-patience:]) >= min(held_out[:-patience])


def _monitor(
    run: Path, spectrograms: Spectrograms, held_out: NDArray[np.int64], state: Checkpoint
) -> Monitor:
    rows = held_out if len(held_out) else np.arange(min(16, len(spectrograms.clips)))
    frames, lengths = draw_crops(
        spectrograms,
        rows[:64],
        length_frames=state.recipe.segment.config(spectrograms.frontend).length_frames,
        levels=state.levels,
        frontend=state.recipe.frontend,
        gain_db=0.0,
        random=None,
    )
    return Monitor(run, frames, lengths)


def _opening(recipe: Recipe, spectrograms: Spectrograms, path: Path, *, resume: bool) -> Checkpoint:
    """The checkpoint to go on from: the one that is there, or the untrained network, which is written."""
    if spectrograms.frontend != recipe.frontend.stored():
        raise ConfigurationError(
            "the spectrograms were made by another front-end than the recipe's; make them again"
        )
    if resume:
        state = load_checkpoint(path)
        if _decisive(state.recipe) != _decisive(recipe):
            raise ConfigurationError(
                f"{path} was begun with another recipe; resume with that one, or choose another --out"
            )
        return state
    names = [clip.filename for clip in spectrograms.clips]
    n_held_out = int(recipe.fit.validation_fraction * len(names))
    order = np.random.default_rng((recipe.fit.seed, 0)).permutation(len(names))
    held_out = tuple(names[row] for row in sorted(order[:n_held_out]))
    training, _ = split(spectrograms, held_out)
    decibels = spectrograms.only(training).values
    state = Checkpoint(
        recipe=recipe,
        n_epochs=0,
        levels=learn_levels(decibels, recipe.frontend),
        held_out=held_out,
        weights=weights_of(untrained_network(recipe)),
    )
    save_checkpoint(path, state)
    return state


def _decisive(recipe: Recipe) -> dict[str, Any]:
    """The parts of a recipe that decide an epoch's weights."""
    return recipe.model_dump(include={"frontend", "segment", "model", "fit"}) | {
        "fit": recipe.fit.model_dump(exclude={"epochs", "patience", "tensorboard", "threads"})
    }


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
        for some in np.array_split(rows, -(-len(rows) // 64)):
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
