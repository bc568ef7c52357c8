"""A data set to a file: what is skipped, kept, resumed and told, in one process and in several."""

import json
import signal
import sys

import numpy as np
import pytest
import soundfile
import typer

from streamdeep.errors import ConfigurationError, SourceError, StreamdeepError
from streamdeep_trainer.datasets.layouts import find_clips
from streamdeep_trainer.preprocess import run as run_module
from streamdeep_trainer.preprocess import survey as survey_module
from streamdeep_trainer.preprocess.options import PreprocessOptions
from streamdeep_trainer.preprocess.pool import KILLED, each
from streamdeep_trainer.preprocess.run import preprocess
from streamdeep_trainer.preprocess.store import read_preprocessed
from streamdeep_trainer.spectrogram_commands import register
from streamdeep_trainer.tables.checks import violations

OPTIONS = PreprocessOptions(n_bands=20, normaliser="segment", clip_below_db=-60)


def tone(duration_s, rate_hz=8000, pitch_hz=440.0):
    time_s = np.arange(int(duration_s * rate_hz)) / rate_hz
    random = np.random.default_rng(int(pitch_hz))
    return 0.3 * np.sin(2 * np.pi * pitch_hz * time_s) + 0.01 * random.standard_normal(len(time_s))


@pytest.fixture
def folder(tmp_path):
    """Six clips of two classes, 0.5 to 1 s."""
    place = tmp_path / "data"
    for label, pitch_hz in (("high", 1500.0), ("low", 300.0)):
        (place / label).mkdir(parents=True)
        for index in range(3):
            samples = tone(0.5 + 0.25 * index, pitch_hz=pitch_hz + index)
            soundfile.write(place / label / f"{index}.wav", samples, 8000)
    return place


@pytest.fixture
def out(tmp_path):
    return tmp_path / "x.nc"


@pytest.fixture
def command(capsys, monkeypatch):
    """The command in a program of its own: exit code, standard output, standard error."""
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["program", "spectrograms", *map(str, arguments)])
        try:
            app()
            code = 0
        except StreamdeepError as error:
            code = error.exit_code
            sys.stderr.write(f"{error}\n")
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_clips_of_different_lengths_are_padded_with_silence(folder, out):
    made = preprocess(find_clips(folder), OPTIONS, out=out)
    assert not out.with_name("x.nc.parts").exists()
    found = read_preprocessed(out)
    assert found.table.features.shape == (6, 24, 20)
    assert found.table.features.dtype == np.float32
    assert found.lengths.tolist() == made.lengths.tolist() == [11, 17, 24] * 2
    for row, length in zip(found.table.features, found.lengths, strict=True):
        assert (row[length:] == -1.0).all()
        assert row[:length].max() == 1.0
    assert found.table.filenames[0] == "high/0.wav"
    assert found.table.labels == ("high",) * 3 + ("low",) * 3
    assert found.table.label_map == (("high", 0), ("low", 1))
    assert found.table.feature_dims == ("time", "band")
    assert found.options == OPTIONS
    assert found.frontend == OPTIONS.frontend(8000)
    assert violations(found.table) == []


def test_chunks_are_rows(folder, out):
    options = PreprocessOptions(n_bands=20, chunk_length_s=0.2, chunk_count=2)
    preprocess(find_clips(folder), options, out=out)
    found = read_preprocessed(out)
    assert found.table.features.shape == (12, 5, 20)
    assert found.table.chunk_numbers.tolist() == [0, 1] * 6
    assert found.table.filenames[:2] == ("high/0.wav",) * 2
    assert violations(found.table) == []


def test_what_cannot_be_used_is_named_and_the_rest_is_written(folder, out):
    (folder / "low" / "9.wav").write_bytes(b"no sound at all")
    (folder / "low" / "8.wav").write_bytes(b"")
    soundfile.write(folder / "low" / "7.wav", tone(0.05), 8000)
    soundfile.write(folder / "low" / "6.wav", np.zeros(8000), 8000)
    made = preprocess(find_clips(folder), OPTIONS, out=out)
    reasons = dict(made.skipped)
    assert list(reasons) == ["low/7.wav", "low/8.wav", "low/9.wav"]
    assert "shorter than one frame of 0.08 s" in reasons["low/7.wav"]
    assert "0 bytes" in reasons["low/8.wav"]
    assert made.n_silent_rows == 1
    assert len(read_preprocessed(out).table) == 7


