"""What a comparison is asked to do, as one TOML file: systems and their variants, seeds, protocols, classifiers.

Frozen records; unknown keys are errors. Not here: where data and results lie, which are the command line's;
what the variants become (``rows``).
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from streamdeep.config import Strict, load_toml
from streamdeep.errors import ConfigurationError
from streamdeep_trainer.config import ClassifierName

Protocol = Literal["transductive", "inductive"]
"""What a system may hear without labels: all clips, or only those of the training folds."""

MOST_VALUES = 64


class SystemSpec(Strict):
    """A system and its variants.

    Attributes:
        kind: which one, see ``kinds``.
        name: what tables call it; by default what the kind does.
        recipe: a recipe's file, relative to the comparison's; for kinds that take one.
        options: for kinds that have some.
        vary: path to values, as ``"model.readout" = ["final", "pooled"]``; every combination is a row. Paths are
            the recipe's, or begin with ``options.``. A single value is a change and no variant.
        choosable: takes part in the choice by inner folds. For a system that decides by itself that means more
            trainings: for five folds 15 in the place of 5.
        protocols: instead of the comparison's; a system that decides by itself has ``inductive`` alone.
    """

    kind: str = "encoder"
    name: str | None = Field(default=None, min_length=1, max_length=64)
    recipe: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    vary: dict[str, Annotated[tuple[Any, ...], Field(min_length=1, max_length=MOST_VALUES)]] = (
        Field(default_factory=dict)
    )
    choosable: bool = True
    protocols: tuple[Protocol, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _writable(self) -> Self:
        try:
            json.dumps([self.options, self.vary])
        except TypeError as error:
            raise ValueError("dates and times are no values") from error
        return self


class Spec(Strict):
    """One comparison.

    Attributes:
        description: one line for people.
        seeds: each is a repeat of everything that is drawn: weights, crops, classifiers, made folds.
        protocols: what may be heard.
        classifiers: each judges every system that does not decide by itself.
        c_grid: regularisations of the linear classifiers to choose from, by inner folds.
        n_folds: how many to make where the data has none.
        system: what is compared.
    """

    description: str = ""
    seeds: tuple[Annotated[int, Field(ge=0, lt=1 << 32)], ...] = Field(
        default=(0, 1, 2), min_length=1, max_length=100
    )
    protocols: tuple[Protocol, ...] = Field(default=("transductive",), min_length=1)
    classifiers: tuple[ClassifierName, ...] = Field(default=("linear-svm",), min_length=1)
    c_grid: tuple[Annotated[float, Field(gt=0.0)], ...] = Field(
        default=(1e-4, 1e-3, 1e-2, 1e-1), min_length=1
    )
    n_folds: int = Field(default=5, ge=3)
    system: tuple[SystemSpec, ...] = Field(default=(), max_length=1000)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for key in ("seeds", "protocols", "classifiers", "c_grid"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                raise ValueError(f"{key} names one twice")
        if not self.system:
            raise ValueError("there is nothing to compare; write [[system]] and its recipe")
        return self


def load_spec(path: Path) -> Spec:
    """Read it.

    Raises:
        ConfigurationError: unreadable, not TOML, an unknown key or a wrong value; one line.
    """
    return load_toml(path, Spec)


def recipe_path(spec_path: Path, system: SystemSpec) -> Path | None:
    """Where a system's recipe lies.

    Raises:
        ConfigurationError: nowhere.
    """
    if system.recipe is None:
        return None
    path = spec_path.parent / system.recipe
    if not path.is_file():
        raise ConfigurationError(
            f"{spec_path}: there is no recipe {path}; recipes are looked for beside the comparison's file"
        )
    return path
