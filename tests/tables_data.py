"""Small tables, and sound files of any format, for tests of data sets and tables."""

import numpy as np
import soundfile

from streamdeep_trainer.tables.table import make_table


def write_audio(path, *, n_samples=800, rate_hz=8000, n_channels=1, seed=0):
    """A short noise in the format of the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.1 * np.random.default_rng(seed).standard_normal((n_samples, n_channels))
    soundfile.write(path, samples, rate_hz)
    return path


def write_audios(folder, *names):
    for seed, name in enumerate(names):
        write_audio(folder / name, seed=seed)
    return folder


def table_of(
    labels, *, n_chunks=1, shape=(3,), dims=("generated",), folds=None, partitions=None, seed=0
):
    """Files ``0.wav``, ``1.wav``, ... with these labels; folds and partitions are per file."""
    files = range(len(labels))
    rows = [(file, chunk) for file in files for chunk in range(n_chunks)]
    features = np.random.default_rng(seed).standard_normal((len(rows), *shape))
    held_out = None
    if folds is not None:
        n_folds = max(max(one, default=0) for one in folds)
        held_out = np.array([[f + 1 in folds[file] for f in range(n_folds)] for file, _ in rows])
    return make_table(
        [f"{file}.wav" for file, _ in rows],
        features,
        feature_dims=dims,
        labels=[labels[file] for file, _ in rows],
        chunk_numbers=[chunk for _, chunk in rows],
        partitions=None if partitions is None else [partitions[file] for file, _ in rows],
        held_out=held_out,
        attributes={"model": "ab" * 32, "sample_rate_hz": 8000, "seed": seed},
    )


def as_rows(table):
    """Everything about a table's rows by name, where NaN equals NaN."""
    return {
        (table.filenames[row], int(table.chunk_numbers[row])): (
            table.labels[row],
            str(table.numeric_labels[row]),
            table.partitions[row],
            tuple(table.held_out[row].tolist()),
            table.flat_features[row].tolist(),
        )
        for row in range(len(table))
    }


def assert_same(found, wanted, *, attributes=True):
    """Equal in everything, rows in the same order."""
    assert list(as_rows(found).items()) == list(as_rows(wanted).items())
    assert found.features.shape == wanted.features.shape
    assert found.feature_dims == wanted.feature_dims
    assert found.label_map == wanted.label_map
    if attributes:
        assert dict(found.attributes) == dict(wanted.attributes)
