"""Tables from what the trainer keeps of clips: embeddings, one row per segment, and spectrograms.

Not here: other files (``storage``), which calls these by the kind that a file says it is.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.folds import held_out_in
from streamdeep_trainer.tables.table import Table, make_table


def table_of_clips(
    clips: Sequence[Clip],
    clip_rows: NDArray[np.int64],
    features: NDArray[np.float32],
    *,
    feature_dims: Sequence[str] = ("generated",),
    attributes: Mapping[str, Any],
) -> Table:
    """A table of clips.

    Args:
        clips: what is known about each; folds only where all have them.
        clip_rows: ``(rows,)`` int64, each row's clip; a clip's rows are its chunks, in this order.
        features: ``(rows, ...)`` float32.
        feature_dims: names of its axes but the first.
        attributes: where the features come from.

    Raises:
        ConfigurationError: some clips have folds and others not.
    """
    chunk_numbers = np.zeros(len(clip_rows), dtype=np.int64)
    for clip in np.unique(clip_rows):
        rows = np.flatnonzero(clip_rows == clip)
        chunk_numbers[rows] = np.arange(len(rows))
    of_rows = [clips[row] for row in clip_rows]
    has_folds = any(clip.fold is not None or clip.held_out is not None for clip in clips)
    return make_table(
        [clip.filename for clip in of_rows],
        features,
        feature_dims=feature_dims,
        labels=[clip.label for clip in of_rows],
        chunk_numbers=chunk_numbers,
        partitions=[clip.partition for clip in of_rows],
        held_out=held_out_in(clips, n_folds=0, seed=0)[clip_rows] if has_folds else None,
        attributes=attributes,
    )


def _from_embeddings(path: Path, stated: Mapping[str, Any]) -> Table:
    from streamdeep_trainer.embed import load_embeddings

    found = load_embeddings(path)
    return table_of_clips(found.clips, found.clip_rows, found.vectors, attributes=stated)


def _from_spectrograms(path: Path, stated: Mapping[str, Any]) -> Table:
    from streamdeep_trainer.spectrograms import load_spectrograms

    found = load_spectrograms(path)
    shortest, longest = int(found.lengths.min()), int(found.lengths.max())
    if shortest != longest:
        raise ConfigurationError(
            f"{path} has clips of {shortest} to {longest} frames; a table needs one length: "
            "cut the clips to it, or embed them"
        )
    return table_of_clips(
        found.clips,
        np.arange(len(found.clips)),
        found.values.reshape(len(found.clips), longest, -1),
        feature_dims=("time", "band"),
        attributes={"sample_rate_hz": found.frontend.sample_rate_hz, **stated},
    )


FROM_CLIPS: dict[str | None, Callable[[Path, Mapping[str, Any]], Table]] = {
    "embeddings": _from_embeddings,
    "spectrograms": _from_spectrograms,
}
"""From what a file says it holds to how it becomes a table, with what the file states of its origin."""
