"""What a part gives back; plain data, so that all of it goes into ``results.json`` as it is."""

from dataclasses import asdict, dataclass, field
from typing import Any

SEED = 20171026
"""Of everything that is drawn: sound, weights, the order of the contenders."""


@dataclass(frozen=True)
class Table:
    """Figures side by side.

    Attributes:
        title: what is compared.
        says: one sentence: what the figures mean.
        columns: heads, with units.
        rows: cells; numbers are shown with three significant digits.
    """

    title: str
    says: str
    columns: list[str]
    rows: list[list[Any]]


@dataclass(frozen=True)
class Series:
    """One line, or one bar with its quartiles."""

    label: str
    x: list[float]
    y: list[float]
    low: list[float] | None = None
    high: list[float] | None = None


@dataclass(frozen=True)
class Picture:
    """A plot.

    Attributes:
        name: of its file.
        title: what is compared.
        says: one sentence: what it means.
        kind: ``lines`` over x, or a ``bar`` for each series' only value.
        x_label: with unit; of lines.
        y_label: with unit.
        series: what is drawn.
        logarithmic: axes that are, some of ``xy``.
        limits: name to the value at which a line is drawn across.
    """

    name: str
    title: str
    says: str
    kind: str
    x_label: str
    y_label: str
    series: list[Series]
    logarithmic: str = ""
    limits: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """All that a part found.

    Attributes:
        title: for people.
        about: how it was measured, in a few sentences.
        values: single figures by name, for the goals; None where one could not be measured.
        tables: in the order of the report.
        pictures: as well.
        notes: sentences about this run, such as why something was skipped.
        raw: what the figures were computed from.
    """

    title: str
    about: str
    values: dict[str, float | None]
    tables: list[Table]
    pictures: list[Picture] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain maps and lists."""
        return asdict(self)
