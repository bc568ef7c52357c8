"""As many files in every class: copies of whole files, drawn by a seed, that can be told by their names."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.tables.table import Table


def upsample(table: Table, *, seed: int, partitions: Sequence[str] = ()) -> Table:
    """Copy files of the rarer classes until each has as many as the most frequent one.

    Copies follow the table's own rows; they have all of a file's chunks, its folds and its partition, so that
    no copy is held out where its original trains. They are called ``a.wav.copy1``, ``a.wav.copy2``.

    Args:
        table: labelled in the chosen partitions.
        seed: chooses the files of which there is one copy more than of others.
        partitions: each is balanced by itself, and others are left as they are; empty: the whole table.

    Raises:
        ConfigurationError: there is no such partition, or a file in it has no label.
    """
    absent = [name for name in partitions if name not in table.partitions]
    if absent:
        raise ConfigurationError(f"the table has no rows in the partition {absent[0]!r}")
    random = np.random.default_rng(seed)
    rows_of = table.rows_by_file()
    copies: list[tuple[str, list[int]]] = []
    for partition in partitions or (None,):
        by_label: dict[str, list[str]] = {}
        for name, rows in rows_of.items():
            if partition is None or table.partitions[rows[0]] == partition:
                label = table.labels[rows[0]]
                if label is None:
                    raise ConfigurationError(
                        f"{name} has no label; choose partitions that are labelled"
                    )
                by_label.setdefault(label, []).append(name)
        most = max(len(files) for files in by_label.values())
        for _, files in sorted(by_label.items()):
            whole, rest = divmod(most, len(files))
            extra = {files[index] for index in random.permutation(len(files))[:rest]}
            for name in files:
                copies += [
                    (f"{name}.copy{number}", rows_of[name])
                    for number in range(1, whole + (name in extra))
                ]
    taken = next((name for name, _ in copies if name in rows_of), None)
    if taken is not None:
        raise ConfigurationError(f"{taken} is there already: the table has been upsampled before")
    rows = [row for _, of_file in copies for row in of_file]
    names = [name for name, of_file in copies for _ in of_file]
    wider = table.only([*range(len(table)), *rows])
    return replace(wider, filenames=(*table.filenames, *names))
