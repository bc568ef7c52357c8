"""A recipe's ``[[views]]``: what each view has instead of the recipe's ``[frontend]`` and ``[model]``.

Not here: the recipe of one view alone (``config``), and what is made of all (``views``).
"""

from typing import Any, Literal

from pydantic import Field

from streamdeep.config import Channel, Strict
from streamdeep_trainer.frontend_recipe import Db
from streamdeep_trainer.model_recipe import Dictionaries


class ViewRecipe(Strict):
    """One view of several.

    Windows and hop are common to all: frame t of every view must end at the same sample.

    Attributes:
        name: of its folder in the run, and what its model's name ends in.
        channel: as in :class:`~streamdeep_trainer.frontend_recipe.FrontendRecipe`, as are all below but the last.
        scale: Mel bank.
        bands: how many.
        clip_below_db: ``none`` takes the front-end's threshold away.
        clip_above_db: likewise.
        floor_db: of a ``fixed`` level.
        ceiling_db: likewise.
        dictionaries: as in :class:`~streamdeep_trainer.model_recipe.DictionaryModel`, for patches that suit its bands.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=32)
    channel: Channel | None = None
    scale: Literal["htk", "slaney"] | None = None
    bands: int | None = None
    clip_below_db: float | Literal["none"] | None = None
    clip_above_db: float | Literal["none"] | None = None
    floor_db: Db | Literal["auto"] | None = None
    ceiling_db: Db | Literal["auto"] | None = None
    dictionaries: Dictionaries | None = None

    @property
    def frontend_changes(self) -> dict[str, Any]:
        """What differs, as fields of a :class:`~streamdeep_trainer.frontend_recipe.FrontendRecipe`."""
        given = self.model_dump(exclude={"name", "dictionaries"}, exclude_none=True)
        return {key: None if value == "none" else value for key, value in given.items()}

    @property
    def model_changes(self) -> dict[str, Any]:
        """What differs, as fields of a :class:`~streamdeep_trainer.model_recipe.DictionaryModel`."""
        return self.model_dump(include={"dictionaries"}, exclude_none=True)
