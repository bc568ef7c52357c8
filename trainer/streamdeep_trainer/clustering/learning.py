"""A run of k-means: every dictionary is whitened and begun once, and each pass over its patches is an epoch.

What the best atom leaves of a whitened patch of length 1 is the loss, in the root of the mean square over
patches: it falls from pass to pass, on the patches that are learnt from. As with gradients, a run that was
interrupted goes on to the very same weights. Not here: where a run begins (``fit``), the mathematics (``kmeans``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from streamdeep.errors import SourceError
from streamdeep_trainer.checkpoint import (
    load_checkpoint,
    network_from,
    save_checkpoint,
    weights_of,
)
from streamdeep_trainer.clustering.kmeans import (
    first_atoms,
    improved,
    mean_square_left,
    whitening_of,
)
from streamdeep_trainer.clustering.patches import PatchSource
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.loop import is_stale, split
from streamdeep_trainer.model_recipe import DictionaryModel
from streamdeep_trainer.models.dictionary import Dictionary
from streamdeep_trainer.models.patches import PatchDictionary
from streamdeep_trainer.progress import progress
from streamdeep_trainer.run_folder import CHECKPOINT
from streamdeep_trainer.spectrograms import Spectrograms

_BEGINNING = 0
"""The number of the epoch that draws the first atoms."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """Directions of whitened patches ``(patches, components)``, of one dictionary.

    Attributes:
        training: to learn from.
        held_out: to measure on; None where no clips are held out, or all of them are silent.
    """

    training: Tensor
    held_out: Tensor | None


def learn(recipe: Recipe, spectrograms: Spectrograms, run: Path) -> None:
    """Go on from the run's checkpoint, and rewrite it after each pass.

    Args:
        recipe: of a dictionary.
        spectrograms: of all clips; labels are not looked at.
        run: folder of the run.
    """
    torch.set_num_threads(recipe.fit.threads)
    state = load_checkpoint(run / CHECKPOINT)
    network = network_from(state)
    assert isinstance(network, Dictionary)
    source = PatchSource(spectrograms, recipe, state.levels)
    rows = split(spectrograms, state.held_out)
    dictionaries = network.patches.each
    begin, n_epochs = state.n_epochs == 0, recipe.fit.epochs - state.n_epochs
    with progress(len(dictionaries) * (n_epochs + 1), f"fit {recipe.model.name}") as step:
        samples = []
        for number, dictionary in enumerate(dictionaries):
            random = np.random.default_rng((recipe.fit.seed, _BEGINNING, number))
            samples.append(_sample(dictionary, source, rows, random if begin else None))
            step(f"patches of dictionary {number + 1}")
        for epoch in range(state.n_epochs + 1, recipe.fit.epochs + 1):
            if is_stale(state.losses, recipe.fit.patience):
                break
            squares = []
            for number, (dictionary, sample) in enumerate(zip(dictionaries, samples, strict=True)):
                random = np.random.default_rng((recipe.fit.seed, epoch, number))
                atoms, square = improved(dictionary.atoms, sample.training, random)
                dictionary.atoms.copy_(atoms)
                squares.append(square)
                step(f"epoch {epoch}  RMSE {square**0.5:.4f}")
            state = state.after_epoch(
                recipe,
                weights=weights_of(network),
                own_weights={},
                optimiser={},
                loss_scale={},
                losses=(_root(squares), _held_out_loss(dictionaries, samples)),
            )
            save_checkpoint(run / CHECKPOINT, state)


def _sample(
    dictionary: PatchDictionary,
    source: PatchSource,
    rows: tuple[NDArray[np.int64], NDArray[np.int64]],
    begin: np.random.Generator | None,
) -> _Sample:
    """Draw a dictionary's patches; with ``begin``, whiten them and draw its first atoms first."""
    model, fit = source.recipe.model, source.recipe.fit
    assert isinstance(model, DictionaryModel)
    draw, shape = partial(source.draw, shape=dictionary.shape), dictionary.shape
    drawn = partial(draw, rows[0], model.patches, gain_db=fit.gain_db)
    if begin is not None:
        refuse_silence(sum(map(len, drawn())), model.patches, shape.atoms)
        mean, whitening = whitening_of(drawn(), shape.components)
        dictionary.mean.copy_(mean)
        dictionary.whitening.copy_(whitening)

    def directions(some: Tensor) -> Tensor:
        return normalize(dictionary.whitened(some), dim=1)

    training = torch.cat([directions(some) for some in drawn()])
    if begin is not None:
        dictionary.atoms.copy_(first_atoms(training, shape.atoms, begin))
    held_out = None
    if len(rows[1]):
        n_patches = max(1, round(model.patches * len(rows[1]) / (len(rows[0]) + len(rows[1]))))
        held_out = torch.cat([directions(some) for some in draw(rows[1], n_patches, gain_db=0.0)])
    return _Sample(training, held_out if held_out is not None and len(held_out) else None)


def refuse_silence(n_loud: int, n_patches: int, n_atoms: int) -> None:
    """So that there is a patch for every atom.

    Raises:
        SourceError: there is not.
    """
    if n_loud < n_atoms:
        raise SourceError(
            f"{n_loud} of {n_patches} patches are not silent, too few for {n_atoms} atoms; "
            "learn from louder sound, or ask for more patches or fewer atoms"
        )


def _held_out_loss(
    dictionaries: Sequence[PatchDictionary], samples: Sequence[_Sample]
) -> float | None:
    squares = [
        mean_square_left(dictionary.atoms, sample.held_out)
        for dictionary, sample in zip(dictionaries, samples, strict=True)
        if sample.held_out is not None
    ]
    return _root(squares) if squares else None


def _root(squares: Sequence[float]) -> float:
    """Of the mean over dictionaries."""
    return float(np.sqrt(np.mean(squares)))
