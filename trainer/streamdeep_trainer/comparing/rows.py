"""From a comparison's file to the rows of its table: every variant of every system, under every protocol.

Not here: seeds, and what decides a cell's result (``cells``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from streamdeep.config import load_toml
from streamdeep.errors import ConfigurationError
from streamdeep_trainer.comparing.kinds import System, kind_of
from streamdeep_trainer.comparing.spec import Protocol, Spec, SystemSpec, recipe_path
from streamdeep_trainer.comparing.spectra import Spectra
from streamdeep_trainer.comparing.system import DecidingSystem
from streamdeep_trainer.comparing.variation import varied
from streamdeep_trainer.config import Recipe

OPTIONS = "options."
MOST_ROWS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One variant of one system under one protocol.

    Attributes:
        name: the system's, and the values that tell it from the other variants.
        kind: of system.
        protocol: what it may hear without labels.
        recipe: whole; None if the kind takes none.
        options: of the kind.
        choosable: takes part in the choice by inner folds.
        system: ready to work.
    """

    name: str
    kind: str
    protocol: Protocol
    recipe: Recipe | None
    options: Mapping[str, Any]
    choosable: bool
    system: System

    @property
    def decides(self) -> bool:
        """Whether it needs no classifier."""
        return isinstance(self.system, DecidingSystem)


def rows_of(spec: Spec, path: Path, spectra: Spectra) -> list[Row]:
    """All rows, in the file's order; of a system, protocol after protocol.

    Args:
        spec: the comparison.
        path: its file, for messages and for the recipes beside it.
        spectra: that systems share.

    Raises:
        ConfigurationError: an unknown kind or path, a missing recipe, a value that is refused, or two rows of
            one name; one line.
    """
    found: list[Row] = []
    for number, wanted in enumerate(spec.system, start=1):
        try:
            for one in _variants(wanted, path, spectra):
                name, recipe, options, system = one
                protocols = wanted.protocols or spec.protocols
                if isinstance(system, DecidingSystem):
                    # who learns with labels hears the training folds alone: there is one protocol
                    protocols = ("inductive",)
                found += [
                    Row(name, wanted.kind, protocol, recipe, options, wanted.choosable, system)
                    for protocol in protocols
                ]
        except ConfigurationError as error:
            if str(path) in str(error):
                raise
            raise ConfigurationError(f"{path}: system {number}: {error}") from error
        if len(found) > MOST_ROWS:
            raise ConfigurationError(f"{path} asks for more than {MOST_ROWS} rows; vary less")
    seen: set[tuple[str, str]] = set()
    for row in found:
        if (row.name, row.protocol) in seen:
            raise ConfigurationError(
                f"{path}: two systems are called {row.name!r}; give each its own name"
            )
        seen.add((row.name, row.protocol))
    return found


def _variants(
    wanted: SystemSpec, path: Path, spectra: Spectra
) -> Iterator[tuple[str, Recipe | None, dict[str, Any], System]]:
    kind = kind_of(wanted.kind)
    place = recipe_path(path, wanted)
    recipe = None if place is None else load_toml(place, Recipe)
    called = wanted.name or _default_name(wanted, recipe)
    for values in product(*wanted.vary.values()):
        changes = dict(zip(wanted.vary, values, strict=True))
        of_recipe = {key: value for key, value in changes.items() if not key.startswith(OPTIONS)}
        options = wanted.options | {
            key.removeprefix(OPTIONS): value
            for key, value in changes.items()
            if key.startswith(OPTIONS)
        }
        told = ", ".join(
            f"{key.rpartition('.')[2]} {_told(value, wanted.vary[key])}"
            for key, value in changes.items()
            if len(wanted.vary[key]) > 1
        )
        name = f"{called}, {told}" if told else called
        changed = varied(recipe, of_recipe)
        yield name, changed, options, kind.system(name, changed, options, spectra)


def _default_name(wanted: SystemSpec, recipe: Recipe | None) -> str:
    return recipe.model.name if recipe is not None and wanted.kind == "encoder" else wanted.kind


def _told(value: Any, among: Sequence[Any]) -> str:
    """Tables that have names by these, if that tells them apart; else all that is in them."""
    names = [_names(other) for other in among]
    return _names(value) if len(set(names)) == len(among) and "" not in names else _shown(value)


def _names(value: Any) -> str:
    tables = value if isinstance(value, (list, tuple)) else ()
    return "+".join(str(one.get("name", "")) for one in tables if isinstance(one, Mapping))


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "x".join(map(_shown, value))
    if isinstance(value, Mapping):
        return "/".join(map(_shown, value.values()))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
