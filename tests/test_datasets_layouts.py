"""Layouts: each published one is read with its labels, folds and partitions, and doubt is refused."""

import numpy as np
import pytest
from tables_data import write_audio, write_audios

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.folds import folds_of, held_out_in
from streamdeep_trainer.datasets.layouts import LAYOUTS, detect_layout, find_clips


def text(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return folder


def said(clips):
    return [(clip.filename, clip.label, clip.fold, clip.partition) for clip in clips]


def esc50(folder):
    write_audios(folder, "audio/1-100-A-0.wav", "audio/5-200-A-10.wav", "audio/2-300-A-3.wav")
    return text(
        folder,
        "meta/esc50.csv",
        "filename,fold,target,category,esc10,src_file,take\n"
        "1-100-A-0.wav,1,0,dog,True,100,A\n"
        "5-200-A-10.wav,5,10,rain,True,200,A\n"
        "2-300-A-3.wav,2,3,cow,False,300,A\n",
    )


def tut(folder, trained):
    """Three clips; ``trained`` names those of each fold's training list."""
    names = ["audio/b020_90_100.wav", "audio/b021_0_10.wav", "audio/c1.wav"]
    labels = ["beach", "beach", "cafe/restaurant"]
    write_audios(folder, *names)
    rows = zip(names, labels, ["b020", "b021", "c1"], strict=True)
    text(folder, "meta.txt", "".join("\t".join(row) + "\n" for row in rows))
    for fold, rows in enumerate(trained, start=1):
        lines = "".join(f"{names[row]}\t{labels[row]}\n" for row in rows)
        text(folder, f"evaluation_setup/fold{fold}_train.txt", lines)
    return folder


def urbansound8k(folder):
    write_audios(folder, "audio/fold1/7061-6-0-0.wav", "audio/fold10/1-3-0-0.wav")
    return text(
        folder,
        "metadata/UrbanSound8K.csv",
        "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
        "7061-6-0-0.wav,7061,0.0,0.5,1,1,6,gun_shot\n"
        "1-3-0-0.wav,1,0.0,4.0,1,10,3,dog_bark\n",
    )


def compare(folder, tables, names=("devel_01.wav", "test_01.wav", "train_01.wav", "train_02.wav")):
    write_audios(folder / "wav", *names)
    for name, content in tables.items():
        text(folder / "lab", name, content)
    return folder


def test_esc50_as_it_is_today_and_its_esc10_subset(tmp_path):
    esc50(tmp_path)
    assert detect_layout(tmp_path) == "esc50"
    assert said(find_clips(tmp_path)) == [
        ("audio/1-100-A-0.wav", "dog", 1, None),
        ("audio/5-200-A-10.wav", "rain", 5, None),
        ("audio/2-300-A-3.wav", "cow", 2, None),
    ]
    assert [clip.label for clip in find_clips(tmp_path, "esc10")] == ["dog", "rain"]


def test_the_old_esc_layout_takes_wav_and_keeps_the_same_name_in_two_classes(tmp_path):
    write_audios(
        tmp_path, "001 - Dog bark/1-1-A.wav", "002 - Rain/1-1-A.wav", "002 - Rain/2-2-A.ogg"
    )
    found = said(find_clips(tmp_path))
    assert found == [
        ("001 - Dog bark/1-1-A.wav", "Dog bark", 1, None),
        ("002 - Rain/1-1-A.wav", "Rain", 1, None),
        ("002 - Rain/2-2-A.ogg", "Rain", 2, None),
    ]


def test_tut_2017_has_one_fold_per_clip_where_its_lists_say_so(tmp_path):
    tut(tmp_path, [(1, 2), (0, 2), (0, 1), (0, 1, 2)])
    clips = find_clips(tmp_path)
    assert detect_layout(tmp_path) == "tut2017"
    assert said(clips) == [
        ("audio/b020_90_100.wav", "beach", 1, None),
        ("audio/b021_0_10.wav", "beach", 2, None),
        ("audio/c1.wav", "cafe/restaurant", 3, None),
    ]
    assert {clip.held_out for clip in clips} == {None}


def test_tut_2017_with_overlapping_folds(tmp_path):
    tut(tmp_path, [(1, 2), (2,), (0, 1, 2), (0, 2)])
    clips = find_clips(tmp_path)
    assert [clip.held_out for clip in clips] == [(1, 2), (2, 4), ()]
    assert {clip.fold for clip in clips} == {None}
    matrix = held_out_in(clips, n_folds=0, seed=0)
    assert matrix.astype(int).tolist() == [[1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]]
    with pytest.raises(ConfigurationError, match="official folds overlap"):
        folds_of(clips, n_folds=2, seed=0)


def test_tut_2017_refuses_a_list_with_a_file_that_meta_does_not_know(tmp_path):
    tut(tmp_path, [(0,), (1,), (2,), (0,)])
    text(tmp_path, "evaluation_setup/fold3_train.txt", "audio/other.wav\tbeach\n")
    with pytest.raises(ConfigurationError, match=r"names audio/other\.wav"):
        find_clips(tmp_path)


def test_urbansound8k(tmp_path):
    urbansound8k(tmp_path)
    assert detect_layout(tmp_path) == "urbansound8k"
    assert said(find_clips(tmp_path)) == [
        ("audio/fold1/7061-6-0-0.wav", "gun_shot", 1, None),
        ("audio/fold10/1-3-0-0.wav", "dog_bark", 10, None),
    ]


@pytest.mark.parametrize("name", ["genres", "genres_original"])
def test_gtzan(tmp_path, name):
    write_audios(tmp_path, f"{name}/blues/blues.00000.au", f"{name}/jazz/jazz.00000.wav")
    assert detect_layout(tmp_path) == "gtzan"
    assert said(find_clips(tmp_path)) == [
        (f"{name}/blues/blues.00000.au", "blues", None, None),
        (f"{name}/jazz/jazz.00000.wav", "jazz", None, None),
    ]
    # the same as class folders, where somebody has unpacked them like this
    assert [clip.label for clip in find_clips(tmp_path / name)] == ["blues", "jazz"]


def test_partitions(tmp_path):
    write_audios(tmp_path, "train/dog/a.wav", "train/cat/b.flac", "devel/dog/c.ogg", "test/d.mp3")
    assert detect_layout(tmp_path) == "partitions"
    assert said(find_clips(tmp_path)) == [
        ("devel/dog/c.ogg", "dog", None, "devel"),
        ("test/d.mp3", None, None, "test"),
        ("train/cat/b.flac", "cat", None, "train"),
        ("train/dog/a.wav", "dog", None, "train"),
    ]


def test_fold_folders_where_audeep_stops_with_an_error(tmp_path):
    """auDeep's reader of this layout can never run: "object of type 'method' has no len()"."""
    write_audios(tmp_path, "fold_1/dog/a.wav", "fold_2/cat/a.wav", "fold_2/dog/b.wav")
    assert detect_layout(tmp_path) == "folds"
    assert said(find_clips(tmp_path)) == [
        ("fold_1/dog/a.wav", "dog", 1, None),
        ("fold_2/cat/a.wav", "cat", 2, None),
        ("fold_2/dog/b.wav", "dog", 2, None),
    ]


def test_ten_folds_are_in_the_order_of_their_numbers(tmp_path):
    write_audios(tmp_path, *(f"fold_{fold}/dog/a.wav" for fold in range(1, 12)))
    assert [clip.fold for clip in find_clips(tmp_path)] == list(range(1, 12))


def test_a_manifest_with_all_its_columns(tmp_path):
    write_audios(tmp_path, "a.wav", "deep/b, 2.wav", "c.wav")
    text(
        tmp_path,
        "manifest.csv",
        '\ufefffilename,label,fold,partition\na.wav,dog,1,train\n"deep/b, 2.wav",,2,test\nc.wav,"é, ""x""",1,\n',
    )
    found = said(find_clips(tmp_path))
    assert found == [
        ("a.wav", "dog", 1, "train"),
        ("deep/b, 2.wav", None, 2, "test"),
        ("c.wav", 'é, "x"', 1, None),
    ]
    assert said(find_clips(tmp_path / "manifest.csv")) == found


def test_a_manifest_can_have_overlapping_folds_and_any_name(tmp_path):
    write_audios(tmp_path, "a.wav", "b.wav", "c.wav")
    text(tmp_path, "mine.csv", "filename,label,fold\na.wav,x,1 2\nb.wav,x,2\nc.wav,y,-\n")
    clips = find_clips(tmp_path / "mine.csv")
    assert [clip.held_out for clip in clips] == [(1, 2), (2,), ()]


@pytest.mark.parametrize(
    ("rows", "error", "says"),
    [
        ("a.wav,dog,1,\na.wav,dog,1,\n", ConfigurationError, r"names a\.wav 2 times"),
        ("z.wav,dog,1,\n", SourceError, r"names 1 of 1 files that are not there, the first z\.wav"),
        ("a.wav,dog,1,dev\n", ConfigurationError, "the partition 'dev'"),
        ("a.wav,dog,0,\n", ConfigurationError, "folds are whole numbers from 1"),
        ("a.wav,dog,1,\nb.wav,dog,,\n", ConfigurationError, r"no fold to b\.wav"),
        ("a.wav,dog\n", ConfigurationError, "row 2, has 2 cells; its header has 4"),
    ],
)
def test_a_manifest_with_mistakes_is_refused(tmp_path, rows, error, says):
    write_audios(tmp_path, "a.wav", "b.wav")
    text(tmp_path, "manifest.csv", "filename,label,fold,partition\n" + rows)
    with pytest.raises(error, match=says) as caught:
        find_clips(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_manifest_without_its_columns_is_refused(tmp_path):
    text(tmp_path, "manifest.csv", "file;label\na.wav;dog\n")
    with pytest.raises(ConfigurationError, match="has no column 'filename'"):
        find_clips(tmp_path)


@pytest.mark.parametrize(
    ("task", "column", "suffix"),
    [
        ("AtypicalAffect", "emotion", ""),
        ("Crying", "label", "_confidential"),
        ("Heartbeat", "label", ".confidential"),
        ("SelfAssessedAffect", "Valence", ""),
    ],
)
def test_compare_2018(tmp_path, task, column, suffix):
    rows = f"file_name\t{column}\ntrain_01.wav\tx\ntrain_02.wav\ty\ndevel_01.wav\tx\n"
    compare(tmp_path, {f"ComParE2018_{task}{suffix}.tsv": rows})
    assert detect_layout(tmp_path) == "compare2018"
    assert said(find_clips(tmp_path)) == [
        ("wav/devel_01.wav", "x", None, "devel"),
        ("wav/test_01.wav", None, None, "test"),
        ("wav/train_01.wav", "x", None, "train"),
        ("wav/train_02.wav", "y", None, "train"),
    ]


def test_compare_2018_prefers_the_confidential_table_and_refuses_two_tasks(tmp_path):
    open_rows = "file_name\tlabel\ntrain_01.wav\tx\n"
    compare(
        tmp_path,
        {
            "ComParE2018_Crying.tsv": open_rows,
            "ComParE2018_Crying_confidential.tsv": open_rows + "test_01.wav\ty\n",
        },
    )
    assert ("wav/test_01.wav", "y", None, "test") in said(find_clips(tmp_path))
    text(tmp_path, "lab/ComParE2018_Heartbeat.tsv", open_rows)
    with pytest.raises(ConfigurationError, match="several tasks: Crying, Heartbeat"):
        find_clips(tmp_path)


@pytest.mark.parametrize("table", ["labels.csv", "labels_confidential.csv"])
def test_compare_2019_and_2020(tmp_path, table):
    compare(tmp_path, {table: "file_name,label\ntrain_01.wav,clear\ntest_01.wav,?\n"})
    assert detect_layout(tmp_path) == "compare2019"
    assert [(clip.label, clip.partition) for clip in find_clips(tmp_path)] == [
        (None, "devel"),
        (None, "test"),
        ("clear", "train"),
        (None, "train"),
    ]


def test_compare_2020_elderly_which_audeep_cannot_import(tmp_path):
    """auDeep's reader of it ends in a TabError; ours reads valence, and arousal by name."""
    compare(
        tmp_path,
        {"labels.csv": "partition,filename_audio,A_cat,V_cat\ntrain,train_01.wav,L,H\n"},
        names=("train_01.wav",),
    )
    assert find_clips(tmp_path)[0].label == "H"
    assert find_clips(tmp_path, "compare2020-arousal")[0].label == "L"


def test_compare_2021(tmp_path):
    compare(
        tmp_path,
        {
            "train.csv": "filename,label\ntrain_01.wav,a\ntrain_02.wav,b\n",
            "devel.csv": "filename,label\ndevel_01.wav,a\n",
            "test.csv": "filename,label\ntest_01.wav,?\n",
        },
    )
    assert detect_layout(tmp_path) == "compare2021"
    assert [(clip.label, clip.partition) for clip in find_clips(tmp_path)] == [
        ("a", "devel"),
        (None, "test"),
        ("a", "train"),
        ("b", "train"),
    ]


@pytest.mark.parametrize(
    ("table", "error", "says"),
    [
        ("file_name,label\nmissing.wav,a\n", SourceError, r"the first missing\.wav"),
        ("file_name,class\ntrain_01.wav,a\n", ConfigurationError, "no column label or emotion"),
        ("file_name,label\ntrain_01.wav,a\ntrain_01.wav,b\n", ConfigurationError, "two labels"),
    ],
)
def test_a_compare_table_with_mistakes_is_refused(tmp_path, table, error, says):
    compare(tmp_path, {"labels.csv": table})
    with pytest.raises(error, match=says):
        find_clips(tmp_path)


def test_unlabelled_folders_are_walked_for_all_formats(tmp_path):
    names = ["a.wav", "b.flac", "deep/c.ogg", "deep/er/d.mp3"]
    write_audios(tmp_path, *names, ".hidden/e.wav")
    text(tmp_path, "notes.txt", "no sound")
    assert said(find_clips(tmp_path, "unlabelled")) == [(name, None, None, None) for name in names]


def reader(folder, code):
    text(folder, "reader.py", "from streamdeep_trainer.datasets.clip import Clip\n" + code)
    return f"{folder / 'reader.py'}:read"


def test_a_readers_own_layout_from_a_file(tmp_path):
    write_audio(tmp_path / "a-dog.wav")
    name = reader(
        tmp_path,
        "def read(folder):\n"
        "    for path in folder.glob('*.wav'):\n"
        "        yield Clip(path, path.name, path.stem.split('-')[1], 1, 'train')\n",
    )
    assert said(find_clips(tmp_path, name)) == [("a-dog.wav", "dog", 1, "train")]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("def read(folder):\n    return ['a.wav']\n", "gave a str"),
        ("def read(folder):\n    return 1 / 0\n", "failed: ZeroDivisionError"),
        ("read = 3\n", "names no function"),
        ("import nonsense_that_is_not_there\n", "cannot be run: ModuleNotFoundError"),
        (
            "def read(folder):\n    return [Clip(folder, 'a', partition='dev')]\n",
            "the partition 'dev'",
        ),
        ("def read(folder):\n    return [Clip(folder, 'a')] * 2\n", "1 filenames twice"),
    ],
)
def test_a_readers_mistakes_are_one_line(tmp_path, code, says):
    with pytest.raises(ConfigurationError, match=says) as caught:
        find_clips(tmp_path, reader(tmp_path, code))
    assert "\n" not in str(caught.value)


