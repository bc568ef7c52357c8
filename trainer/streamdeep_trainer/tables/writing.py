"""What cannot be written, said in one line: every file that a table command makes is opened in here."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamdeep.errors import ConfigurationError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Write a file in this block; its folder is made first.

    Raises:
        ConfigurationError: it is a folder, lies below a file, may not be written, or there is no room.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {path}: {error.strerror or error}; choose another --out, or make room"
        ) from error
