"""Features as CSV and ARFF: round trips are exact for any text, and auDeep's mistakes are not ours."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables_data import as_rows, assert_same, table_of

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.tables.arff import read_arff
from streamdeep_trainer.tables.csvfile import read_csv
from streamdeep_trainer.tables.exporting import export_features
from streamdeep_trainer.tables.importing import ColumnNames, import_features
from streamdeep_trainer.tables.table import make_table, number_text

FORMS = ["csv", "arff"]
READERS = {"csv": read_csv, "arff": read_arff}

# Quotes, commas, braces, line ends, letters of all kinds; what no file can hold is refused by the table.
TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from("'\"\\,{}%? \n\r\t"),
    min_size=1,
    max_size=12,
)  # fmt: skip


@st.composite
def tables(draw):
    names = draw(st.lists(TEXT, min_size=1, max_size=4, unique=True))
    n_chunks = draw(st.integers(1, 3))
    labels = draw(st.lists(st.none() | TEXT, min_size=len(names), max_size=len(names)))
    n_values = draw(st.integers(1, 4))
    values = st.floats(width=32, allow_nan=False, allow_infinity=False)
    n_rows = len(names) * n_chunks
    features = draw(st.lists(values, min_size=n_rows * n_values, max_size=n_rows * n_values))
    table = make_table(
        [name for name in names for _ in range(n_chunks)],
        np.array(features, dtype=np.float32).reshape(n_rows, n_values),
        labels=[label for label in labels for _ in range(n_chunks)],
        chunk_numbers=list(range(n_chunks)) * len(names),
    )
    if draw(st.booleans()) and table.label_map is not None:  # labels without numbers
        table = replace(table, label_map=None, numeric_labels=np.full(n_rows, np.nan))
    elif draw(st.booleans()):  # values to predict instead of classes
        numbers = draw(st.lists(st.floats(allow_infinity=False), min_size=n_rows, max_size=n_rows))
        nothing = (None,) * n_rows
        table = replace(
            table, labels=nothing, label_map=None, numeric_labels=np.array(numbers, dtype=float)
        )
    return table


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=150, deadline=None)
@given(table=tables(), labels_last=st.booleans(), flat=st.booleans())
def test_any_table_reads_back_equal(tmp_path_factory, form, table, labels_last, flat):
    folder = tmp_path_factory.mktemp("features")
    (path,) = export_features(
        table, folder, name="t", form=form, labels_last=labels_last, flat=flat
    )
    assert_same(import_features(path), table, attributes=False)


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.sampled_from("ab") | st.none(), min_size=3, max_size=6),
    seed=st.integers(0, 99),
    form=st.sampled_from(FORMS),
)
def test_folds_and_partitions_read_back_equal(tmp_path_factory, labels, seed, form):
    """Overlapping folds too; only the order of rows is that of the folders."""
    random = np.random.default_rng(seed)
    folds = [tuple(np.flatnonzero(random.random(3) < 0.4) + 1) or (2,) for _ in labels]
    folds[0] = (1, 3)
    parts = [str(random.choice(["train", "devel", "test"])) for _ in labels]
    table = table_of(labels, n_chunks=2, folds=folds, partitions=parts)
    folder = tmp_path_factory.mktemp("features")
    export_features(table, folder, name="t", form=form)
    found = import_features(folder)
    assert as_rows(found) == as_rows(table)
    assert found.label_map == table.label_map


@pytest.mark.parametrize("number", [0.0, -0.0, -3.0, 1e300, 2.0**53, 0.1, 5e-324])
def test_numbers_read_back_equal(number):
    assert repr(float(number_text(number))) == repr(number)


def names_in(path):
    """Filenames and chunks of the rows of a feature file."""
    header, *rows = READERS[path.suffix[1:]](path)
    file, chunk = header.index("filename"), header.index("chunk_nr")
    return [(row[file], row[chunk]) for row in rows]


@pytest.mark.parametrize("form", FORMS)
def test_a_plain_table_is_written_in_the_format_that_was_asked_for(tmp_path, form):
    """auDeep writes CSV for data without folds and partitions, whatever was asked for."""
    (path,) = export_features(table_of("ab"), tmp_path, name="t", form=form)
    assert path.name == f"t.{form}"
    first = path.read_text().splitlines()[0]
    assert first.startswith("@RELATION" if form == "arff" else "filename,chunk_nr")


@pytest.mark.parametrize("form", FORMS)
def test_folds_within_partitions_hold_only_rows_of_both(tmp_path, form):
    """auDeep writes the whole fold into every partition."""
    table = table_of(
        "abab", folds=[(1,), (1,), (2,), (2,)], partitions=["train", "test", "train", "test"]
    )
    files = export_features(table, tmp_path, name="t", form=form)
    assert {path.relative_to(tmp_path).parent.as_posix(): names_in(path) for path in files} == {
        "train/fold_1": [("0.wav", "0")],
        "train/fold_2": [("2.wav", "0")],
        "test/fold_1": [("1.wav", "0")],
        "test/fold_2": [("3.wav", "0")],
    }


def test_fold_folders_hold_what_the_fold_holds_out(tmp_path):
    table = table_of("aba", n_chunks=2, folds=[(1,), (2,), (1,)])
    files = export_features(table, tmp_path, name="t", form="csv")
    assert [path.parent.name for path in files] == ["fold_1", "fold_2"]
    assert names_in(files[1]) == [("1.wav", "0"), ("1.wav", "1")]


@pytest.mark.parametrize("form", FORMS)
def test_chunk_numbers_come_back_as_chunk_numbers_and_not_as_a_feature(tmp_path, form):
    """auDeep gives 9 features instead of 8 after a round trip."""
    table = table_of("ab", n_chunks=3, shape=(8,))
    (path,) = export_features(table, tmp_path, name="t", form=form)
    found = import_features(path)
    assert found.features.shape == (6, 8)
    assert found.chunk_numbers.tolist() == [0, 1, 2, 0, 1, 2]


def test_chunks_of_one_file_may_come_from_several_files(tmp_path):
    """auDeep refuses filenames that occur in two feature files."""
    table = table_of("ab", n_chunks=2)
    export_features(table.only([0, 2]), tmp_path, name="first", form="csv")
    export_features(table.only([1, 3]), tmp_path, name="second", form="arff")
    assert as_rows(import_features(tmp_path)) == as_rows(table)


def test_headers(tmp_path):
    table = table_of("ba")
    (path,) = export_features(table, tmp_path, name="t", form="csv")
    assert path.read_text().splitlines()[0] == (
        "filename,chunk_nr,label_nominal,label_numeric,feature_0,feature_1,feature_2"
    )
    (path,) = export_features(table, tmp_path, name="t", form="csv", labels_last=True)
    assert path.read_text().splitlines()[0] == (
        "filename,chunk_nr,feature_0,feature_1,feature_2,label_nominal,label_numeric"
    )
    (path,) = export_features(table, tmp_path, name="t", form="arff")
    assert path.read_text().splitlines()[:8] == [
        "@RELATION t",
        "",
        "@ATTRIBUTE filename STRING",
        "@ATTRIBUTE chunk_nr INTEGER",
        "@ATTRIBUTE label_nominal {a, b}",
        "@ATTRIBUTE label_numeric INTEGER",
        "@ATTRIBUTE feature_0 REAL",
        "@ATTRIBUTE feature_1 REAL",
    ]


def test_features_of_several_axes_are_flattened_the_last_one_fastest(tmp_path):
    table = table_of("a", shape=(2, 3), dims=("time", "freq"))
    (path,) = export_features(table, tmp_path, name="t", form="csv")
    assert np.array_equal(import_features(path).features[0], table.features[0].ravel())


def test_rows_that_no_folder_would_hold_are_refused_unless_flat(tmp_path):
    never = table_of("ab", folds=[(1,), ()])
    with pytest.raises(ConfigurationError, match=r"1\.wav is held out in no fold"):
        export_features(never, tmp_path, name="t", form="csv")
    (path,) = export_features(never, tmp_path, name="t", form="csv", flat=True)
    assert_same(import_features(path), never, attributes=False)
    nowhere = table_of("ab", partitions=["train", None])
    with pytest.raises(ConfigurationError, match=r"1\.wav has no partition"):
        export_features(nowhere, tmp_path, name="t", form="arff")
    (path,) = export_features(nowhere, tmp_path, name="t", form="arff", flat=True)
    assert_same(import_features(path), nowhere, attributes=False)


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def test_files_of_other_programs(tmp_path):
    """No chunk numbers, no label numbers, other names, more columns: all are understood."""
    path = write(
        tmp_path, "t.csv", "file,f1,class,f2\na.wav,1,dog,2\na.wav,3,dog,4\nb.wav,5,cat,6\n"
    )
    found = import_features(path, columns=ColumnNames(filename="file", label="class"))
    assert found.filenames == ("a.wav", "a.wav", "b.wav")
    assert found.chunk_numbers.tolist() == [0, 1, 0]
    assert found.label_map == (("cat", 0), ("dog", 1))
    assert found.numeric_labels.tolist() == [1, 1, 0]
    assert found.features.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_rows_without_filenames_are_called_after_their_file(tmp_path):
    write(tmp_path, "fold_1/x.csv", "f\n1\n2\n")
    write(tmp_path, "fold_2/x.csv", "f\n3\n")
    found = import_features(tmp_path)
    assert found.filenames == ("fold_1/x_0", "fold_1/x_1", "fold_2/x_0")
    assert found.held_out.astype(int).tolist() == [[1, 0], [1, 0], [0, 1]]


ARFF = """% a comment
@relation 'of weka'
@Attribute 'file name' string
@attribute "class" {dog,'a cat', it\\'s}
@attribute f1 NUMERIC
@attribute f2 real

@data
% another
'x, y.wav', dog, 1, 2e3
"it's.wav",'a cat',-1 ,?
"""


def test_arff_of_other_programs(tmp_path):
    path = write(tmp_path, "t.arff", ARFF.replace("?", "0.5"))
    found = import_features(path, columns=ColumnNames(filename="file name", label="class"))
    assert found.filenames == ("x, y.wav", "it's.wav")
    assert found.labels == ("dog", "a cat")
    assert found.features.tolist() == [[1, 2000], [-1, 0.5]]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.csv", "filename,f\na,1\na,b,2\n", "a row of 3 cells"),
        ("t.csv", "filename,f\na,x\n", "row 1, has 'x' where a number is needed"),
        ("t.csv", "filename,f\na,\n", "an empty cell"),
        ("t.csv", "filename,f,f\na,1,2\n", "a column 'f' without a name of its own"),
        ("t.csv", "filename,label_nominal\na,b\n", "no columns of features"),
        ("t.csv", "filename,f\n", "no rows"),
        ("t.csv", "", "is empty"),
        ("t.csv", "filename,chunk_nr,f\na,0.5,1\n", "a whole number is needed"),
        ("t.csv", "filename,chunk_nr,f\na,,1\n", "has no chunk number"),
        ("t.csv", "filename,chunk_nr,f\na,0,1\na,0,1\n", "repeats chunk 0 of a"),
        ("t.csv", "filename,fold,f\na,0,1\n", "folds count from 1"),
        ("t.csv", "label_nominal,label_numeric,f\na,1,1\na,2,1\n", "gives 'a' the number 2"),
        ("t.csv", "filename,f\na,nan\n", "no finite numbers"),
        ("t.csv", "filename,partition,f\na,dev,1\n", "'dev' is no partition"),
        ("t.arff", ARFF, "an empty cell"),
        ("t.arff", "@relation x\n@data\n1\n", "no @attribute"),
        ("t.arff", "@relation x\n@attribute f real\n", "no @data"),
        ("t.arff", "@attribute f date\n@data\n1\n", "the type 'date'"),
        ("t.arff", "@attribute f\n@data\n1\n", "no attribute with a type"),
        ("t.arff", "@attribute f real\n@data\n{0 1}\n", "sparse row"),
        ("t.arff", "@attribute f real\n@data\n1,2\n", "has 2 cells; 1 are needed"),
        ("t.arff", "hello\n", "is not ARFF"),
    ],
)
def test_files_with_mistakes_are_refused_in_one_line(tmp_path, name, content, says):
    path = write(tmp_path, name, content)
    names = ColumnNames() if name == "t.csv" else ColumnNames("file name", label="class")
    with pytest.raises(ConfigurationError, match=says) as caught:
        import_features(path, columns=names)
    assert "\n" not in str(caught.value)


def test_files_that_contradict_each_other_are_refused(tmp_path):
    write(tmp_path, "fold_1/t.csv", "filename,chunk_nr,f\na,0,1\n")
    write(tmp_path, "fold_2/t.csv", "filename,chunk_nr,f\na,0,2\n")
    with pytest.raises(ConfigurationError, match="contradicts"):
        import_features(tmp_path)
    write(tmp_path, "fold_2/t.csv", "filename,chunk_nr,g\na,0,1\n")
    with pytest.raises(ConfigurationError, match="'g' instead of 'f'"):
        import_features(tmp_path)
    write(tmp_path, "fold_2/t.csv", "filename,chunk_nr,f,g\na,0,1,2\n")
    with pytest.raises(ConfigurationError, match="2 columns instead of 1"):
        import_features(tmp_path)


@pytest.mark.parametrize("beside", ["fold_1", "train"])
def test_files_beside_parts_are_refused(tmp_path, beside):
    write(tmp_path, "t.csv", "f\n1\n")
    write(tmp_path, f"{beside}/t.csv", "f\n2\n")
    with pytest.raises(ConfigurationError, match="in and beside"):
        import_features(tmp_path)


def test_nothing_to_import(tmp_path):
    with pytest.raises(SourceError, match="no file or folder"):
        import_features(tmp_path / "nowhere")
    with pytest.raises(SourceError, match=r"holds no \.csv"):
        import_features(tmp_path)
    with pytest.raises(SourceError, match="neither"):
        import_features(write(tmp_path, "t.txt", ""))
    (tmp_path / "t.csv").write_bytes(b"f\n\xff\n")
    with pytest.raises(SourceError, match="UTF-8"):
        import_features(tmp_path / "t.csv")
