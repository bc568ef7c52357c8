"""Tables in files: what is written reads back equal, in this project's form and in auDeep's."""

import json

import h5py
import numpy as np
import pytest
import xarray
from tables_data import assert_same, table_of

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.embed import EmbeddedClips, save_embeddings
from streamdeep_trainer.netcdf import read_netcdf, write_netcdf
from streamdeep_trainer.spectrograms import save_spectrograms
from streamdeep_trainer.tables.storage import read_table, write_table
from streamdeep_trainer.tables.table import Table, make_table

TABLES = {
    "plain": table_of("abba"),
    "chunks": table_of("ab", n_chunks=3),
    "no labels": table_of([None, None]),
    "some labels": table_of(["b", None, "ä b"]),
    "folds": table_of("abab", folds=[(1,), (2,), (1,), (2,)]),
    "overlapping folds": table_of("abc", folds=[(1, 3), (), (2,)]),
    "partitions": table_of("abc", partitions=["train", "devel", "test"]),
    "some partitions": table_of("abc", partitions=["train", None, "test"]),
    "spectrograms": table_of("ab", shape=(5, 4), dims=("time", "freq")),
}


@pytest.mark.parametrize("form", ["streamdeep", "audeep"])
@pytest.mark.parametrize("name", TABLES)
def test_what_is_written_reads_back_equal(tmp_path, name, form):
    write_table(tmp_path / "t.nc", TABLES[name], form=form)
    found = read_table(tmp_path / "t.nc")
    assert_same(found, TABLES[name], attributes=form == "streamdeep")
    assert found.features.dtype == np.float32
    assert found.chunk_numbers.dtype == np.int64


def test_audeeps_file_has_its_variables_axes_and_attributes_and_no_others(tmp_path):
    table = table_of("abc", folds=[(1,), (2,), (1,)], partitions=["train", None, "test"])
    write_table(tmp_path / "t.nc", table, form="audeep")
    with xarray.open_dataset(tmp_path / "t.nc", engine="h5netcdf") as dataset:
        found = {name: (array.dims, array.dtype.kind) for name, array in dataset.items()}
        assert found == {
            "filename": (("instance",), "U"),
            "chunk_nr": (("instance",), "i"),
            "label_nominal": (("instance",), "U"),
            "label_numeric": (("instance",), "i"),
            "cv_folds": (("instance", "fold"), "i"),
            "partition": (("instance",), "f"),  # missing is NaN, as in auDeep's own files
            "features": (("instance", "generated"), "f"),
        }
        assert dataset["cv_folds"].to_numpy().tolist() == [[1, 0], [0, 1], [1, 0]]
        assert np.array_equal(dataset["partition"].to_numpy(), [0, np.nan, 2], equal_nan=True)
        assert dataset["features"].dtype == np.float32
        assert set(dataset.attrs) == {"feature_dims", "label_map"}
        assert json.loads(dataset.attrs["feature_dims"]) == ["generated"]
        assert json.loads(dataset.attrs["label_map"]) == [["a", 0], ["b", 1], ["c", 2]]


def test_the_axis_fold_is_there_without_folds_and_a_map_only_with_labels(tmp_path):
    write_table(tmp_path / "t.nc", table_of([None, None]), form="audeep")
    with xarray.open_dataset(tmp_path / "t.nc", engine="h5netcdf") as dataset:
        assert dataset.sizes["fold"] == 0
        assert set(dataset.attrs) == {"feature_dims"}
        assert dataset["label_nominal"].isnull().all()
        assert dataset["label_numeric"].isnull().all()


def test_texts_are_netcdf_strings_and_nothing_is_pickled(tmp_path):
    write_table(tmp_path / "t.nc", TABLES["chunks"])
    with h5py.File(tmp_path / "t.nc") as file:
        assert h5py.check_string_dtype(file["filename"].dtype).encoding == "utf-8"
        assert file["features"].dtype == np.float32


