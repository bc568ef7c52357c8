"""Comma-separated text: names in the first row, then cells; an empty cell is a missing one.

Cells are text here; what they mean, ``exporting`` and ``importing`` know. UTF-8, quoted as RFC 4180 has it.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.writing import writing

Row = list[str | None]


def write_csv(path: Path, names: Sequence[str], rows: Iterable[Sequence[str | None]]) -> None:
    """Write a table of text; rows are taken one by one."""
    with writing(path), path.open("w", encoding="utf-8", newline="") as file:
        # RFC 4180's line ends: only characters of the line end and the quote are sure to be quoted.
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(names)
        writer.writerows(rows)


def read_csv(path: Path) -> Iterator[Row]:
    """The names, then the rows, one by one.

    Raises:
        SourceError: no such file, or not UTF-8 text.
        ConfigurationError: a row has another number of cells than the first.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            n_cells = 0
            for row in csv.reader(file, strict=True):
                if not row:
                    continue
                n_cells = n_cells or len(row)
                if len(row) != n_cells:
                    raise ConfigurationError(
                        f"{path} has a row of {len(row)} cells that ends with {row[-1]!r}; the first has {n_cells}"
                    )
                yield [cell or None for cell in row]
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path} is no CSV file in UTF-8: {error}") from error
