"""One program at a time in a folder: a lock that goes away with whoever holds it, ``kill -9`` included."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamdeep.errors import ConfigurationError


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep others out of a folder.

    Raises:
        ConfigurationError: somebody else is in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(
                f"another program is at work in {folder}; wait for it, or choose another --out"
            ) from error
        yield
    finally:
        os.close(descriptor)
