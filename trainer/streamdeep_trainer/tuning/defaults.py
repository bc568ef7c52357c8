"""What varies if nobody says: a space for the recipe's kind of model, around the recipe's own sizes."""

from typing import Any

from streamdeep_trainer.config import Recipe
from streamdeep_trainer.model_recipe import (
    DictionaryModel,
    ExactModel,
    FrequencyModel,
    FrequencyTimeModel,
    TimeModel,
)
from streamdeep_trainer.tuning.space import Choices, Measure, Range, Space

_MOST_UNITS = 4096
_MOST_LAYERS = 8
_MOST_ATOMS = 8192


def default_space(recipe: Recipe, measure: Measure) -> Space:
    """Rates and dropouts in absolute numbers; sizes half, as, and twice the recipe's, so that its cost is kept.

    For ``rmse`` there is no ``frame_dropout``: a decoder that sees the frame before reconstructs best by copying it.
    """
    model = recipe.model
    if isinstance(model, DictionaryModel):
        return _of_dictionaries(model, measure)
    space: dict[str, Range | Choices] = {
        "fit.learning_rate": Range(low=1e-4, high=1e-2, log=True),
        "fit.dropout": Range(low=0.0, high=0.5),
        "fit.gain_db": Range(low=0.0, high=20.0),
        "fit.batch_size": _around(recipe.fit.batch_size, 1 << 16),
    }
    if measure == "accuracy" and not isinstance(model, ExactModel):
        space["fit.frame_dropout"] = Range(low=0.0, high=0.9)
    if isinstance(model, ExactModel):
        return space | {
            "model.layers": Range(low=1, high=3),
            "model.units": _around(model.units, _MOST_UNITS),
        }
    space["model.units"] = _stacks(model.units)
    if isinstance(model, TimeModel):
        space["model.readout"] = Choices(choices=("pooled", "final"))
        space["model.encoder_noise"] = Range(low=0.0, high=0.5)
    if isinstance(model, FrequencyModel):
        space["model.code"] = _around(model.code, 65536)
    if isinstance(model, FrequencyTimeModel):
        space["model.frequency_units"] = _stacks(model.frequency_units)
        space["model.readout"] = Choices(choices=("pooled", "final"))
    return space


def _of_dictionaries(model: DictionaryModel, measure: Measure) -> Space:
    """Half, as and twice as many atoms; what is made of their responses cannot be told by the loss."""
    tables = [one.model_dump(exclude_none=True) for one in model.dictionaries]
    sizes = [
        [
            table | {"atoms": min(_MOST_ATOMS, max(1, table["atoms"] * halves // 2))}
            for table in tables
        ]
        for halves in (1, 2, 4)
    ]
    space: dict[str, Range | Choices] = {
        "fit.gain_db": Range(low=0.0, high=20.0),
        "model.dictionaries": Choices(choices=tuple(sizes)),
    }
    if measure == "accuracy":
        space["model.rectify"] = Choices(choices=("none", "positive", "both"))
        space["model.roughness"] = Choices(choices=(True, False))
        space["model.rooted"] = Choices(choices=(True, False))
    return space


def _around(size: int, most: int) -> Choices:
    return Choices(choices=tuple(sorted({max(1, size // 2), size, min(most, 2 * size)})))


def _stacks(units: tuple[int, ...]) -> Choices:
    """Half, as and twice as wide; a layer fewer and a layer more."""
    stacks: list[list[Any]] = [
        [max(1, size // 2) for size in units],
        list(units),
        [min(_MOST_UNITS, 2 * size) for size in units],
        list(units[:-1]) or list(units),
        list((*units, units[-1])[:_MOST_LAYERS]),
    ]
    return Choices(
        choices=tuple(stack for n, stack in enumerate(stacks) if stack not in stacks[:n])
    )
