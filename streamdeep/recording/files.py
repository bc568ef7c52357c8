"""A recording's files, in a folder or in an archive. Names from inside are never used as paths."""

import contextlib
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Protocol

from streamdeep.errors import SourceError
from streamdeep.recording.lines import DESCRIPTION

ARCHIVE_SUFFIX = ".sdrec"
MOST_MEMBERS = 1_000_000
_SEGMENT = re.compile(r"([0-9]{6,9})\.jsonl")


def segment_numbers(names: Iterable[str]) -> list[int]:
    """The segments that have an index among these files, in order."""
    found = (_SEGMENT.fullmatch(name) for name in names)
    return sorted({int(match[1]) for match in found if match})


class Files(Protocol):
    """A recording's files, by name."""

    def names(self) -> list[str]:
        """All names, in any order."""

    def open(self, name: str) -> contextlib.AbstractContextManager[IO[bytes]]:
        """A file's bytes."""

    def local(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """A file with a path, perhaps a copy that is gone afterwards."""

    def close(self) -> None:
        """Nothing more will be read."""


class FolderFiles:
    """Files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """All names, in any order."""
        return [path.name for path in self._folder.iterdir()]

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A file's bytes.

        Raises:
            OSError: it cannot be read, or is no regular file.
        """
        path = self._folder / name
        if path.exists() and not path.is_file():  # opening a pipe waits for a writer
            raise OSError(0, "it is no regular file")
        with path.open("rb") as file:
            yield file

    @contextlib.contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """The file itself."""
        yield self._folder / name

    def close(self) -> None:
        """Nothing stays open."""


class ArchiveFiles:
    """Files in a ZIP archive; sound files lie in it uncompressed, so none can be larger than the archive."""

    def __init__(self, path: Path) -> None:
        """Open an archive.

        Raises:
            OSError: it cannot be read.
            zipfile.BadZipFile: it is none.
        """
        self._archive = zipfile.ZipFile(path)
        self._members = {info.filename: info for info in self._archive.infolist()}
        if len(self._members) > MOST_MEMBERS:
            raise zipfile.BadZipFile(f"it holds {len(self._members)} files")

    def names(self) -> list[str]:
        """All names, in any order."""
        return list(self._members)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A file's bytes.

        Raises:
            OSError: there is none of this name, or it is damaged.
        """
        if name not in self._members:
            raise FileNotFoundError(2, "it is missing")
        try:
            with self._archive.open(self._members[name]) as file:
                yield file
        except (
            zipfile.BadZipFile,
            NotImplementedError,
            RuntimeError,
            EOFError,
            zlib.error,
        ) as error:
            raise OSError(0, str(error) or "it is damaged") from error

    @contextlib.contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """A copy among the temporary files.

        Raises:
            OSError: it is missing, damaged or compressed, or there is no room for it.
        """
        with tempfile.TemporaryDirectory(prefix="streamdeep-") as folder:
            path = Path(folder) / f"audio{Path(name).suffix}"
            with self.open(name) as packed, path.open("xb") as copy:
                if self._members[name].compress_type != zipfile.ZIP_STORED:
                    raise OSError(0, "it is compressed; sound files lie in a recording as they are")
                shutil.copyfileobj(packed, copy, 1 << 20)
            yield path

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()


def is_recording(path: Path) -> bool:
    """Whether this is a recording: a folder with a description, or an archive by its name."""
    if path.is_dir():
        return (path / DESCRIPTION).is_file()
    return path.suffix == ARCHIVE_SUFFIX and path.is_file()


def recordings_in(place: Path) -> list[Path]:
    """The recordings that lie in a folder, oldest first."""
    found = [path for path in place.iterdir() if is_recording(path)]
    return sorted(found, key=lambda path: (path.name.rpartition(".")[2], path.name))


def find_recording(path: Path) -> Path:
    """The one recording that is meant: this one, or the only one that lies in it.

    Raises:
        SourceError: there is none, or there are several.
    """
    if not path.exists():
        raise SourceError(f"there is no recording {path}")
    if is_recording(path):
        return path
    found = recordings_in(path) if path.is_dir() else []
    if len(found) == 1:
        return found[0]
    if not found:
        raise SourceError(
            f"{path} is no recording: it is no {ARCHIVE_SUFFIX} file and has no {DESCRIPTION}"
        )
    raise SourceError(
        f"{path} holds {len(found)} recordings; name one of them, for instance {found[-1]}"
    )