def test_a_reader_that_gives_nothing_or_is_missing(tmp_path):
    with pytest.raises(SourceError, match="no sound files"):
        find_clips(tmp_path, reader(tmp_path, "def read(folder):\n    return []\n"))
    with pytest.raises(SourceError, match="there is no file"):
        find_clips(tmp_path, f"{tmp_path}/nowhere.py:read")


def test_an_installed_package_offers_a_layout_by_its_entry_point(tmp_path, monkeypatch):
    site = tmp_path / "site"
    code = "from streamdeep_trainer.datasets.clip import Clip\n"
    code += "def read(folder):\n    return [Clip(folder / 'a.wav', 'a.wav', 'dog')]\n"
    text(site, "offered_layout.py", code)
    text(site, "offered-1.dist-info/METADATA", "Name: offered\nVersion: 1\n")
    points = "[streamdeep.datasets]\nmine = offered_layout:read\nbad = offered_layout:nothing\n"
    text(site, "offered-1.dist-info/entry_points.txt", points)
    monkeypatch.syspath_prepend(site)
    assert said(find_clips(tmp_path, "mine")) == [("a.wav", "dog", None, None)]
    with pytest.raises(ConfigurationError, match="bad cannot be imported"):
        find_clips(tmp_path, "bad")
    with pytest.raises(ConfigurationError, match=r"there is no layout 'yours'.*mine"):
        find_clips(tmp_path, "yours")


