"""Tools on tables: fusing, checking, splitting, upsampling, describing; auDeep's mistakes are not ours."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables_data import assert_same, table_of

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.tables.checks import CONSTRAINTS, violations
from streamdeep_trainer.tables.describe import describe_row, describe_table
from streamdeep_trainer.tables.fuse import fuse_chunks, fuse_tables
from streamdeep_trainer.tables.splits import (
    add_folds,
    add_partitions,
    remove_folds,
    remove_partitions,
)
from streamdeep_trainer.tables.upsample import upsample

# Fusing


def test_features_of_several_tables_stand_side_by_side():
    first, second = table_of("abab", shape=(8,)), table_of("abab", shape=(4,), seed=1)
    found = fuse_tables([first, second, first])
    assert found.features.shape == (4, 20)
    assert np.array_equal(found.features[:, 8:12], second.features)
    assert_same(replace(found, features=first.features), first, attributes=False)
    assert [one["seed"] for one in found.attributes["fused"]] == [0, 1, 0]


def test_an_axis_is_chosen_where_there_are_several():
    tables = [table_of("ab", shape=(3, n), dims=("time", "freq"), seed=n) for n in (2, 4)]
    found = fuse_tables(tables, dimension="freq")
    assert np.array_equal(found.features[:, :, 2:], tables[1].features)
    with pytest.raises(ConfigurationError, match="choose one with --dimension time"):
        fuse_tables(tables)
    with pytest.raises(
        ConfigurationError, match=r"features are \[3, 2\] of time, freq and \[3, 4\]"
    ):
        fuse_tables(tables, dimension="time")


BASE = table_of("ab", folds=[(1,), (2,)], partitions=["train", "test"])


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (BASE.only([0]), "they have 2 and 1 rows"),
        (BASE.only([1, 0]), r"row 0 has the filename '0\.wav' in one and '1\.wav' in the other"),
        (replace(BASE, chunk_numbers=np.array([0, 5])), "row 1 has the chunk 0 in one and 5"),
        (replace(BASE, labels=("a", "a")), "row 1 has the label 'b' in one and 'a'"),
        (replace(BASE, numeric_labels=np.array([0, np.nan])), "row 1 has the numeric label"),
        (replace(BASE, label_map=(("a", 0), ("b", 2))), "labels have different numbers"),
        (
            replace(BASE, partitions=("train", None)),
            "row 1 has the partition 'test' in one and None",
        ),
        (replace(BASE, held_out=~BASE.held_out), "row 0 has the folds"),
        (remove_folds(BASE), "they have 2 and 0 folds"),
    ],
)
def test_tables_of_other_rows_are_refused_with_the_difference(other, says):
    with pytest.raises(ConfigurationError, match=says) as caught:
        fuse_tables([BASE, BASE, other])
    assert "tables 1 and 3" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_table_alone_is_not_fused():
    with pytest.raises(ConfigurationError, match="two tables or more"):
        fuse_tables([BASE])


def test_chunks_are_put_in_the_order_of_their_numbers():
    table = table_of("ab", n_chunks=3, shape=(8,), folds=[(1,), (2,)])
    found = fuse_chunks(table.only([2, 4, 0, 5, 1, 3]))
    assert found.filenames == ("0.wav", "1.wav")
    assert found.chunk_numbers.tolist() == [0, 0]
    assert np.array_equal(found.features, table.features.reshape(2, 24))
    assert np.array_equal(found.held_out, table.held_out[[0, 3]])
    assert found.attributes["chunks_fused"] == 3


def test_chunks_are_fused_along_the_axis_that_is_chosen():
    table = table_of("a", n_chunks=2, shape=(3, 4), dims=("time", "freq"))
    assert fuse_chunks(table, dimension="time").features.shape == (1, 6, 4)
    found = fuse_chunks(table, dimension="freq").features
    assert np.array_equal(found[0, :, 4:], table.features[1])


def test_files_with_other_numbers_of_chunks_are_not_fused():
    with pytest.raises(ConfigurationError, match=r"1\.wav has 2 chunks; most files have 3"):
        fuse_chunks(table_of("abc", n_chunks=3).only([0, 1, 2, 3, 4, 6, 7, 8]))


# Checking

GOOD = table_of("aab", n_chunks=2, folds=[(1,), (2,), (1,)], partitions=["train", "test", "train"])


def changed(name, row, value):
    values = getattr(GOOD, name)
    if isinstance(values, tuple):
        return replace(GOOD, **{name: (*values[:row], value, *values[row + 1 :])})
    copy = values.copy()
    copy[row] = value
    return replace(GOOD, **{name: copy})


def test_a_good_table_has_no_violations():
    assert violations(GOOD) == []
    assert violations(table_of([None, "a"])) == []


@pytest.mark.parametrize(
    ("table", "constraints"),
    [
        (changed("labels", 1, "b"), [CONSTRAINTS[0], CONSTRAINTS[4]]),
        (changed("labels", 1, None), [CONSTRAINTS[0], CONSTRAINTS[4]]),
        (changed("numeric_labels", 1, 1.0), [CONSTRAINTS[1], CONSTRAINTS[4]]),
        (changed("numeric_labels", 1, np.nan), [CONSTRAINTS[1], CONSTRAINTS[4]]),
        (changed("held_out", 3, True), [CONSTRAINTS[2]]),
        (changed("partitions", 0, "devel"), [CONSTRAINTS[3]]),
        (changed("partitions", 0, None), [CONSTRAINTS[3]]),
        (replace(GOOD, label_map=(("a", 0), ("c", 1))), [CONSTRAINTS[4]] * 2),
        (GOOD.only([0, 1, 2, 3, 4]), [CONSTRAINTS[5]]),
        (changed("chunk_numbers", 1, 0), [CONSTRAINTS[6]]),
        (changed("chunk_numbers", 5, 7), [CONSTRAINTS[6]]),
    ],
)
def test_each_constraint_is_checked_for_each_row(table, constraints):
    found = violations(table)
    assert [one.constraint for one in found] == constraints
    assert all(one.filename in one.message for one in found)


def test_every_violation_is_listed():
    broken = replace(GOOD, chunk_numbers=np.full(6, 3), partitions=("train", "test") * 3)
    assert Counter(one.constraint for one in violations(broken)) == {
        CONSTRAINTS[3]: 3,
        CONSTRAINTS[6]: 3,
    }


# Folds and partitions


def files_per(table, groups):
    """Files of each class in each group; a file in two groups fails."""
    found = {}
    for name, rows in table.rows_by_file().items():
        (group,) = {groups[row] for row in rows}
        found.setdefault((table.labels[rows[0]], group), set()).add(name)
    return {key: len(names) for key, names in found.items()}


@given(
    counts=st.lists(st.integers(3, 9), min_size=1, max_size=4),
    n_chunks=st.integers(1, 3),
    n_folds=st.integers(2, 3),
    seed=st.integers(0, 1000),
)
def test_folds_are_stratified_keep_files_whole_and_do_not_overlap(counts, n_chunks, n_folds, seed):
    labels = [label for label, n in zip("abcd", counts, strict=False) for _ in range(n)]
    table = table_of(labels, n_chunks=n_chunks)
    found = add_folds(table, n_folds, seed=seed)
    assert (found.held_out.sum(axis=1) == 1).all()
    groups = found.held_out.argmax(axis=1)
    per_class = files_per(found, groups)
    for label in set(labels):
        sizes = [per_class.get((label, fold), 0) for fold in range(n_folds)]
        assert max(sizes) - min(sizes) <= 1
    totals = np.bincount(groups, minlength=n_folds) // n_chunks
    assert max(totals) - min(totals) <= 1
    assert_same(remove_folds(found), table)


@given(
    counts=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    n_chunks=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_partitions_are_stratified_and_keep_files_whole(counts, n_chunks, seed):
    labels = [label for label, n in zip("abcd", counts, strict=False) for _ in range(n)]
    table = table_of(["x"] * 10 + labels, n_chunks=n_chunks)
    shares = {"train": 3.0, "devel": 1.0, "test": 1.0}
    found = add_partitions(table, shares, seed=seed)
    per_class = files_per(found, found.partitions)
    for label in set(table.labels):
        n_files = table.labels.count(label) / n_chunks
        for name, share in shares.items():
            assert abs(per_class.get((label, name), 0) - share / 5.0 * n_files) < 1.0
    assert_same(remove_partitions(found), table)


def test_labelled_data_is_stratified_over_partitions():
    """auDeep deals 6 + 6 files as 2/2, 1/3 and 3/1."""
    found = add_partitions(table_of("a" * 6 + "b" * 6), {"train": 1, "devel": 1, "test": 1}, seed=3)
    assert set(files_per(found, found.partitions).values()) == {2}


def test_chunked_data_gets_partitions():
    """auDeep leaves chunks without any."""
    found = add_partitions(table_of("abab", n_chunks=3), {"train": 1, "test": 1}, seed=0)
    assert set(found.partitions) == {"train", "test"}
    assert files_per(found, found.partitions) == {
        (label, part): 1 for label in "ab" for part in ("train", "test")
    }


def test_unlabelled_data_gets_partitions_and_folds():
    """auDeep crashes."""
    table = table_of([None] * 6)
    found = add_partitions(table, {"train": 2, "test": 1}, seed=0)
    assert Counter(found.partitions) == {"train": 4, "test": 2}
    assert add_folds(table, 3, seed=0).held_out.sum(axis=0).tolist() == [2, 2, 2]


def test_the_seed_decides():
    table = table_of("ab" * 20)
    drawn = [add_folds(table, 4, seed=seed).held_out for seed in (1, 1, 2)]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda: add_folds(BASE, 2, seed=0), "has 2 folds; remove them first"),
        (lambda: add_folds(table_of("ab"), 1, seed=0), "1 folds are too few"),
        (
            lambda: add_folds(table_of("aab"), 2, seed=0),
            "as many files of the class 'b'; there are 1",
        ),
        (lambda: add_folds(table_of([None]), 2, seed=0), "files without a label"),
        (lambda: add_folds(remove_folds(changed("labels", 0, "b")), 2, seed=0), "several labels"),
        (lambda: add_partitions(BASE, {"train": 1}, seed=0), "has partitions; remove them"),
        (lambda: add_partitions(table_of("a"), {"dev": 1}, seed=0), "'dev' is no partition"),
        (lambda: add_partitions(table_of("a"), {"train": 0}, seed=0), "a number above 0"),
        (lambda: add_partitions(table_of("a"), {"train": 1, "test": 1}, seed=0), "'test' would be"),
    ],
)
def test_splits_that_cannot_be_made_are_refused(change, says):
    with pytest.raises(ConfigurationError, match=says):
        change()


# Upsampling


@given(
    counts=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    n_chunks=st.integers(1, 2),
    seed=st.integers(0, 100),
)
def test_classes_are_exactly_balanced(counts, n_chunks, seed):
    """auDeep copies every file of a class equally often, so that 3 and 2 stay 3 and 2."""
    labels = [label for label, n in zip("abcd", counts, strict=False) for _ in range(n)]
    table = table_of(
        labels, n_chunks=n_chunks, folds=[(1 + row % 2,) for row in range(len(labels))]
    )
    found = upsample(table, seed=seed)
    assert set(Counter(found.labels).values()) == {max(counts) * n_chunks}
    assert_same(found.only(range(len(table))), table)
    assert violations(found) == []
    originals = {(name, int(chunk)): row for row, (name, chunk) in enumerate(zip(table.filenames, table.chunk_numbers, strict=True))}  # fmt: skip
    for row in range(len(table), len(found)):
        name, _, number = found.filenames[row].rpartition(".copy")
        original = originals[name, int(found.chunk_numbers[row])]
        assert int(number) >= 1
        assert np.array_equal(found.features[row], table.features[original])
        assert np.array_equal(found.held_out[row], table.held_out[original])


def test_files_that_are_not_copied_keep_their_names():
    """auDeep renames them too, even where every file is there once."""
    table = table_of("abab")
    assert_same(upsample(table, seed=0), table)


def test_only_the_chosen_partitions_are_balanced_each_by_itself():
    table = table_of(
        ["a", "a", "b", "a", "b", "b", None, None],
        partitions=["train"] * 3 + ["devel"] * 3 + ["test"] * 2,
    )
    found = upsample(table, seed=0, partitions=["train"])
    assert found.filenames[8:] == ("2.wav.copy1",)
    assert found.partitions[8:] == ("train",)
    both = upsample(table, seed=0, partitions=["train", "devel"])
    assert Counter(zip(both.partitions, both.labels, strict=True)) == {
        ("train", "a"): 2, ("train", "b"): 2, ("devel", "a"): 2, ("devel", "b"): 2, ("test", None): 2
    }  # fmt: skip


def test_the_seed_chooses_the_extra_copies():
    table = table_of("a" * 30 + "b" * 20)
    names = [upsample(table, seed=seed).filenames for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]


def test_upsampling_that_cannot_be_done_is_refused():
    table = table_of(["a", "a", None], partitions=["train", "train", "test"])
    with pytest.raises(ConfigurationError, match=r"2\.wav has no label"):
        upsample(table, seed=0)
    with pytest.raises(ConfigurationError, match="no rows in the partition 'devel'"):
        upsample(table, seed=0, partitions=["devel"])
    once = upsample(table_of("aab"), seed=0)
    longer = replace(once, labels=(*once.labels[:3], "a"))
    with pytest.raises(ConfigurationError, match="has been upsampled before"):
        upsample(longer, seed=0)


# Describing


def test_a_table_in_figures():
    found = describe_table(GOOD)
    assert (found["n_rows"], found["n_files"], found["chunks_per_file"]) == (6, 3, [2, 2])
    assert found["features"] == {"generated": 3}
    assert found["labels"] == {"a": 4, "b": 2}
    assert found["partitions"] == {"train": 4, "test": 2}
    assert found["folds"] == [
        {"fold": 1, "train": 2, "held_out": 4},
        {"fold": 2, "train": 4, "held_out": 2},
    ]
    assert found["overlapping_folds"] is False
    assert found["attributes"]["sample_rate_hz"] == 8000
    assert describe_table(table_of("ab", folds=[(1, 2), ()]))["overlapping_folds"] is True
    assert describe_table(table_of("ab"))["partitions"] == {}
    mixed = describe_table(table_of("ab", partitions=["test", None]))
    assert mixed["partitions"] == {"test": 1, "": 1}


def test_one_row():
    found = describe_row(GOOD, 3)
    assert (found["filename"], found["chunk"], found["label"]) == ("1.wav", 1, "a")
    assert (found["numeric_label"], found["partition"], found["held_out_in"]) == (0.0, "test", [2])
    assert found["features"] == GOOD.features[3].tolist()
    assert describe_row(table_of([None]), 0)["numeric_label"] is None
    with pytest.raises(ConfigurationError, match="no row 6; the table has rows 0 to 5"):
        describe_row(GOOD, 6)
    with pytest.raises(ConfigurationError, match="no row -1"):
        describe_row(GOOD, -1)
