"""What the rows of a good table obey, and every place where they do not."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streamdeep_trainer.tables.table import Table, number_text


@dataclass(frozen=True, slots=True)
class Violation:
    """One file or row that breaks a rule.

    Attributes:
        constraint: one of :data:`CONSTRAINTS`.
        filename: of the file.
        message: what is wrong, in a sentence.
    """

    constraint: str
    filename: str
    message: str


CONSTRAINTS = (
    "one label per file",
    "one numeric label per file",
    "one set of folds per file",
    "one partition per file",
    "labels obey the map",
    "as many chunks in every file",
    "chunk numbers from 0 without gaps",
)


def violations(table: Table) -> list[Violation]:
    """Everything that breaks a rule, rule by rule, files in the table's order."""
    files = table.rows_by_file()
    found: list[Violation] = []
    columns: tuple[tuple[str, Sequence[Any]], ...] = (
        ("label", table.labels),
        ("numeric label", [number_text(value) for value in table.numeric_labels]),
        ("folds", [tuple(row) for row in (table.held_out + 0).tolist()]),
        ("partition", table.partitions),
    )
    for constraint, (what, values) in zip(CONSTRAINTS, columns, strict=False):
        for name, rows in files.items():
            several = sorted({str(values[row]) for row in rows})
            if len(several) > 1:
                found.append(
                    Violation(
                        constraint,
                        name,
                        f"the chunks of {name} differ in their {what}: {', '.join(several)}",
                    )
                )
    found += _against_the_map(table)
    usual = Counter(len(rows) for rows in files.values()).most_common(1)[0][0]
    found += [
        Violation(CONSTRAINTS[5], name, f"{name} has {len(rows)} chunks; most files have {usual}")
        for name, rows in files.items()
        if len(rows) != usual
    ]
    for name, rows in files.items():
        numbers = sorted(int(table.chunk_numbers[row]) for row in rows)
        if numbers != list(range(len(rows))):
            found.append(
                Violation(
                    CONSTRAINTS[6],
                    name,
                    f"the chunks of {name} are numbered {', '.join(map(str, numbers))}; "
                    f"they should be 0 to {len(rows) - 1}, each once",
                )
            )
    return found


def _against_the_map(table: Table) -> list[Violation]:
    if table.label_map is None:
        return []
    numbers = dict(table.label_map)
    found = []
    for row, (label, number) in enumerate(zip(table.labels, table.numeric_labels, strict=True)):
        wanted = numbers.get(label) if label is not None else None
        text = "none" if number != number else number_text(number)  # NaN alone differs from itself
        if label is None and text == "none":
            continue
        if label is None or wanted is None or number != wanted:
            should = f"it should be {wanted}" if wanted is not None else "the map has no such label"
            name = table.filenames[row]
            found.append(
                Violation(
                    CONSTRAINTS[4],
                    name,
                    f"chunk {table.chunk_numbers[row]} of {name} has the label {label} with the number {text}; {should}",
                )
            )
    return found
