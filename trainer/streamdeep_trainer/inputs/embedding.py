"""Files of spectrograms to a table of embeddings, one per row, as auDeep's ``generate`` makes it.

Not here: embeddings of sound, several per clip, through the engine's pipeline (``embed``).
"""

from dataclasses import replace

from streamdeep.encoder.model import Model
from streamdeep.errors import MismatchError
from streamdeep_trainer.embed import about_model
from streamdeep_trainer.encoding import encode_segments
from streamdeep_trainer.inputs.rows import Rows, differences
from streamdeep_trainer.netcdf import versions
from streamdeep_trainer.tables.table import Table


def embed_rows(rows: Rows, model: Model) -> Table:
    """Embed each row, whole and without its padding.

    Args:
        rows: of the model's front-end; a file that does not say it is believed to be.
        model: loaded and proven.

    Returns:
        The file's table with features ``(rows, dim)``; filenames, chunk numbers, labels, folds and partitions
        are the file's.

    Raises:
        MismatchError: the file is of another width or front-end than the model's.
    """
    frontend = model.contract.frontend
    if rows.width != frontend.n_features:
        raise MismatchError(
            f"{rows.path} has {rows.width} bands and the model's front-end {frontend.n_features}"
        )
    found = [] if rows.frontend is None else differences(rows.frontend, frontend)
    if found:
        raise MismatchError(
            f"{rows.path} is of another front-end than the model's: {', '.join(found)}"
        )
    prepared = {} if rows.options is None else {"preprocess": rows.options.model_dump(mode="json")}
    return replace(
        rows.table,
        features=encode_segments(model, rows.segments),
        feature_dims=("generated",),
        lengths=None,
        attributes={
            "model": model.digest.hex(),
            **about_model(model),
            **prepared,
            "versions": versions(),
        },
    )


def remarks_on(rows: Rows, model: Model) -> list[str]:
    """In what embeddings of rows are not what the model gives of the sound, a line each."""
    contract = model.contract
    length_frames = contract.segment.length_frames
    said = rows.remarks(contract.frontend, length_frames, whose="model's")
    if rows.longest_frames > length_frames:
        said.append(
            f"{rows.path} has rows of up to {rows.longest_frames} frames and a segment has {length_frames}; each "
            "row gives one embedding, where sound gives several"
        )
    return said
