"""Fixtures that several test modules share."""

import sys

import numpy as np
import pytest
import soundfile
from tiny import noise, tiny_content

from streamdeep.cli import main


@pytest.fixture
def model_path(tmp_path):
    path = tmp_path / "tiny.onnx"
    path.write_bytes(tiny_content())
    return path


@pytest.fixture
def sound_path(tmp_path):
    """Three seconds at 11,025 Hz in 16 bit: resampled, and no whole number of anything."""
    path = tmp_path / "sound.wav"
    soundfile.write(path, noise(33_000), 11025, subtype="PCM_16")
    return path


@pytest.fixture
def command(monkeypatch, capsys):
    """Run a command in this process: exit code, standard output, standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["streamdeep", *map(str, arguments)])
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        else:
            code = 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def write_sound(tmp_path):
    def write(name, samples, rate_hz=8000, **options):
        path = tmp_path / name
        soundfile.write(path, np.asarray(samples, dtype=np.float32), rate_hz, **options)
        return path

    return write