def test_a_file_that_breaks_the_front_end_stops_nothing(folder, out, monkeypatch):
    def rows_of(path, options, *, frontend):
        if path.name == "1.wav":
            raise RuntimeError("unheard of")
        return genuine(path, options, frontend=frontend)

    genuine = run_module.rows_of
    monkeypatch.setattr(run_module, "rows_of", rows_of)
    made = preprocess(find_clips(folder), OPTIONS, out=out)
    assert [name for name, _ in made.skipped] == ["high/1.wav", "low/1.wav"]
    assert "RuntimeError: unheard of" in made.skipped[0][1]


def test_nothing_is_written_if_nothing_can_be_used(tmp_path, out):
    (tmp_path / "data").mkdir()
    soundfile.write(tmp_path / "data" / "a.wav", tone(0.01), 8000)
    with pytest.raises(SourceError, match="none of the 1 clips can be used"):
        preprocess(find_clips(tmp_path / "data"), OPTIONS, out=out)
    (tmp_path / "data" / "a.wav").write_bytes(b"")
    with pytest.raises(SourceError, match="0 bytes"):
        preprocess(find_clips(tmp_path / "data"), OPTIONS, out=out)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_mixed_rates_are_refused_by_name_or_resampled(folder, out):
    soundfile.write(folder / "low" / "odd.wav", tone(0.5, 11025), 11025)
    with pytest.raises(ConfigurationError) as refused:
        preprocess(find_clips(folder), OPTIONS, out=out)
    assert "11025 Hz: low/odd.wav" in str(refused.value)
    assert "--rate 8000" in str(refused.value)
    resampled = OPTIONS.model_copy(update={"sample_rate_hz": 8000})
    made = preprocess(find_clips(folder), resampled, out=out)
    assert made.lengths.tolist() == [11, 17, 24, 11, 17, 24, 11]


def test_endless_padding_is_refused_before_the_work(folder, out, monkeypatch):
    monkeypatch.setattr(survey_module, "LARGEST_BYTES", 10_000)
    soundfile.write(folder / "low" / "long.wav", tone(30.0), 8000)
    with pytest.raises(ConfigurationError, match=r"low/long\.wav is 30 s long"):
        preprocess(find_clips(folder), OPTIONS, out=out)
    shorter = OPTIONS.model_copy(update={"fixed_length_s": 1.0})
    assert len(preprocess(find_clips(folder), shorter, out=out).lengths) == 7


def test_a_run_goes_on_where_it_was_killed(folder, out, monkeypatch):
    clips = find_clips(folder)
    preprocess(clips, OPTIONS, out=out.with_name("whole.nc"))
    computed = []

    def rows_of(path, options, *, frontend):
        computed.append(path)
        if len(computed) == 4:
            raise KeyboardInterrupt
        return genuine(path, options, frontend=frontend)

    genuine = run_module.rows_of
    monkeypatch.setattr(run_module, "rows_of", rows_of)
    with pytest.raises(KeyboardInterrupt):
        preprocess(clips, OPTIONS, out=out)
    parts = sorted(out.with_name("x.nc.parts").glob("*.npz"))
    assert len(parts) == 3
    assert not out.exists()

    parts[0].write_bytes(parts[0].read_bytes()[:100])  # a disk that lost its end
    soundfile.write(clips[0].path, tone(0.5, pitch_hz=1500.0), 8000)  # touched
    made = preprocess(clips, OPTIONS, out=out, resume=True)
    assert made.n_resumed in (1, 2)  # two, if the damaged one is the changed one's
    assert len(computed) == 4 + 6 - made.n_resumed
    assert not out.with_name("x.nc.parts").exists()
    np.testing.assert_array_equal(
        read_preprocessed(out).table.features,
        read_preprocessed(out.with_name("whole.nc")).table.features,
    )


def test_parts_of_other_options_are_not_used(folder, out, monkeypatch):
    clips = find_clips(folder)
    monkeypatch.setattr(run_module, "write_preprocessed", lambda *_, **__: 1 / 0)
    for out_of_two in (out, out.with_name("y.nc")):
        with pytest.raises(ZeroDivisionError):
            preprocess(clips, OPTIONS, out=out_of_two)
    monkeypatch.undo()
    other = OPTIONS.model_copy(update={"clip_below_db": -45.0})
    assert preprocess(clips, other, out=out, resume=True).n_resumed == 0
    assert preprocess(clips, OPTIONS, out=out.with_name("y.nc")).n_resumed == 0  # afresh
    assert not out.with_name("x.nc.parts").exists()
    assert not out.with_name("y.nc.parts").exists()


def test_results_are_kept_where_only_the_writing_failed(folder, out, monkeypatch):
    def no_room(*_, **__):
        raise OSError(28, "No space left on device", str(out))

    monkeypatch.setattr(run_module, "write_preprocessed", no_room)
    with pytest.raises(ConfigurationError, match="make room, go on with --resume"):
        preprocess(find_clips(folder), OPTIONS, out=out)
    monkeypatch.undo()
    assert preprocess(find_clips(folder), OPTIONS, out=out, resume=True).n_resumed == 6


