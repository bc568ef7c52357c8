"""The rows of a file of spectrograms, and what computed them, as far as the file says.

auDeep's files do not say it. Not here: which front-end is wanted (``training``, ``embedding``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from streamdeep.config import FrontendConfig, Level, describe
from streamdeep.errors import ConfigurationError
from streamdeep_trainer.preprocess.options import PreprocessOptions
from streamdeep_trainer.tables.storage import read_table
from streamdeep_trainer.tables.table import SAME_AXES, Table

AXES = ("time", "band")
_LARGEST = 1.0 + 1e-6  # of a value; what rounding to float32 may add is no mistake
_IGNORED = ("fusion", "views.0.level.scope")
"""What is not compared: sums of samples and of spectra differ in the last bits alone, and a scope is a remark."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A file of spectrograms.

    Attributes:
        path: where it lies.
        table: filenames, chunks, labels, folds, and features ``(rows, frames, bands)`` float32 in [-1, 1].
        frontend: what computed them; None if the file does not say.
        options: what was asked for; None likewise.
    """

    path: Path
    table: Table
    frontend: FrontendConfig | None
    options: PreprocessOptions | None

    @property
    def width(self) -> int:
        """Bands."""
        return int(self.table.features.shape[2])

    @property
    def longest_frames(self) -> int:
        """Real frames of the longest row."""
        return int(self.table.real_lengths.max())

    @property
    def segments(self) -> list[NDArray[np.float32]]:
        """Each row's real frames, ``(frames, bands)``; padding is left out."""
        pairs = zip(self.table.features, self.table.real_lengths, strict=True)
        return [row[:length] for row, length in pairs]

    def remarks(self, wanted: FrontendConfig, length_frames: int, *, whose: str) -> list[str]:
        """What a user should know before taking these rows for what a live model sees, a line each.

        Args:
            wanted: front-end of recipe or model, which a file is believed to have that does not say its own.
            length_frames: of a segment of the model.
            whose: front-end it is, in words.
        """
        said = []
        if self.frontend is None:
            said.append(
                f"{self.path} does not say what computed it; it is believed to be the {whose} front-end"
            )
        unlike = self._unlike_live((self.frontend or wanted).views[0].level, length_frames)
        if unlike:
            said.append(
                f"{self.path} has {' and '.join(unlike)}; no live model repeats that, so that embeddings of "
                "such sound differ from those of the rows"
            )
        if self.longest_frames < length_frames:
            said.append(
                f"{self.path} has rows of {self.longest_frames} frames at most and a segment has {length_frames}; "
                "live segments are longer than these rows"
            )
        return said

    def _unlike_live(self, level: Level, length_frames: int) -> list[str]:
        found = []
        chunked = self.options is not None and self.options.chunk_length_s is not None
        if level.kind == "segment" and level.scope == "file" and chunked:
            found.append("levels relative to the whole file's maximum (--scope segment has not)")
        if level.kind == "segment" and self.longest_frames > length_frames:
            found.append(f"rows that are levelled whole and longer than {length_frames} frames")
        if self.options is not None and self.options.fixed_length_s is not None:
            centred = ", centred," if self.options.centred else ""
            found.append(f"files cut or padded{centred} to {self.options.fixed_length_s:g} s")
        return found


def read_rows(path: Path) -> Rows:
    """Read what ``spectrograms`` or auDeep's ``preprocess`` has written, or a table command of that.

    Raises:
        SourceError: no such file, or not netCDF.
        ConfigurationError: it holds no spectrograms, or dB, or rows that were fused.
    """
    table = read_table(path)
    axes = tuple(SAME_AXES.get(name, name) for name in table.feature_dims)
    if axes != AXES:
        raise ConfigurationError(
            f"{path} has features over {', '.join(table.feature_dims)}; spectrograms (time, band) are needed"
        )
    attributes = table.attributes
    if "fused" in attributes:
        raise ConfigurationError(
            f"{path} was fused of several files, of which only some may fit; give them one by one"
        )
    smallest, largest = float(table.features.min()), float(table.features.max())
    if max(-smallest, largest) > _LARGEST:
        raise ConfigurationError(
            f"{path} has values from {smallest:g} to {largest:g}; prepared ones lie between -1 and 1. What a run "
            "keeps in its folder is for --spectrograms"
        )
    try:
        frontend = attributes.get("frontend")
        options = attributes.get("preprocess")
        return Rows(
            path=path,
            table=table,
            frontend=None if frontend is None else FrontendConfig.model_validate(frontend),
            options=None if options is None else PreprocessOptions.model_validate(options),
        )
    except ValidationError as error:
        raise ConfigurationError(
            f"{path} was made by another version: {describe(error)}; make it again"
        ) from error


def differences(found: FrontendConfig, wanted: FrontendConfig) -> list[str]:
    """In what two front-ends differ that gives other frames, in words."""
    one, other = _flat(found.model_dump()), _flat(wanted.model_dump())
    if one.get("views.0.level.kind") != other.get("views.0.level.kind"):
        names = ["views.0.level.kind"]
        names += [name for name in one if ".level." not in name]
    else:
        names = list(one | other)
    return [
        f"{name.removeprefix('views.0.')} {one.get(name)} and not {other.get(name)}"
        for name in names
        if name not in _IGNORED and one.get(name) != other.get(name)
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested record as dotted names."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        items = dict(enumerate(value)) if isinstance(value, tuple | list) else value
        if isinstance(items, Mapping):
            flat |= _flat({str(name): one for name, one in items.items()}, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
