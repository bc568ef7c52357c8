"""The commands on data: look at folders and tables, check, change, fuse, export, import and draw them.

This module reads arguments, calls ``tables`` and ``datasets.survey`` and shows what they return. Each command
takes what ``embed`` and ``spectrograms`` write, this project's tables, and auDeep's files.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from streamdeep.errors import ConfigurationError, ModelError
from streamdeep_trainer.datasets.layouts import LAYOUTS
from streamdeep_trainer.tables.command_options import (
    AsAudeep,
    Dimension,
    Json,
    Out,
    Seed,
    TableFile,
    read,
    tell,
    write,
)
from streamdeep_trainer.tables.feature_commands import export_features, import_features, visualize


def register(app: typer.Typer) -> None:
    """Add the commands on data to a program."""
    for command in (
        inspect,
        validate,
        modify,
        upsample,
        fuse,
        fuse_chunks,
        export_features,
        import_features,
        visualize,
    ):
        app.command()(command)


def inspect(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A folder of sound, a manifest, or a table.")
    ],
    layout: Annotated[
        str | None,
        typer.Option(
            help=f"How the folder lies: {', '.join(LAYOUTS)}, or file.py:function. Default: find out."
        ),
    ] = None,
    instance: Annotated[
        int | None, typer.Option("--instance", help="Show this row of a table, from 0.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what a folder of sound or a table holds, and what is likely to be a mistake.

    Example: streamdeep-train inspect ESC-10
    """
    from streamdeep_trainer.datasets.survey import survey
    from streamdeep_trainer.tables.describe import describe_row, describe_table

    is_table = path.suffix.lower() != ".csv" and (path.is_file() or path.suffix == ".nc")
    if not is_table:
        if instance is not None:
            raise ConfigurationError(f"{path} is no table; --instance shows a row of a table")
        tell(asdict(survey(path, layout)), as_json=as_json)
        return
    table = read(path)
    found = describe_table(table) if instance is None else describe_row(table, instance)
    tell(found, as_json=as_json)


def validate(table: TableFile, as_json: Json = False) -> None:
    """Check that the rows of a table agree with each other; ends with 65 if they do not.

    Example: streamdeep-train validate embeddings.nc
    """
    from streamdeep_trainer.tables.checks import CONSTRAINTS, violations

    found = violations(read(table))
    if as_json:
        counts = {rule: sum(one.constraint == rule for one in found) for rule in CONSTRAINTS}
        tell({"violations": [asdict(one) for one in found], "counts": counts}, as_json=True)
    else:
        for one in found:
            typer.echo(f"{one.constraint}: {one.message}")
        typer.echo(f"{len(found)} violations of {len(CONSTRAINTS)} constraints")
    if found:
        raise typer.Exit(ModelError.exit_code)


def modify(
    table: TableFile,
    out: Out,
    add_folds: Annotated[
        int | None, typer.Option("--add-folds", help="Make so many folds, stratified by class.")
    ] = None,
    add_partition: Annotated[
        list[str] | None,
        typer.Option(
            "--add-partition",
            help="Make this partition: train, devel or test, with its share as train=0.6; several times.",
        ),
    ] = None,
    remove_folds: Annotated[
        bool, typer.Option("--remove-folds", help="Forget the folds, before others are made.")
    ] = False,
    remove_partitions: Annotated[
        bool,
        typer.Option("--remove-partitions", help="Forget the partitions, before others are made."),
    ] = False,
    seed: Seed = 0,
    audeep: AsAudeep = False,
    as_json: Json = False,
) -> None:
    """Add or remove folds and partitions; a file's chunks stay together.

    Example: streamdeep-train modify embeddings.nc --add-folds 5 --seed 1 --out folded.nc
    """
    from streamdeep_trainer.tables import splits

    if not (add_folds is not None or add_partition or remove_folds or remove_partitions or audeep):
        raise ConfigurationError("nothing to change; see `modify --help`")
    changed = read(table)
    if remove_folds:
        changed = splits.remove_folds(changed)
    if remove_partitions:
        changed = splits.remove_partitions(changed)
    if add_folds is not None:
        changed = splits.add_folds(changed, add_folds, seed=seed)
    if add_partition:
        changed = splits.add_partitions(changed, _shares(add_partition), seed=seed)
    write(out, changed, audeep=audeep, as_json=as_json)


def upsample(
    table: TableFile,
    out: Out,
    partition: Annotated[
        list[str] | None,
        typer.Option(
            "--partition", help="Balance this one by itself; several times. Default: all."
        ),
    ] = None,
    seed: Seed = 0,
    audeep: AsAudeep = False,
    as_json: Json = False,
) -> None:
    """Copy files of rare classes until all classes have as many; copies are called a.wav.copy1.

    Example: streamdeep-train upsample embeddings.nc --partition train --out balanced.nc
    """
    from streamdeep_trainer.tables.upsample import upsample as balance

    found = balance(read(table), seed=seed, partitions=partition or ())
    write(out, found, audeep=audeep, as_json=as_json)


def fuse(
    tables: Annotated[
        list[Path], typer.Argument(metavar="TABLE...", help="Two or more tables of the same rows.")
    ],
    out: Out,
    dimension: Dimension = None,
    audeep: AsAudeep = False,
    as_json: Json = False,
) -> None:
    """Put the features of several tables side by side, row by row.

    Example: streamdeep-train fuse minus30.nc minus60.nc --out fused.nc
    """
    from streamdeep_trainer.tables.fuse import fuse_tables

    found = fuse_tables([read(path) for path in tables], dimension=dimension)
    write(out, found, audeep=audeep, as_json=as_json)


def fuse_chunks(
    table: TableFile,
    out: Out,
    dimension: Dimension = None,
    audeep: AsAudeep = False,
    as_json: Json = False,
) -> None:
    """Make one row of all chunks of each file.

    Example: streamdeep-train fuse-chunks embeddings.nc --out files.nc
    """
    from streamdeep_trainer.tables.fuse import fuse_chunks as fuse

    write(out, fuse(read(table), dimension=dimension), audeep=audeep, as_json=as_json)


def _shares(texts: list[str]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for text in texts:
        name, _, share = text.partition("=")
        try:
            shares[name] = float(share or 1.0)
        except ValueError as error:
            raise ConfigurationError(f"{text!r} is no share; write it like train=0.6") from error
    return shares
