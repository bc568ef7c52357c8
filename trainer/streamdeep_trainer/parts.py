"""What is finished of a data set, one small file of arrays per clip in a folder beside the result.

A part's name is a digest of all that decides its values, so a part is never taken for another: of a file that
has changed, or of other options. Written whole or not at all. Not here: when parts are made or read.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.datasets.clip import Clip


class Parts:
    """The folder ``<result>.parts``."""

    def __init__(self, out: Path, recipe: dict[str, Any]) -> None:
        """Name the folder; nothing is made yet.

        Args:
            out: where the result goes.
            recipe: options, front-end and versions: what decides the values beside the sound itself.
        """
        self._out = out
        self.folder = out.with_name(out.name + ".parts")
        self._recipe = json.dumps(recipe, sort_keys=True)

    def open(self, *, resume: bool) -> None:
        """Make the folder, and empty it unless what it holds is to be used.

        Raises:
            ConfigurationError: nothing can be written there.
        """
        if self._out.is_dir():
            raise ConfigurationError(f"{self._out} is a folder; --out names the file to write")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not resume:
                self._empty()
            probe = self.folder / ".probe.part"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise ConfigurationError(
                f"cannot write to {self.folder}: {error.strerror}; choose another --out"
            ) from error

    def remove(self) -> None:
        """Delete the parts, and the folder if there is nothing else in it."""
        self._empty()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def path_of(self, clip: Clip) -> Path:
        """Where a clip's part lies, or will."""
        try:
            state = clip.path.stat()
            seen = [state.st_size, state.st_mtime_ns]
        except OSError:
            seen = []
        text = json.dumps([clip.filename, seen, self._recipe])
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:40]}.npz"

    def _empty(self) -> None:
        for path in self.folder.iterdir():
            if path.suffix in (".npz", ".part"):
                path.unlink()


def write_part(path: Path, **arrays: NDArray[Any]) -> None:
    """Write what was computed of a clip, by name."""
    draft = path.with_suffix(f".{os.getpid()}.part")
    with draft.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    draft.replace(path)


def read_part(path: Path) -> dict[str, NDArray[Any]] | None:
    """Read it again; None if there is none, or it is damaged."""
    try:
        # Opened here: of a damaged file NumPy would leave its own handle open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
