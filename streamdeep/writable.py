"""Whether a file can be written where it is to go: asked before hours of work, not after them."""

import tempfile
from pathlib import Path

from streamdeep.errors import ConfigurationError


def refuse_unwritable(path: Path, option: str) -> None:
    """Try the folder that the file goes into, or the nearest above it that is there; nothing is left behind.

    Args:
        path: the file; folders that it lacks are made when it is written.
        option: what named it, for the message.

    Raises:
        ConfigurationError: it is a folder, or nothing can be written there.
    """
    place = next(parent for parent in path.absolute().parents if parent.exists())
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {path}: {error.strerror or error}; choose another {option}"
        ) from error
