"""What the commands on tables share: their options, reading and writing, and how results are shown."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from streamdeep_trainer.tables.table import Table

Method = Literal["tsne", "umap", "pca"]
"""How rows become points, see :func:`streamdeep_trainer.tables.projection.project`."""
TableFile = Annotated[
    Path, typer.Argument(metavar="TABLE", help="A table, embeddings, or auDeep's .nc file.")
]
Out = Annotated[Path, typer.Option(help="Where the new table goes, netCDF.")]
AsAudeep = Annotated[
    bool, typer.Option("--audeep", help="Write exactly auDeep's file: no provenance.")
]
Dimension = Annotated[
    str | None, typer.Option(help="Feature axis to concatenate, where there are several.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of the draw.")]
Json = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]


def read(path: Path) -> Table:
    """Read a table; xarray is loaded here and not with the program."""
    from streamdeep_trainer.tables.storage import read_table

    return read_table(path)


def write(path: Path, table: Table, *, audeep: bool, as_json: bool) -> None:
    """Write a table and say what it is."""
    from streamdeep_trainer.tables.storage import write_table

    write_table(path, table, form="audeep" if audeep else "streamdeep")
    n_padded = int((table.real_lengths < table.features.shape[1]).sum())
    if audeep and n_padded:
        typer.echo(
            f"{n_padded} rows are padded; auDeep's file cannot say so, and padding becomes silence",
            err=True,
        )
    tell(
        {
            "n_rows": len(table),
            "n_files": len(table.rows_by_file()),
            "features": list(table.features.shape[1:]),
            "n_folds": table.n_folds,
            "file": str(path),
        },
        as_json=as_json,
    )


def tell(result: dict[str, Any], *, as_json: bool) -> None:
    """JSON for programs; for people one line per value, and one per item of what may be long."""
    if as_json:
        typer.echo(json.dumps(result))
        return
    for key, value in result.items():
        if isinstance(value, dict) and value:
            typer.echo(f"{key}:")
            for name, one in value.items():
                typer.echo(f"  {name if name != '' else '(none)'}: {one}")
        elif isinstance(value, list | tuple) and value and not isinstance(value[0], int | float):
            typer.echo(f"{key}: {len(value)}")
            for one in value:
                typer.echo(f"  {': '.join(map(str, one)) if isinstance(one, tuple) else one}")
        elif isinstance(value, list | tuple | dict):
            typer.echo(f"{key}: {', '.join(map(str, value)) or 'none'}")
        else:
            typer.echo(f"{key}: {value}")
