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
from streamdeep.errors import ConfigurationError, ModelError, SourceError
from streamdeep_trainer.config import FitRecipe, Recipe
from streamdeep_trainer.model_recipe import DictionaryModel, ExactModel, FrequencyModel, TimeModel
from streamdeep_trainer.models.audeep_exact import ExactShape
from streamdeep_trainer.models.autoencoder import Shape
from streamdeep_trainer.models.dictionary import DictionaryShape
from streamdeep_trainer.models.frequency import FrequencyAutoencoderShape
from streamdeep_trainer.models.frequency_time import FrequencyTimeShape
from streamdeep_trainer.models.networks import AnyShape, Network, build_network
from streamdeep_trainer.models.patches import PatchesShape, PatchShape
from streamdeep_trainer.models.windows import Windows
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
        optimiser: Adam's state, ``<parameter number>.<exp_avg ...>`` to array.
        loss_scale: how ``16-mixed`` scales the loss at present; empty in other precisions.
        losses: per epoch, training and validation RMSE (None where nothing was held out).
    """

    recipe: Recipe
    n_epochs: int
    levels: tuple[float, float]
    held_out: tuple[str, ...]
    weights: dict[str, NDArray[np.float32]]
    best_epoch: int = 0
    best_weights: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    optimiser: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    loss_scale: dict[str, float] = field(default_factory=dict)
    losses: tuple[tuple[float, float | None], ...] = ()

    def after_epoch(
        self,
        recipe: Recipe,
        *,
        weights: dict[str, NDArray[np.float32]],
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
            optimiser={},
            losses=self.losses[: self.best_epoch],
        )


def shape_of(recipe: Recipe) -> AnyShape:
    """The network that a recipe asks for.

    Raises:
        ConfigurationError: its options contradict each other; one line.
    """
    try:
        shape = _shape_of(recipe)
        with torch.device("meta"):  # parts refuse what does not fit them; this allocates nothing
            build_network(shape)
    except ValueError as error:
        raise ConfigurationError(f"[model] {error}") from error
    return shape


def _shape_of(recipe: Recipe) -> AnyShape:
    model, fit = recipe.model, recipe.fit
    frontend = recipe.frontend.stored()
    if isinstance(model, DictionaryModel):
        _refuse_devices(fit)
        each = [PatchShape(frontend.n_features, **one.model_dump()) for one in model.dictionaries]
        patches = PatchesShape(tuple(each), model.rectify)
        return DictionaryShape(
            patches, roughness=model.roughness, rooted=model.rooted, scaled=model.scaled
        )
    options = model.model_dump(exclude={"name", "kind"}) | {"dropout": fit.dropout}
    if isinstance(model, ExactModel):
        if fit.frame_dropout:
            raise ValueError("audeep-exact has no frame_dropout; set it to 0")
        return ExactShape(n_features=frontend.n_features, **options)
    options["frame_dropout"] = fit.frame_dropout
    if isinstance(model, TimeModel):
        return Shape(n_features=frontend.n_features, **options)
    windows = Windows(
        tuple(view.width for view in frontend.views),
        width=options.pop("window_bands"),
        overlap=options.pop("window_overlap"),
        remainder=options.pop("window_remainder"),
    )
    if isinstance(model, FrequencyModel):
        return FrequencyAutoencoderShape(windows=windows, **options)
    return FrequencyTimeShape(windows=windows, **options)


def _refuse_devices(fit: FitRecipe) -> None:
    """A dictionary is learnt in float32, in this process."""
    for key in ("accelerator", "devices", "precision", "tensorboard"):
        usual, asked = FitRecipe.model_fields[key].default, getattr(fit, key)
        if asked not in (usual, "auto"):
            raise ValueError(f"a dictionary is learnt on the CPU, without {key} = {asked} of [fit]")


def untrained_network(recipe: Recipe) -> Network:
    """The network as training begins with it; the same seed gives the same weights."""
    torch.manual_seed(recipe.fit.seed)
    return build_network(shape_of(recipe))


def network_from(checkpoint: Checkpoint) -> Network:
    """The network with the checkpoint's weights, ready to evaluate."""
    network = build_network(shape_of(checkpoint.recipe))
    network.load_state_dict(
        {name: torch.from_numpy(values) for name, values in checkpoint.weights.items()}
    )
    return network.eval()


def weights_of(network: torch.nn.Module) -> dict[str, NDArray[np.float32]]:
    """Copies of all weights."""
    return {
        name: values.detach().cpu().numpy().copy() for name, values in network.state_dict().items()
    }


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
