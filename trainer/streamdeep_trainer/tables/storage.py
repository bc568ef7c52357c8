"""Tables as netCDF files: this project's own, and exactly those that auDeep reads and writes.

Both have the same variables (``filename``, ``chunk_nr``, ``cv_folds``, ``partition``, ``label_nominal``,
``label_numeric``, ``features``) and the attributes ``feature_dims`` and ``label_map``; this project's adds
where the features come from, and ``lengths`` where rows are padded. Embeddings and spectrograms are read as tables too (``clips``).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer import netcdf
from streamdeep_trainer.datasets.clip import PARTITIONS
from streamdeep_trainer.tables.clips import FROM_CLIPS
from streamdeep_trainer.tables.table import VARIABLES, Table
from streamdeep_trainer.writing import writing

KIND = "table"
Format = Literal["streamdeep", "audeep"]

_INSTANCE, _FOLD = "instance", "fold"
_FEATURE_DIMS, _LABEL_MAP, _LENGTHS = "feature_dims", "label_map", "lengths"
_NEEDED = [name for name in VARIABLES if name not in (_INSTANCE, _FOLD)]


def write_table(path: Path, table: Table, *, form: Format = "streamdeep") -> None:
    """Write a table so that a crash leaves the old file or the new one.

    Args:
        path: where to.
        table: what.
        form: ``audeep`` leaves out the provenance and the lengths, for which auDeep has no place.

    Raises:
        ConfigurationError: it cannot be written, or auDeep could not hold it: numeric labels that are not whole.
    """
    attributes: dict[str, Any] = {_FEATURE_DIMS: list(table.feature_dims)}
    if table.label_map is not None:
        attributes[_LABEL_MAP] = [list(pair) for pair in table.label_map]
    if form == "streamdeep":
        clash = sorted({_FEATURE_DIMS, _LABEL_MAP, netcdf.KIND} & set(table.attributes))
        if clash:
            raise ConfigurationError(f"the attribute {clash[0]!r} is taken; use another name")
        arrays = _arrays(table)
        if table.lengths is not None:
            arrays[_LENGTHS] = ((_INSTANCE,), table.lengths)
        netcdf.write_netcdf(path, arrays, kind=KIND, attributes={**attributes, **table.attributes})
        return
    numbers = table.numeric_labels[~np.isnan(table.numeric_labels)]
    if (numbers != np.floor(numbers)).any():
        raise ConfigurationError("auDeep's labels are whole numbers; these are not")
    dataset = xarray.Dataset(
        _arrays(table), attrs={key: json.dumps(value) for key, value in attributes.items()}
    )
    draft = path.with_suffix(path.suffix + ".part")
    with writing(path, n_bytes=dataset.nbytes):
        dataset.to_netcdf(draft, engine="h5netcdf")
        draft.replace(path)


def read_table(path: Path) -> Table:
    """Read a table, auDeep's file, embeddings, or spectrograms of one length.

    Raises:
        SourceError: no such file, or not netCDF.
        ConfigurationError: it holds something else, or not all that a table needs.
    """
    if not path.is_file():
        raise SourceError(f"there is no file {path}")
    try:
        with xarray.open_dataset(path, engine="h5netcdf") as dataset:
            kind = dataset.attrs.get(netcdf.KIND)
            if kind not in FROM_CLIPS:
                return _table(dataset.load(), path)
            stated = _stated(dataset.attrs)
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} is not a netCDF file that can be read: {error}") from error
    return FROM_CLIPS[kind](path, stated)


def _arrays(table: Table) -> dict[str, tuple[tuple[str, ...], NDArray[Any]]]:
    """The variables; what is missing as auDeep's own files have it: NaN for numbers, no text."""
    labels: NDArray[Any] = np.array([label or "" for label in table.labels], dtype=object)
    if all(label is None for label in table.labels):
        labels = np.full(len(table), np.nan)
    partitions = np.array(
        [np.nan if name is None else PARTITIONS.index(name) for name in table.partitions]
    )
    return {
        "filename": ((_INSTANCE,), np.array(table.filenames, dtype=object)),
        "chunk_nr": ((_INSTANCE,), table.chunk_numbers),
        "label_nominal": ((_INSTANCE,), labels),
        "label_numeric": ((_INSTANCE,), _whole(table.numeric_labels)),
        "cv_folds": ((_INSTANCE, _FOLD), table.held_out.astype(np.int64)),
        "partition": ((_INSTANCE,), _whole(partitions)),
        "features": ((_INSTANCE, *table.feature_dims), table.features),
    }


