"""Data that only the developers' machines have; tests that need it skip with a reason elsewhere."""

import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("STREAMDEEP_TEST_DATA", ROOT.parent / "shared" / "data"))


def esc10() -> Path:
    folder = DATA / "esc10"
    if not folder.is_dir():
        pytest.skip("ESC-10 is not here (set STREAMDEEP_TEST_DATA to a folder that holds esc10/)")
    return folder


def audeep_golden() -> np.lib.npyio.NpzFile:
    path = DATA / "audeep_golden.npz"
    if not path.is_file():
        pytest.skip(
            "audeep_golden.npz is not here (set STREAMDEEP_TEST_DATA to the folder that holds it)"
        )
    return np.load(path)
