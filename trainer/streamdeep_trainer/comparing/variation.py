"""A recipe with some values changed, as a comparison's file asks for it; what changes nothing that is learnt is refused."""

from collections.abc import Mapping
from typing import Any

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.config import Recipe
from streamdeep_trainer.tuning.space import changes_training, with_values


def varied(recipe: Recipe | None, changes: Mapping[str, Any]) -> Recipe | None:
    """The recipe with other values.

    Args:
        recipe: as it was; None if none was given.
        changes: path to value, as in TOML.

    Raises:
        ConfigurationError: there is no recipe to change, no such path, a refused value, or a path that does not
            change what is learnt; one line.
    """
    for key in changes:
        if recipe is None:
            raise ConfigurationError(
                f"{key} is a path of a recipe, and no recipe is given; in vary, options begin with 'options.'"
            )
        if not changes_training(key):
            raise ConfigurationError(
                f"{key} does not change what is learnt; seeds, grids and folds are the comparison's own keys"
            )
    return recipe if recipe is None or not changes else with_values(recipe, changes)