def test_a_layout_that_nobody_knows_is_refused_with_those_that_are(tmp_path):
    with pytest.raises(ConfigurationError, match=r"no layout 'esc51'.*urbansound8k"):
        find_clips(tmp_path, "esc51")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("train/a.wav", "tram/b.wav"), None),  # a vehicle, not a partition
        (("train/a.wav", "test/b.wav"), "--layout partitions or --layout classes"),
        (("fold_1/a.wav", "fold_2/b.wav"), "--layout folds or --layout classes"),
        (("fold_1/dog/a.wav", "fold_3/dog/b.wav"), "lacks sound in fold_2"),
        (("fold_1/dog/a.wav", "cat/b.wav"), "is no fold"),
        (("001 - Dog/1-1-A.wav", "fold_1/dog/b.wav"), "fits the layouts 'esc'.*and 'folds'"),
        (("train/dog/a.wav", "train/b.wav"), "beside the folder 'dog'"),
        (("lab/a.wav", "wav/b.wav"), "has 'lab' as data sets with tables do"),
        (("meta/a.wav", "audio/b.wav"), "has 'meta' as data sets with tables do"),
        (("genres/a/b.wav", "genres_original/a/b.wav"), "it holds 2 of them"),
    ],
)
def test_doubt_is_refused_with_what_to_say_instead(tmp_path, names, says):
    write_audios(tmp_path, *names)
    if says is None:
        assert [clip.label for clip in find_clips(tmp_path)] == ["train", "tram"]
        return
    with pytest.raises(ConfigurationError, match=says) as caught:
        find_clips(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_fits_two_layouts_is_read_when_one_is_chosen(tmp_path):
    esc50(tmp_path)
    text(tmp_path, "manifest.csv", "filename,label\naudio/1-100-A-0.wav,bark\n")
    with pytest.raises(ConfigurationError, match="choose one with --layout esc50"):
        find_clips(tmp_path)
    assert [clip.label for clip in find_clips(tmp_path, "manifest")] == ["bark"]
    assert len(find_clips(tmp_path, "esc50")) == 3


@pytest.mark.parametrize("name", sorted(set(LAYOUTS) - {"manifest"}))
def test_an_empty_folder_is_no_data_set_in_any_layout(tmp_path, name):
    """auDeep takes an empty folder for ESC with no files at all."""
    with pytest.raises((SourceError, ConfigurationError)):
        find_clips(tmp_path, name)


def test_missing_files_are_counted(tmp_path):
    esc50(tmp_path)
    (tmp_path / "audio" / "1-100-A-0.wav").unlink()
    with pytest.raises(SourceError, match=r"1 of 3 files.*1-100-A-0\.wav"):
        find_clips(tmp_path)


def test_a_file_in_place_of_a_folder_is_refused(tmp_path):
    with pytest.raises(SourceError, match="is a file"):
        find_clips(write_audio(tmp_path / "a.wav"), "classes")


def test_clips_that_do_not_all_have_folds_of_one_kind_are_refused():
    clips = [Clip("a", "a", "x", held_out=(1,)), Clip("b", "b", "x", 1)]
    with pytest.raises(ConfigurationError, match="b does not say"):
        held_out_in(clips, n_folds=2, seed=0)


def test_folds_of_single_clips_as_a_matrix():
    clips = [Clip("a", "a", "x", 2), Clip("b", "b", "x", 1)]
    assert np.array_equal(held_out_in(clips, n_folds=5, seed=0), [[False, True], [True, False]])