def test_this_projects_file_says_where_features_come_from(tmp_path):
    write_table(tmp_path / "t.nc", TABLES["plain"])
    _, attributes = read_netcdf(tmp_path / "t.nc", "table")
    assert attributes["model"] == "ab" * 32
    assert attributes["sample_rate_hz"] == 8000
    assert attributes["seed"] == 0


def test_a_file_as_audeep_writes_it(tmp_path):
    """Numbers as floats, axes in another order, folds missing as NaN: all seen in its files."""
    dataset = xarray.Dataset(
        {
            "filename": (("instance",), np.array(["a.wav", "b.wav"], dtype=object)),
            "chunk_nr": (("instance",), np.array([0.0, 0.0])),
            "label_nominal": (("instance",), np.array(["x", ""], dtype=object)),
            "label_numeric": (("instance",), np.array([1.0, np.nan])),
            "cv_folds": (("fold", "instance"), np.full((1, 2), np.nan)),
            "partition": (("instance",), np.array([1.0, np.nan])),
            "features": (("time", "instance", "freq"), np.arange(12.0).reshape(3, 2, 2)),
        },
        attrs={"feature_dims": '["time", "freq"]', "label_map": '[["w", 0], ["x", 1]]'},
    )
    dataset.to_netcdf(tmp_path / "t.nc", engine="h5netcdf")
    found = read_table(tmp_path / "t.nc")
    assert found.labels == ("x", None)
    assert found.label_map == (("w", 0), ("x", 1))
    assert found.partitions == ("devel", None)
    assert found.n_folds == 0
    assert found.features[1].tolist() == [[2, 3], [6, 7], [10, 11]]


def embeddings():
    clips = (
        Clip("a", "a.wav", "dog", held_out=(1, 2), partition="train"),
        Clip("b", "b.wav", None, held_out=(), partition="test"),
    )
    rows = np.array([0, 0, 1])
    vectors = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    return EmbeddedClips(clips, vectors, rows, rows, rows, rows * 1.0, b"\1" * 32)


def test_embeddings_are_read_as_a_table(tmp_path):
    plain = EmbeddedClips(
        (Clip("a", "a.wav", "dog", 2), Clip("b", "b.wav", "cat", 1)),
        *(getattr(embeddings(), name) for name in EmbeddedClips.__slots__[1:]),
    )
    save_embeddings(tmp_path / "e.nc", plain)
    found = read_table(tmp_path / "e.nc")
    assert found.filenames == ("a.wav", "a.wav", "b.wav")
    assert found.chunk_numbers.tolist() == [0, 1, 0]
    assert found.labels == ("dog", "dog", "cat")
    assert found.held_out.astype(int).tolist() == [[0, 1], [0, 1], [1, 0]]
    assert found.attributes["model"] == "01" * 32
    assert "numpy" in found.attributes["versions"]
    assert "skipped" not in found.attributes
    assert np.array_equal(found.features, plain.vectors)


def test_overlapping_folds_and_partitions_of_clips_reach_the_table():
    from streamdeep_trainer.tables.clips import table_of_clips

    made = embeddings()
    found = table_of_clips(made.clips, made.clip_rows, made.vectors, attributes={})
    assert found.partitions == ("train", "train", "test")
    assert found.held_out.astype(int).tolist() == [[1, 1], [1, 1], [0, 0]]


