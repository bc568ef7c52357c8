"""Files of spectrograms to what a training run takes: one clip per row, levels as they are.

Not here: the loop (``fit``), and the crops it takes of rows longer than a segment (``crops``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamdeep.config import FixedLevel, Level, SegmentLevel
from streamdeep.errors import ConfigurationError
from streamdeep_trainer.config import FrontendRecipe, Recipe
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.inputs.rows import Rows, differences, read_rows
from streamdeep_trainer.levels import UNKNOWN_DB
from streamdeep_trainer.spectrograms import Spectrograms


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """What files of spectrograms give.

    Attributes:
        spectrograms: all rows, file by file; padding is left out.
        remarks: what a user should know, a line each.
    """

    spectrograms: Spectrograms
    remarks: tuple[str, ...]


def training_rows(paths: Sequence[Path], recipe: Recipe) -> TrainingRows:
    """Rows to train on.

    Args:
        paths: one file or more, of the recipe's front-end.
        recipe: of the run.

    Raises:
        SourceError: a file cannot be read.
        ConfigurationError: a file is of another front-end than the recipe's or another file's, does not say
            what must be known, or the recipe wants what prepared rows cannot give: gains, several views.
    """
    if recipe.fit.gain_db:
        raise ConfigurationError(
            f"levels of prepared spectrograms are final and no gain can change them; set gain_db = 0 in [fit], "
            f"which is {recipe.fit.gain_db:g}"
        )
    if recipe.augment.changes_levels:
        raise ConfigurationError(
            "levels of prepared spectrograms are final; of [augment] they allow crop, roll and masks alone"
        )
    if recipe.views:
        raise ConfigurationError(
            "a recipe of several views needs sound, by --data; or one run per view, and `fuse-models`"
        )
    files = [read_rows(path) for path in paths]
    frontend = recipe.frontend.stored()
    for rows in files:
        if rows.width != frontend.n_features:
            raise ConfigurationError(
                f"{rows.path} has {rows.width} bands and the recipe's front-end {frontend.n_features}"
            )
    applied = _common_level(files, recipe.frontend)
    length_frames = recipe.segment.config(frontend).length_frames
    wanted = recipe.frontend.config(*UNKNOWN_DB)
    tables = [rows.table for rows in files]
    return TrainingRows(
        Spectrograms(
            clips=tuple(
                Clip(Path(name), name, label)
                for table in tables
                for name, label in zip(table.filenames, table.labels, strict=True)
            ),
            lengths=np.concatenate([table.real_lengths for table in tables]),
            values=np.concatenate([row for rows in files for row in rows.segments]),
            energies=None,
            frontend=frontend,
            applied=applied,
        ),
        tuple(
            line for rows in files for line in rows.remarks(wanted, length_frames, whose="recipe's")
        ),
    )


def _common_level(files: Sequence[Rows], recipe: FrontendRecipe) -> Level:
    """The level treatment of all files, once they are known to be of one front-end, which is the recipe's."""
    saying = [rows for rows in files if rows.frontend is not None]
    if not saying:
        return _stated_level(recipe, files[0].path)
    first = saying[0]
    assert first.frontend is not None
    applied = first.frontend.views[0].level
    levels = (applied.floor_db, applied.ceiling_db) if applied.kind == "fixed" else UNKNOWN_DB
    found = differences(first.frontend, recipe.config(*levels))
    if applied.kind == recipe.level == "fixed":
        given = {"floor_db": recipe.floor_db, "ceiling_db": recipe.ceiling_db}
        found += [
            f"{name} {getattr(applied, name):g} and not {value:g}"
            for name, value in given.items()
            if value not in ("auto", getattr(applied, name)) and value != "auto"
        ]
    if found:
        raise ConfigurationError(
            f"{first.path} is of another front-end than the recipe's: {', '.join(found)}"
        )
    for rows in saying[1:]:
        assert rows.frontend is not None
        found = differences(rows.frontend, first.frontend)
        if found:
            raise ConfigurationError(
                f"{rows.path} is of another front-end than {first.path}: {', '.join(found)}"
            )
    return applied


def _stated_level(recipe: FrontendRecipe, path: Path) -> Level:
    """The level treatment of a file that does not say its own: the recipe's."""
    if recipe.level == "segment":
        return SegmentLevel(clip_below_db=recipe.clip_below_db, clip_above_db=recipe.clip_above_db)
    if recipe.floor_db == "auto" or recipe.ceiling_db == "auto":
        raise ConfigurationError(
            f'{path} does not say its levels; set level = "segment", which auDeep\'s files have, or floor_db '
            "and ceiling_db in [frontend]"
        )
    return FixedLevel(floor_db=recipe.floor_db, ceiling_db=recipe.ceiling_db)