def test_two_processes_give_what_one_gives(folder, out):
    (folder / "low" / "9.wav").write_bytes(b"no sound at all")
    soundfile.write(folder / "low" / "8.wav", tone(0.05), 8000)
    clips = find_clips(folder)
    alone = preprocess(clips, OPTIONS, out=out)
    together = preprocess(clips, OPTIONS, out=out.with_name("y.nc"), jobs=2)
    assert together.skipped == alone.skipped
    first, second = read_preprocessed(out), read_preprocessed(out.with_name("y.nc"))
    assert np.array_equal(first.table.features, second.table.features)
    assert first.table.filenames == second.table.filenames


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_task_that_kills_its_process_stops_no_other():
    tasks = [signal.SIGCONT, signal.SIGCONT, signal.SIGKILL, *[signal.SIGCONT] * 5]
    found = sorted(each(signal.raise_signal, tasks, jobs=2))
    assert [index for index, _ in found] == list(range(8))
    assert [index for index, result in found if result == KILLED] == [2]


def test_a_place_that_cannot_be_written_is_refused_before_the_work(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="choose another --out"):
        preprocess(find_clips(folder), OPTIONS, out=tmp_path / "file" / "x.nc")
    with pytest.raises(ConfigurationError, match="is a folder"):
        preprocess(find_clips(folder), OPTIONS, out=folder)


def test_the_command_of_audeeps_example(folder, out, command):
    options = "--window 0.08 --overlap 0.04 --mels 128 --clip-below -60 --fixed-length 5"
    audeeps = "--normaliser segment --pre-emphasis 0.95 --remove-mean --json"
    code, told, err = command(folder, "--out", out, *options.split(), *audeeps.split())
    assert (code, err) == (0, "")
    told = json.loads(told)
    assert (told["n_rows"], told["n_frames"], told["n_bands"]) == (6, 124, 128)
    found = read_preprocessed(out)
    assert found.table.features.shape == (6, 124, 128)
    assert found.frontend.pre_emphasis == 0.95
    assert found.frontend.remove_frame_mean
    assert found.options.scope == "file"


def test_the_command_ends_with_66_if_files_were_skipped(folder, out, command):
    (folder / "low" / "9.wav").write_bytes(b"no sound at all")
    code, told, err = command(
        folder, "--out", out, "--linear", "--window", "0.016", "--overlap", "0"
    )
    assert code == 66
    assert "skipped low/9.wav: " in err
    assert "n_skipped: 1" in told
    assert read_preprocessed(out).table.features.shape[2] == 65


@pytest.mark.parametrize("options", ["--fixed-length 1", "--normaliser segment --linear"])
def test_a_picture_shows_something(folder, out, command, options):
    from matplotlib.image import imread

    code, told, _ = command(folder, "--out", out, "--plot", 2, "--plot-only", *options.split())
    assert code == 0
    assert "x.2.png" in told
    assert not out.exists()
    image = imread(out.with_name("x.2.png"))
    assert image.shape[0] > 500
    assert len(np.unique(image.reshape(-1, image.shape[2]), axis=0)) > 100


def test_a_silent_clip_can_be_drawn(tmp_path, out, command):
    (tmp_path / "data").mkdir()
    soundfile.write(tmp_path / "data" / "a.wav", np.zeros(8000), 8000)
    for options in ("", "--normaliser segment"):
        code, told, _ = command(tmp_path / "data", "--out", out, "--plot", 0, *options.split())
        assert code == 0
        assert "n_silent_rows: 1" in told
        assert out.with_name("x.0.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ("--clip-below -60", 78, "--clip-below belongs to --normaliser segment"),
        ("--normaliser segment --floor -90", 78, "--floor belongs to --normaliser fixed"),
        ("--linear --mels 64", 78, "--linear has no Mel bands"),
        ("--mels 0", 78, "--mels: Input should be greater than or equal to 1"),
        ("--window 0.04 --overlap 0.04", 78, "needs a longer window"),
        ("--plot 6", 78, "count from 0 to 5"),
        ("--plot-only", 78, "needs --plot"),
        ("--layout nonsense", 78, "there is no layout"),
        ("--jobs 0", 2, "jobs"),
    ],
)
def test_mistakes_are_one_line(folder, out, command, options, code, message):
    found, _, err = command(folder, "--out", out, *options.split())
    assert found == code
    assert message in err
    assert err.count("\n") == 1 or code == 2
    assert not out.exists()
