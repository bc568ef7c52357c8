"""What a training run leaves behind after each epoch: one ``.npz`` of plain arrays, and its recipe in it.

No pickle: arrays are read with ``allow_pickle=False``, everything else is JSON. Random states are not
kept, because every epoch seeds its own (``loop``). Not here: the exported model (``export``).
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from streamdeep.config import describe
from streamdeep.errors import ModelError, SourceError
from streamdeep_trainer.building import network_of
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.models.networks import Network
from streamdeep_trainer.writing import writing

FORMAT = 2
"""2: the best epoch's weights and the loss scale go along. 1 is read: its last weights count as its best."""
_READ = (1, 2)
_ADAM = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A run at the end of an epoch.

    Attributes:
        recipe: everything that was asked for.
        n_epochs: epochs completed; 0 is the untrained network.
        best_epoch: the one with the lowest loss on the held-out clips; the last where there are none.
        levels: floor and ceiling in dB.
        held_out: filenames of the clips that measure the loss and are not trained on.
        weights: name to array, after the last epoch; float32 in every precision.
        best_weights: after the best epoch; empty where that is the last.
        own_weights: of what the objective adds to the network, after the last epoch; needed to go on, and no
            part of the result. Empty where there is nothing of the kind.
        optimiser: Adam's state, ``<parameter number>.<exp_avg ...>`` to array.
        loss_scale: how ``16-mixed`` scales the loss at present; empty in other precisions.
        losses: per epoch, of training and of validation (None where nothing was held out); of most objectives a
            root mean square error.
    """

    recipe: Recipe
    n_epochs: int
    levels: tuple[float, float]
    held_out: tuple[str, ...]
    weights: dict[str, NDArray[np.float32]]
    best_epoch: int = 0
    best_weights: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    own_weights: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    optimiser: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    loss_scale: dict[str, float] = field(default_factory=dict)
    losses: tuple[tuple[float, float | None], ...] = ()

    def after_epoch(
        self,
        recipe: Recipe,
        *,
        weights: dict[str, NDArray[np.float32]],
        own_weights: dict[str, NDArray[np.float32]],
        optimiser: dict[str, NDArray[np.float32]],
        loss_scale: dict[str, float],
        losses: tuple[float, float | None],
    ) -> "Checkpoint":
        """The run one epoch later; it remembers the best weights so far, whether they are wanted or not."""
        lowest = self.losses[self.best_epoch - 1][1] if self.best_epoch else None
        is_best = losses[1] is None or lowest is None or losses[1] < lowest
        return replace(
            self,
            recipe=recipe,
            n_epochs=self.n_epochs + 1,
            best_epoch=self.n_epochs + 1 if is_best else self.best_epoch,
            weights=weights,
            best_weights={} if is_best else self.best_weights or self.weights,
            own_weights=own_weights,
            optimiser=optimiser,
            loss_scale=loss_scale,
            losses=(*self.losses, losses),
        )

    @property
    def about(self) -> dict[str, Any]:
        """For people and programs; with ``patience`` also which epoch is exported."""
        best = {} if self.recipe.fit.patience is None else {"best_epoch": self.best_epoch}
        done = {"epochs": self.n_epochs, **best, "losses": self.losses}
        return done | {"levels_db": self.levels}

    def chosen(self) -> "Checkpoint":
        """The run as it stood when its result was reached: at its best epoch with ``patience``, else now."""
        if self.recipe.fit.patience is None or self.best_epoch == self.n_epochs:
            return self
        return replace(
            self,
            n_epochs=self.best_epoch,
            weights=self.best_weights,
            best_weights={},
            own_weights={},
            optimiser={},
            losses=self.losses[: self.best_epoch],
        )


def network_from(checkpoint: Checkpoint) -> Network:
    """The network with the checkpoint's weights, ready to evaluate."""
    network = network_of(checkpoint.recipe)
    network.load_state_dict(tensors_of(checkpoint.weights))
    return network.eval()


def weights_of(network: torch.nn.Module) -> dict[str, NDArray[np.float32]]:
    """Copies of all weights."""
    return {
        name: values.detach().cpu().numpy().copy() for name, values in network.state_dict().items()
    }


def tensors_of(weights: dict[str, NDArray[np.float32]]) -> dict[str, torch.Tensor]:
    """What :func:`weights_of` took, for ``load_state_dict``."""
    return {name: torch.from_numpy(values) for name, values in weights.items()}


def adam_arrays(state: dict[str, Any]) -> dict[str, NDArray[np.float32]]:
    """``Adam.state_dict()`` as plain arrays."""
    return {
        f"{number}.{key}": values[key].detach().cpu().numpy().copy()
        for number, values in state["state"].items()
        for key in _ADAM
    }


def adam_state(arrays: dict[str, NDArray[np.float32]], groups: Any) -> dict[str, Any]:
    """The inverse of :func:`adam_arrays`; the groups are the new optimiser's own."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, values in arrays.items():
        number, key = name.split(".")
        state.setdefault(int(number), {})[key] = torch.from_numpy(values)
    return {"state": state, "param_groups": groups}


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write it so that a crash leaves the old one or the new one.

    Raises:
        ConfigurationError: it cannot be written.
    """
    about = {
        "format": FORMAT,
        "recipe": checkpoint.recipe.model_dump(mode="json"),
        "n_epochs": checkpoint.n_epochs,
        "best_epoch": checkpoint.best_epoch,
        "levels": checkpoint.levels,
        "held_out": checkpoint.held_out,
        "loss_scale": checkpoint.loss_scale,
        "losses": checkpoint.losses,
    }
    arrays = {f"weight/{name}": values for name, values in checkpoint.weights.items()}
    arrays |= {f"best/{name}": values for name, values in checkpoint.best_weights.items()}
    arrays |= {f"own/{name}": values for name, values in checkpoint.own_weights.items()}
    arrays |= {f"adam/{name}": values for name, values in checkpoint.optimiser.items()}
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    draft = path.with_suffix(".part.npz")
    with writing(path):
        with draft.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        draft.replace(path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        SourceError: there is none.
        ModelError: damaged, or of another version.
    """
    if not path.is_file():
        raise SourceError(f"there is no checkpoint {path}; `streamdeep-train fit` writes one")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(arrays.pop("about").tobytes())
        if about["format"] not in _READ:
            raise ModelError(
                f"{path} is a checkpoint of format {about['format']}, not {FORMAT}; "
                "use the version that wrote it"
            )
        recipe = Recipe.model_validate(about["recipe"])
    except ValidationError as error:
        raise ModelError(
            f"{path} holds a recipe of another version: {describe(error)}; "
            "train again, or use the version that wrote it"
        ) from error
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise ModelError(f"{path} is not a checkpoint, or is damaged: {error}") from error
    return Checkpoint(
        recipe=recipe,
        n_epochs=about["n_epochs"],
        levels=(about["levels"][0], about["levels"][1]),
        held_out=tuple(about["held_out"]),
        best_epoch=about.get("best_epoch", about["n_epochs"]),
        weights=_below(arrays, "weight/"),
        best_weights=_below(arrays, "best/"),
        own_weights=_below(arrays, "own/"),
        optimiser=_below(arrays, "adam/"),
        loss_scale=about.get("loss_scale", {}),
        losses=tuple((training, validation) for training, validation in about["losses"]),
    )


def _below(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[np.float32]]:
    return {
        name.removeprefix(prefix): values
        for name, values in arrays.items()
        if name.startswith(prefix)
    }