def _whole(values: NDArray[np.float64]) -> NDArray[Any]:
    """As int64 where that loses nothing."""
    return values.astype(np.int64) if (values == np.floor(values)).all() else values


def _table(dataset: xarray.Dataset, path: Path) -> Table:
    kind = dataset.attrs.get(netcdf.KIND)
    missing = [name for name in _NEEDED if name not in dataset.variables]
    if kind not in (None, KIND) or missing or _FEATURE_DIMS not in dataset.attrs:
        what = (
            kind if kind not in (None, KIND) else f"no {missing[0] if missing else _FEATURE_DIMS}"
        )
        raise ConfigurationError(
            f"{path} is no table: it holds {what}; tables, embeddings, spectrograms and auDeep's files can be read"
        )
    try:
        attributes = {
            str(key): json.loads(value)
            for key, value in dataset.attrs.items()
            if key in (_FEATURE_DIMS, _LABEL_MAP) or (kind == KIND and key != netcdf.KIND)
        }
        feature_dims = tuple(str(name) for name in attributes.pop(_FEATURE_DIMS))
        label_map = _label_map(attributes.pop(_LABEL_MAP, None))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{path} has attributes that are no JSON: {error}") from error
    # The axes of a file that auDeep has fused are in another order.
    features = dataset["features"].transpose(_INSTANCE, *feature_dims).to_numpy()
    splits = dataset["cv_folds"].transpose(_INSTANCE, _FOLD).to_numpy()
    return Table(
        filenames=tuple(_text(name) or "" for name in dataset["filename"].to_numpy()),
        chunk_numbers=_integers(dataset["chunk_nr"].to_numpy(), "chunk_nr", path),
        labels=tuple(_text(label) for label in dataset["label_nominal"].to_numpy()),
        numeric_labels=dataset["label_numeric"].to_numpy().astype(np.float64),
        partitions=tuple(
            _partition(value, path) for value in dataset["partition"].to_numpy().astype(np.float64)
        ),
        held_out=_held_out(splits, path),
        features=features.astype(np.float32),
        feature_dims=feature_dims,
        label_map=label_map,
        lengths=_lengths(dataset, features.shape[1], path),
        attributes=attributes,
    )


def _stated(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Where features come from; clips that were skipped belong to the file and not to its rows."""
    return {
        str(key): json.loads(value)
        for key, value in attributes.items()
        if key not in (netcdf.KIND, "skipped")
    }


def _text(value: object) -> str | None:
    """Missing text is None, NaN or empty, depending on what else there was when the file was written."""
    if isinstance(value, bytes):
        return value.decode("utf-8") or None
    return str(value) if isinstance(value, str) and value else None


def _integers(values: NDArray[Any], name: str, path: Path) -> NDArray[np.int64]:
    numbers = values.astype(np.float64)  # auDeep's selections turn whole numbers into floats
    if not (numbers == np.floor(numbers)).all():
        raise ConfigurationError(f"{path} has values in {name} that are no whole numbers")
    return numbers.astype(np.int64)


def _lengths(dataset: xarray.Dataset, longest: int, path: Path) -> NDArray[np.int64] | None:
    if _LENGTHS not in dataset.variables:
        return None
    lengths = _integers(dataset[_LENGTHS].to_numpy(), _LENGTHS, path)
    if not ((lengths >= 1) & (lengths <= longest)).all():
        raise ConfigurationError(f"{path} has lengths that are not from 1 to {longest}")
    return lengths


def _partition(value: float, path: Path) -> str | None:
    if np.isnan(value):
        return None
    if value not in range(len(PARTITIONS)):
        raise ConfigurationError(f"{path} has the partition {value:g}; 0 to 2 are known")
    return PARTITIONS[int(value)]


def _held_out(splits: NDArray[Any], path: Path) -> NDArray[np.bool_]:
    values = splits.astype(np.float64)
    if np.isnan(values).all():
        return np.zeros((len(values), 0), dtype=np.bool_)
    if not np.isin(values, (0.0, 1.0)).all():
        raise ConfigurationError(
            f"{path} does not say for every row and fold whether it trains (0) or is held out (1)"
        )
    found: NDArray[np.bool_] = values == 1.0
    return found


def _label_map(pairs: Any) -> tuple[tuple[str, int], ...] | None:
    if pairs is None:
        return None
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    return tuple(sorted((str(label), int(number)) for label, number in items))
