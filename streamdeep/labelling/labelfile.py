"""Sounds into files, in the format that a file's name asks for; ``{stream}`` in it makes a file per stream."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from streamdeep.errors import ConfigurationError
from streamdeep.labelling.formats import FORMATS, Heard
from streamdeep.labelling.linefile import LineFile

FILES_MOST: Final = 512
"""A sender that invents streams must not use up all descriptors."""

_STREAM: Final = "{stream}"


class LabelFile:
    """One ``--out``.

    Args:
        pattern: a file name that ends in ``.txt`` (Audacity), ``.csv`` or ``.jsonl``.
        say: told in one line, once per file, what could not be written.

    Raises:
        ConfigurationError: another ending, or a file that cannot be written or holds something else.
    """

    def __init__(self, pattern: str, say: Callable[[str], None]) -> None:
        suffix = Path(pattern).suffix.lower()
        if suffix not in FORMATS:
            raise ConfigurationError(
                f"--out {pattern}: the name must end in .txt (Audacity labels), .csv or .jsonl"
            )
        self._pattern = pattern
        self._format = FORMATS[suffix]
        self._say = say
        self._files: dict[str, LineFile | None] = {}
        self._first_stream = ""
        if _STREAM not in pattern:
            self._files[""] = self._open("")  # a mistake is said now, not at the first sound

    @property
    def unwritten(self) -> int:
        """Lines that could not be written."""
        return sum(file.unwritten for file in self._files.values() if file is not None)

    def write(self, heard: Heard) -> None:
        """Write a change down, if the format has a line for it."""
        self._first_stream = self._first_stream or heard.stream
        shared = _STREAM not in self._pattern and heard.stream != self._first_stream
        line = self._format.line(heard, shared)
        file = self._file(heard.stream) if line else None
        if file is None:
            return
        if not file.write(line) and file.unwritten == 1:
            self._say(f"{file.path}: a label could not be written: {file.error}; going on")

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            if file is not None:
                file.close()

    def _file(self, stream: str) -> LineFile | None:
        key = stream if _STREAM in self._pattern else ""
        if key not in self._files:
            if len(self._files) == FILES_MOST:
                self._files[key] = None
                self._say(
                    f"--out {self._pattern}: no more than {FILES_MOST} files; {stream} and later streams have none"
                )
            if len(self._files) > FILES_MOST:
                return None
            try:
                self._files[key] = self._open(stream)
            except ConfigurationError as error:
                self._files[key] = None  # one stream's file must not end the others' labels
                self._say(str(error))
        return self._files[key]

    def _open(self, stream: str) -> LineFile:
        path = Path(self._pattern.replace(_STREAM, stream))
        return LineFile(path, header=self._format.header, recognises=self._format.recognises)
