"""From a recipe to its network, untrained. Not here: one with the weights of a run (``checkpoint``)."""

import torch

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.config import FitRecipe, Recipe
from streamdeep_trainer.model_recipe import DictionaryModel, ExactModel, FrequencyModel, TimeModel
from streamdeep_trainer.models.audeep_exact import ExactShape
from streamdeep_trainer.models.autoencoder import Shape
from streamdeep_trainer.models.dictionary import DictionaryShape
from streamdeep_trainer.models.encoder_alone import EncoderAlone
from streamdeep_trainer.models.frequency import FrequencyAutoencoderShape
from streamdeep_trainer.models.frequency_time import FrequencyTimeShape
from streamdeep_trainer.models.networks import AnyShape, Network, build_network
from streamdeep_trainer.models.patches import PatchesShape, PatchShape
from streamdeep_trainer.models.stem import StemShape
from streamdeep_trainer.models.windows import Windows
from streamdeep_trainer.objective_recipe import ReconstructionObjective


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
        stem = None if model.stem is None else StemShape(**model.stem.model_dump())
        return Shape(n_features=frontend.n_features, **options | {"stem": stem})
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


def network_of(recipe: Recipe) -> Network:
    """A fresh network for the recipe's objective: a decoder is there only to reconstruct.

    It is made and thrown away where there is none, so that the same seed draws the same encoder for every objective.
    """
    network = build_network(shape_of(recipe))
    if isinstance(recipe.objective, ReconstructionObjective):
        return network
    return EncoderAlone(network.encoder)


def untrained_network(recipe: Recipe) -> Network:
    """The network as training begins with it; the same seed gives the same weights."""
    torch.manual_seed(recipe.fit.seed)
    return network_of(recipe)
