"""A text file that grows by whole lines.

Each line is one write to a file opened for appending, without a buffer in between, so that what was written is there
when the writer is killed. A line that was cut off, by a full disk, a power failure, or a kill within the write
itself (*measured*: where a line crosses a memory page), is taken back before the next one is written or
when the file is next opened. Not here: what the lines say.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from streamdeep.errors import ConfigurationError

_FIRST_LINE_BYTES: Final = 65_536
_TAIL_BYTES: Final = 65_536


class LineFile:
    """A file of lines, opened for appending; made if it is not there.

    Args:
        path: where.
        header: its first line, with its end; empty for none.
        recognises: whether a first line that is there already belongs to such a file: nothing is ever
            appended to one of another kind.

    Attributes:
        unwritten: lines that could not be written, because the disk is full for instance.
        error: why the last one of these could not.

    Raises:
        ConfigurationError: it cannot be opened, or is something else.
    """

    def __init__(self, path: Path, *, header: str, recognises: Callable[[str], bool]) -> None:
        self.path: Final = path
        self.unwritten = 0
        self.error = ""
        self._descriptor = -1
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            if self._size() and not recognises(self._first_line()):
                raise ConfigurationError(
                    f"{path} is there and holds something else; choose another name"
                )
            self._take_back_rest()
            if header and not self._size():
                os.write(self._descriptor, header.encode())
        except OSError as error:
            self.close()
            raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error
        except ConfigurationError:
            self.close()
            raise

    def write(self, line: str) -> bool:
        """Append a line, with its end; False if it could not be written, whole or at all."""
        data = line.encode()
        try:
            written = os.write(self._descriptor, data)
        except OSError as error:
            written, self.error = 0, str(error.strerror)
        if written == len(data):
            return True
        if written:
            self.error = "no space left"
            os.ftruncate(self._descriptor, self._size() - written)
        self.unwritten += 1
        return False

    def close(self) -> None:
        """Close it; a second time does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def _first_line(self) -> str:
        start = os.pread(self._descriptor, _FIRST_LINE_BYTES, 0)
        return start.partition(b"\n")[0].decode(errors="replace")

    def _take_back_rest(self) -> None:
        """Cut off what follows the last end of a line."""
        offset = max(0, self._size() - _TAIL_BYTES)
        tail = os.pread(self._descriptor, _TAIL_BYTES, offset)
        end = tail.rfind(b"\n") + 1
        if tail and end != len(tail) and (end or not offset):
            os.ftruncate(self._descriptor, offset + end)
