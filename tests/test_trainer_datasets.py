"""Data sets: layouts are recognised, ambiguity is refused in one line, folds keep files whole."""

import numpy as np
import places
import pytest

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.folds import folds_of
from streamdeep_trainer.datasets.layouts import find_clips


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_esc_layout_gives_labels_and_folds(tmp_path):
    touch(
        tmp_path, "001 - Dog bark/1-12345-A.ogg", "001 - Dog bark/5-1-B.ogg", "002 - Rain/2-7-A.ogg"
    )
    touch(tmp_path, "README.md", ".git/config", ".git/1-1-A.ogg")
    found = [(clip.filename, clip.label, clip.fold) for clip in find_clips(tmp_path)]
    assert found == [
        ("001 - Dog bark/1-12345-A.ogg", "Dog bark", 1),
        ("001 - Dog bark/5-1-B.ogg", "Dog bark", 5),
        ("002 - Rain/2-7-A.ogg", "Rain", 2),
    ]


def test_esc10_itself():
    clips = find_clips(places.esc10())
    assert len(clips) == 400
    assert len({clip.label for clip in clips}) == 10
    assert np.bincount([clip.fold for clip in clips]).tolist() == [0, 80, 80, 80, 80, 80]


def test_an_esc_file_without_fold_is_refused(tmp_path):
    touch(tmp_path, "001 - Dog bark/bark.ogg")
    with pytest.raises(ConfigurationError, match="names no fold"):
        find_clips(tmp_path)


def test_class_folders_give_labels_without_folds(tmp_path):
    touch(tmp_path, "cat/a.wav", "cat/deep/b.flac", "dog/a.WAV", "dog/notes.txt", "empty/x.txt")
    found = [(clip.filename, clip.label, clip.fold) for clip in find_clips(tmp_path)]
    assert found == [
        ("cat/a.wav", "cat", None),
        ("cat/deep/b.flac", "cat", None),
        ("dog/a.WAV", "dog", None),
    ]


def test_files_side_by_side_have_no_labels(tmp_path):
    touch(tmp_path, "b.wav", "a.wav")
    assert [(clip.filename, clip.label) for clip in find_clips(tmp_path)] == [
        ("a.wav", None),
        ("b.wav", None),
    ]


@pytest.mark.parametrize(
    ("names", "error", "says"),
    [
        ((), SourceError, "no sound files"),
        (("readme.txt",), SourceError, "no sound files"),
        (("a.wav", "cat/b.wav"), ConfigurationError, "beside the folder 'cat'"),
        (("001 - Dog/1-1-A.ogg", "cat/b.wav"), ConfigurationError, "mixes ESC folders"),
    ],
)
def test_empty_and_ambiguous_folders_are_refused(tmp_path, names, error, says):
    with pytest.raises(error, match=says) as caught:
        find_clips(touch(tmp_path, *names))
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(SourceError, match="there is no folder"):
        find_clips(tmp_path / "nowhere")


def clips_of(labels, folds=None):
    folds = folds or [None] * len(labels)
    return [
        Clip(f"{row}", f"{row}", label, fold)
        for row, (label, fold) in enumerate(zip(labels, folds, strict=True))
    ]


def test_made_folds_are_stratified_and_repeatable():
    clips = clips_of(["a"] * 11 + ["b"] * 7)
    folds = folds_of(clips, n_folds=3, seed=4)
    for rows in (slice(0, 11), slice(11, 18)):
        counts = np.bincount(folds[rows], minlength=4)[1:]
        assert counts.max() - counts.min() <= 1
    assert np.array_equal(folds, folds_of(clips, n_folds=3, seed=4))
    assert not np.array_equal(folds, folds_of(clips, n_folds=3, seed=5))


def test_official_folds_are_kept():
    assert folds_of(clips_of("abab", [3, 1, 1, 3]), n_folds=5, seed=0).tolist() == [3, 1, 1, 3]


@pytest.mark.parametrize(
    ("clips", "says"),
    [
        (clips_of("ab", [1, None]), "and some have none"),
        (clips_of(["a", None]), "needs labels"),
        (clips_of("aab"), "the class 'b' has 1 clips"),
    ],
)
def test_folds_that_cannot_be_made_are_refused(clips, says):
    with pytest.raises(ConfigurationError, match=says):
        folds_of(clips, n_folds=2, seed=0)
