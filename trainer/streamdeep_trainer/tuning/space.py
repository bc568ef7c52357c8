"""What may vary: paths of the recipe, each with a range or with choices. Pure: no sampling, no training.

A path is written as in TOML, ``fit.learning_rate``; a whole table, such as ``model``, may be one choice. Not
here: which values are tried (``study``), and what a kind of model begins with (``defaults``).
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from streamdeep.config import Strict, describe
from streamdeep.errors import ConfigurationError
from streamdeep_trainer.config import Recipe

Measure = Literal["accuracy", "rmse"]
Number = (
    Annotated[int, Field(strict=True)] | Annotated[float, Field(strict=True, allow_inf_nan=False)]
)

_NOT_TRAINED = (
    "evaluate",
    "head",
    "description",
    "data",
    "licence",
    "model.name",
    "fit.seed",
)
_YARDSTICK = (
    *("frontend", "segment", "fit.validation_fraction", "fit.precision"),
    *("model.kind", "model.feed", "model.own_probability", "model.frequency_own_probability"),
    *("model.mask_silence", "model.bidirectional_decoder"),
    "model.patches",
    "objective",
    *("model.window_bands", "model.window_overlap", "model.window_remainder"),
)
_FRAMING = ("frontend", "segment")
_INSIDE = (
    0.381966  # of a range: an odd place, so that whole ends do not hide that fractions are refused
)


class Range(Strict):
    """Numbers between two ends, both included; whole ones if both ends are written as whole numbers.

    Attributes:
        low: the smallest.
        high: the largest.
        log: draw the logarithm evenly.
        step: only these steps from ``low``; 1 for whole numbers.
    """

    low: Number
    high: Number
    log: bool = False
    step: Number | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low {self.low} must lie below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError("a logarithmic range begins above 0")
        if self.step is None:
            return self
        if self.log:
            raise ValueError("a logarithmic range has no step")
        if self.step <= 0 or (self.whole and not isinstance(self.step, int)):
            raise ValueError("step is above 0, and whole where the ends are")
        if (Decimal(str(self.high)) - Decimal(str(self.low))) % Decimal(str(self.step)):
            raise ValueError(f"high {self.high} is no whole number of steps above low {self.low}")
        return self

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def examples(self) -> tuple[Any, ...]:
        """The ends and a number between them, to try on a recipe."""
        if self.whole or self.step is not None:
            return self.low, self.high
        return self.low, self.low + _INSIDE * (self.high - self.low), self.high


class Choices(Strict):
    """One of some values.

    Attributes:
        choices: anything that TOML can say, lists and tables included.
    """

    choices: tuple[Any, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        try:
            texts = [json.dumps(value) for value in self.choices]
        except (TypeError, ValueError) as error:
            raise ValueError("dates and times are no choices") from error
        if len(set(texts)) < len(texts):
            raise ValueError("the same choice stands there twice")
        return self

    @property
    def examples(self) -> tuple[Any, ...]:
        """All of them."""
        return self.choices


Dimension = Range | Choices
Space = Mapping[str, Dimension]
"""Path to what it may be, in the order in which they are drawn."""


def load_space(path: Path) -> Space:
    """Read a space.

    Raises:
        ConfigurationError: unreadable, not TOML, or an entry is neither a range nor choices; one line.
    """
    try:
        table = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
    try:
        space = parse_space(table)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    return space


def parse_space(table: Mapping[str, Any]) -> Space:
    """A space from nested tables; ``"a.b" = ...`` and ``[a]`` with ``b = ...`` are the same.

    Raises:
        ConfigurationError: nothing varies, or an entry is neither a range nor choices; one line.
    """
    found: dict[str, Dimension] = {}
    for name, entry in _leaves("", table):
        if name in found:
            raise ConfigurationError(f"{name} stands there twice")
        kind: type[Dimension] = Choices if "choices" in entry else Range
        try:
            found[name] = kind.model_validate(entry)
        except ValidationError as error:
            raise ConfigurationError(f"{name}: {describe(error)}") from error
    if not found:
        raise ConfigurationError(
            "nothing varies; write for instance fit.dropout = { low = 0.0, high = 0.5 }"
        )
    return found


def _leaves(prefix: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, value in table.items():
        name = f"{prefix}{key}"
        if not isinstance(value, Mapping):
            raise ConfigurationError(
                f"{name} is neither {{ low = ..., high = ... }} nor {{ choices = [...] }}"
            )
        if {"low", "high", "choices"} & value.keys():
            yield name, value
        else:
            yield from _leaves(f"{name}.", value)


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with some values changed.

    Args:
        recipe: as it was.
        values: path to value, as in TOML.

    Raises:
        ConfigurationError: no such path, or the recipe refuses the values; one line.
    """
    try:
        return _changed(recipe, values)
    except ValidationError as error:
        raise ConfigurationError(describe(error)) from error


def check_space(recipe: Recipe, space: Space, measure: Measure) -> None:
    """So that a mistake is known before the work: each end and choice is tried on the recipe, one by one.

    Raises:
        ConfigurationError: an unknown path, a value that the recipe refuses, or a path whose values cannot be
            compared by this measure; one line.
    """
    if measure == "rmse" and recipe.objective.kind != "reconstruction":
        raise ConfigurationError(
            f"the loss of {recipe.objective.kind} says little of embeddings; use --measure accuracy"
        )
    n_framing = sum(_touches(path, _FRAMING) for path in space)
    for path, dimension in space.items():
        if _touches(path, ("views",)):
            raise ConfigurationError(
                "views cannot be tuned together; tune a recipe that has one of them as its own"
            )
        if not changes_training(path):
            raise ConfigurationError(
                f"{path} does not change what is learnt; leave it out of the space"
            )
        if measure == "rmse" and (path == "model" or _touches(path, _YARDSTICK)):
            raise ConfigurationError(
                f"RMSE of different {path} cannot be compared; leave it out of the space, or use --measure accuracy"
            )
        for value in dimension.examples:
            try:
                _changed(recipe, {path: value})
            except ValidationError as error:
                # times that contradict each other may be mended by another path of the space
                between = all(not item["loc"] for item in error.errors())
                if not between or n_framing < 2:
                    raise ConfigurationError(
                        f"{path} = {json.dumps(value)}: {describe(error)}"
                    ) from error


def changes_training(path: str) -> bool:
    """Whether a path of a recipe decides what is learnt from given clips and a given seed."""
    return not _touches(path, _NOT_TRAINED)


def _touches(path: str, places: tuple[str, ...]) -> bool:
    """Whether a path is one of these places, or below one."""
    return any(path == place or path.startswith(f"{place}.") for place in places)


def _changed(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    content = recipe.model_dump(mode="json")
    for path, value in values.items():
        *tables, key = path.split(".")
        table: Any = content
        for name in tables:
            table = table.get(name) if isinstance(table, dict) else None
        if not isinstance(table, dict) or key not in table:
            raise ConfigurationError(f"the recipe has no {path}")
        table[key] = value
    # strict, and through JSON, where a list is a tuple: "64" is no number and 1.0 no count
    return Recipe.model_validate_json(json.dumps(content), strict=True)
