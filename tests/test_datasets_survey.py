"""A survey says what a folder holds and everything that is likely to be a mistake."""

import shutil

import numpy as np
import pytest
import soundfile
from tables_data import write_audio, write_audios

from streamdeep.errors import SourceError
from streamdeep_trainer.datasets.survey import survey


@pytest.fixture
def folder(tmp_path):
    write_audio(tmp_path / "dog" / "short.wav", n_samples=400)
    write_audio(tmp_path / "dog" / "long.flac", n_samples=8820, rate_hz=44100, n_channels=2, seed=1)
    write_audio(tmp_path / "cat" / "a.mp3", n_samples=8000, seed=2)
    shutil.copy(tmp_path / "dog" / "short.wav", tmp_path / "cat" / "copy.wav")
    (tmp_path / "cat" / "broken.wav").write_bytes(b"no sound at all")
    (tmp_path / "cat" / "notes.txt").write_text("x")
    (tmp_path / "bird").mkdir()
    soundfile.write(tmp_path / "dog" / "silent.wav", np.zeros(800), 8000)
    return tmp_path


def test_figures(folder):
    found = survey(folder)
    assert found.layout == "classes"
    assert found.n_clips == 6
    assert found.labels == {"cat": 3, "dog": 3}
    assert found.sample_rates_hz == {8000: 4, 44100: 1}
    assert found.channels == {1: 4, 2: 1}
    assert (found.shortest_s, found.longest_s) == (0.05, 1.0)
    assert found.folds == {}
    assert found.partitions == {}


def test_mistakes_are_said(folder):
    found = survey(folder)
    assert [name for name, _ in found.unreadable] == ["cat/broken.wav"]
    assert found.silent == ("dog/silent.wav",)
    assert found.duplicates == (("cat/copy.wav", "dog/short.wav"),)
    assert found.other_files == ("cat/notes.txt",)
    assert found.empty_folders == ("bird",)


def test_sound_that_a_table_does_not_name_is_said(tmp_path):
    write_audios(tmp_path, "a.wav", "b.wav")
    (tmp_path / "manifest.csv").write_text("filename,label,fold,partition\na.wav,,1 2,train\n")
    found = survey(tmp_path)
    assert found.unused == ("b.wav",)
    assert found.labels == {"": 1}
    assert found.folds == {1: 1, 2: 1}
    assert found.partitions == {"train": 1}
    assert survey(tmp_path / "manifest.csv").n_clips == 1


def test_a_truncated_file_is_as_long_as_its_samples(tmp_path):
    path = write_audio(tmp_path / "a.wav", n_samples=8000)
    path.write_bytes(path.read_bytes()[:4000])
    found = survey(tmp_path)
    assert found.n_clips == 1
    assert found.longest_s < 0.5


def test_nothing_to_look_at(tmp_path):
    with pytest.raises(SourceError, match="no sound files"):
        survey(tmp_path)
