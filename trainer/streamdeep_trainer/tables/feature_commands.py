"""The commands that turn tables into something else and back: feature files and pictures.

They read arguments, call ``exporting``, ``importing``, and ``projection``, and show what these return.
"""

from pathlib import Path
from typing import Annotated

import typer

from streamdeep_trainer.tables.command_options import (
    AsAudeep,
    Json,
    Method,
    Out,
    Seed,
    TableFile,
    read,
    tell,
    write,
)
from streamdeep_trainer.tables.exporting import Form
from streamdeep_trainer.tables.importing import ColumnNames

_NAMES = ColumnNames()


def export_features(
    table: TableFile,
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    form: Annotated[Form, typer.Option("--format", help="What to write.")] = "csv",
    name: Annotated[
        str | None, typer.Option(help="Of the files, without suffix; default: the table's.")
    ] = None,
    labels_last: Annotated[
        bool, typer.Option("--labels-last", help="Put the labels after the features.")
    ] = False,
    flat: Annotated[
        bool,
        typer.Option(
            "--flat", help="One file, with partition and fold as columns, not as folders."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write features as CSV or ARFF; partitions and folds become folders.

    Example: streamdeep-train export-features embeddings.nc --format arff --out features
    """
    from streamdeep_trainer.tables.exporting import export_features as export

    found = read(table)
    if len(found.feature_dims) > 1:
        n_padded = int((found.real_lengths < found.features.shape[1]).sum())
        typer.echo(
            f"features of {' x '.join(map(str, found.features.shape[1:]))} are flattened, "
            f"{found.feature_dims[-1]} changing fastest"
            + (f"; {n_padded} rows are padded, which the files cannot say" if n_padded else ""),
            err=True,
        )
    files = export(
        found, out, name=name or table.stem, form=form, labels_last=labels_last, flat=flat
    )
    tell({"n_rows": len(found), "files": [str(file) for file in files]}, as_json=as_json)


def import_features(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A .csv or .arff file, or a folder of them.")
    ],
    out: Out,
    filename: Annotated[str, typer.Option(help="Column of the filename.")] = _NAMES.filename,
    chunk_number: Annotated[
        str, typer.Option(help="Column of the chunk's number.")
    ] = _NAMES.chunk_number,
    label: Annotated[str, typer.Option(help="Column of the label.")] = _NAMES.label,
    numeric_label: Annotated[
        str, typer.Option(help="Column of the label's number.")
    ] = _NAMES.numeric_label,
    audeep: AsAudeep = False,
    as_json: Json = False,
) -> None:
    """Make a table of CSV or ARFF files; train, devel, test and fold_N folders are understood.

    Example: streamdeep-train import-features features --out table.nc
    """
    from streamdeep_trainer.tables.importing import import_features as collect

    columns = ColumnNames(filename, chunk_number, label, numeric_label)
    write(out, collect(path, columns=columns), audeep=audeep, as_json=as_json)


def visualize(
    table: TableFile,
    out: Annotated[
        list[Path], typer.Option(help="Where the picture goes, .png or .html; several times.")
    ],
    method: Annotated[Method, typer.Option(help="How rows become points.")] = "tsne",
    perplexity: Annotated[
        float, typer.Option(help="Neighbours to look at; fewer are taken of few rows.")
    ] = 30.0,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Draw a table's rows as points in a plane, coloured by label.

    Example: streamdeep-train visualize embeddings.nc --out map.html --out map.png
    """
    from streamdeep.pages.scatter import draw, refuse_other_suffixes
    from streamdeep_trainer.tables.projection import project

    refuse_other_suffixes(out)
    found = read(table)
    points = project(found.flat_features, method=method, perplexity=perplexity, seed=seed)
    names = [
        f"{name}, chunk {chunk}"
        for name, chunk in zip(found.filenames, found.chunk_numbers, strict=True)
    ]
    for path in out:
        draw(path, points, names=names, labels=found.labels, title=f"{table.stem}, {method}")
    tell({"n_points": len(points), "files": [str(path) for path in out]}, as_json=as_json)
