"""Files of netCDF, written whole or not at all.

A file is a set of named arrays over named axes, and attributes; which ones, the modules say that own the
meaning (``spectrograms``, ``embed``). Everything is readable with any netCDF-4 program. Beside
``tables.storage``, which owns auDeep's layout, the only module that knows xarray.
"""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.writing import writing

KIND = "streamdeep_kind"
_HEADERS_BYTES = 1 << 16
_PACKAGES = ("streamdeep", "numpy", "numba", "onnxruntime", "soundfile", "soxr", "torch")


def versions() -> dict[str, str]:
    """What computed the numbers."""
    return {name: version(name) for name in _PACKAGES}


def clip_arrays(clips: Sequence[Clip]) -> dict[str, tuple[tuple[str, ...], NDArray[Any]]]:
    """What is known of clips, over the axis ``clip``.

    No label and no partition is an empty string, no fold is 0; overlapping folds are a JSON list.
    """
    return {
        "filename": (("clip",), np.array([clip.filename for clip in clips], dtype=object)),
        "label": (("clip",), np.array([clip.label or "" for clip in clips], dtype=object)),
        "fold": (("clip",), np.array([clip.fold or 0 for clip in clips], dtype=np.int64)),
        "partition": (("clip",), np.array([clip.partition or "" for clip in clips], dtype=object)),
        "held_out": (
            ("clip",),
            np.array(
                ["" if clip.held_out is None else json.dumps(clip.held_out) for clip in clips],
                dtype=object,
            ),
        ),
    }


def clips_from(arrays: Mapping[str, NDArray[Any]]) -> tuple[Clip, ...]:
    """The inverse of :func:`clip_arrays`; paths are the filenames alone."""
    return tuple(
        Clip(
            path=Path(str(name)),
            filename=str(name),
            label=str(label) or None,
            fold=int(fold) or None,
            partition=str(partition) or None,
            held_out=tuple(json.loads(str(held_out))) if held_out else None,
        )
        for name, label, fold, partition, held_out in zip(
            *(arrays[key] for key in ("filename", "label", "fold", "partition", "held_out")),
            strict=True,
        )
    )


def write_netcdf(
    path: Path,
    arrays: Mapping[str, tuple[tuple[str, ...], NDArray[Any]]],
    *,
    kind: str,
    attributes: Mapping[str, Any],
) -> None:
    """Write a file so that a crash leaves the old one or the new one.

    Args:
        path: where to.
        arrays: name to axes and values.
        kind: what the file is, checked by :func:`read_netcdf`.
        attributes: anything that JSON can say; stored as JSON text.

    Raises:
        ConfigurationError: it cannot be written.
    """
    texts = {key: json.dumps(value) for key, value in attributes.items()}
    dataset = xarray.Dataset(dict(arrays), attrs={KIND: kind, **texts})
    draft = path.with_suffix(path.suffix + ".part")
    with writing(path, n_bytes=dataset.nbytes + _HEADERS_BYTES):
        try:
            dataset.to_netcdf(draft, engine="h5netcdf")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def read_netcdf(path: Path, kind: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays and attributes of a file.

    Raises:
        SourceError: no such file, or not netCDF.
        ConfigurationError: a file of another kind.
    """
    if not path.is_file():
        raise SourceError(f"there is no file {path}")
    try:
        with xarray.open_dataset(path, engine="h5netcdf") as dataset:
            dataset.load()
            arrays = {str(name): dataset[name].to_numpy() for name in dataset.variables}
            attributes = dict(dataset.attrs)
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} is not a netCDF file that can be read: {error}") from error
    found = attributes.pop(KIND, None)
    if found != kind:
        raise ConfigurationError(
            f"{path} holds {found or 'something else'}; {kind} are needed here"
        )
    return arrays, {key: json.loads(value) for key, value in attributes.items()}
