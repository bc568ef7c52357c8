"""What cannot be written, said in one line: before the work, or when it happens."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamdeep.errors import ConfigurationError


@contextmanager
def writing(path: Path, *, n_bytes: int = 0) -> Iterator[None]:
    """Write a file in this block; its folder is made first.

    Args:
        path: the file.
        n_bytes: that it will have at least; refused at once where there is no such room. HDF5 brings the
            program down when it meets a full disk.

    Raises:
        ConfigurationError: it is a folder, lies below a file, may not be written, or there is no room.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(path.parent).free < n_bytes:
            raise OSError(errno.ENOSPC, "no room")
        yield
    except OSError as error:
        raise _refusal(path, error) from error


def check_writable(path: Path) -> None:
    """Refuse before the work what could not be written after it; nothing is made.

    Raises:
        ConfigurationError: it is a folder, lies below a file, or may not be written.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        place = next(parent for parent in path.absolute().parents if parent.exists())
        if not place.is_dir():
            raise NotADirectoryError(0, f"{place} is no folder")
        if not os.access(place, os.W_OK):
            raise PermissionError(0, f"the folder {place} may not be written to")
    except OSError as error:
        raise _refusal(path, error) from error


def write_text(path: Path, text: str) -> None:
    """Write so that a crash leaves the old file or the new one."""
    draft = path.with_suffix(path.suffix + ".part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _refusal(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"cannot write {path}: {reason_of(error)}; choose another --out, or make room"
    )


def reason_of(error: OSError) -> str:
    """What the system said, on one line; HDF5 has several of its own around it."""
    if error.errno:
        return os.strerror(error.errno)
    return " ".join((error.strerror or str(error)).split())