def test_spectrograms_of_one_length_are_read_as_a_table_and_others_refused(tmp_path):
    from trainer_data import random_spectrograms

    made = random_spectrograms()
    save_spectrograms(tmp_path / "s.nc", made.only(np.array([0, 0])))
    found = read_table(tmp_path / "s.nc")
    assert found.feature_dims == ("time", "band")
    assert found.features.shape == (2, int(made.lengths[0]), 20)
    assert np.array_equal(found.features[1], made.values[: made.lengths[0]])
    assert found.attributes["sample_rate_hz"] == 8000
    assert found.attributes["frontend"] == made.frontend.model_dump(mode="json")
    save_spectrograms(tmp_path / "s.nc", made)
    with pytest.raises(ConfigurationError, match="a table needs one length"):
        read_table(tmp_path / "s.nc")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(SourceError, match="there is no file"):
        read_table(tmp_path / "t.nc")
    (tmp_path / "t.nc").write_bytes(b"CDF?")
    with pytest.raises(SourceError, match="not a netCDF file"):
        read_table(tmp_path / "t.nc")
    write_netcdf(tmp_path / "t.nc", {"x": (("a",), np.zeros(2))}, kind="levels", attributes={})
    with pytest.raises(ConfigurationError, match="is no table: it holds levels"):
        read_table(tmp_path / "t.nc")
    xarray.Dataset({"x": (("a",), np.zeros(2))}).to_netcdf(tmp_path / "t.nc", engine="h5netcdf")
    with pytest.raises(ConfigurationError, match="it holds no filename"):
        read_table(tmp_path / "t.nc")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cv_folds": (("instance", "fold"), np.full((2, 1), 2))}, "for every row and fold"),
        ({"cv_folds": (("instance", "fold"), np.array([[1.0], [np.nan]]))}, "for every row"),
        ({"partition": (("instance",), np.array([0, 3]))}, "the partition 3"),
        ({"chunk_nr": (("instance",), np.array([0.0, 0.5]))}, "no whole numbers"),
        ({"features": (("instance", "generated"), np.full((2, 3), np.nan))}, "no finite numbers"),
    ],
)
def test_values_without_meaning_are_refused(tmp_path, change, says):
    write_table(tmp_path / "t.nc", table_of("ab", folds=[(1,), ()]), form="audeep")
    with xarray.open_dataset(tmp_path / "t.nc", engine="h5netcdf") as dataset:
        dataset.load()
    dataset.assign(change).to_netcdf(tmp_path / "u.nc", engine="h5netcdf")
    with pytest.raises(ConfigurationError, match=says):
        read_table(tmp_path / "u.nc")


def test_what_audeep_cannot_hold_is_refused(tmp_path):
    from dataclasses import replace

    table = replace(table_of([None, None]), numeric_labels=np.array([0.5, 1.0]))
    write_table(tmp_path / "t.nc", table)
    assert_same(read_table(tmp_path / "t.nc"), table)
    with pytest.raises(ConfigurationError, match="whole numbers"):
        write_table(tmp_path / "t.nc", table, form="audeep")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (((), np.zeros((0, 1))), "at least one row"),
        ((("a",), np.full((1, 2), np.inf)), r"row 0 \(a\) has features"),
        ((("",), np.zeros((1, 1))), "cannot be a filename"),
        ((("a\0b",), np.zeros((1, 1))), "cannot be a filename"),
        ((("\udc80",), np.zeros((1, 1))), "not UTF-8"),
    ],
)
def test_a_table_that_no_file_could_hold_cannot_be_made(arguments, says):
    with pytest.raises(ConfigurationError, match=says):
        make_table(*arguments)


def test_columns_of_different_lengths_and_axes_with_taken_names_are_refused():
    with pytest.raises(ValueError, match="columns of"):
        make_table(("a", "b"), np.zeros((3, 1)))
    with pytest.raises(ConfigurationError, match="cannot be called"):
        make_table(("a",), np.zeros((1, 1)), feature_dims=("instance",))
    with pytest.raises(ConfigurationError, match="is no partition"):
        make_table(("a",), np.zeros((1, 1)), partitions=("dev",))
    with pytest.raises(ValueError, match="features are"):
        make_table(("a",), np.zeros((1, 1)), feature_dims=("time", "freq"))
    with pytest.raises(ConfigurationError, match="is taken"):
        write_table("t.nc", make_table(("a",), np.zeros((1, 1)), attributes={"label_map": 1}))


def test_a_table_is_frozen():
    with pytest.raises(AttributeError):
        TABLES["plain"].labels = ()
    assert isinstance(TABLES["plain"].only([1]), Table)
