"""A recording as one file: a ZIP archive of its files, which any program unpacks to the same recording."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep.recording.files import segment_numbers
from streamdeep.recording.lines import DESCRIPTION
from streamdeep.recording.segment import segment_name


def pack(
    folder: Path,
    out: Path,
    *,
    first_segment: int = 1,
    progress: Callable[[float], None] = lambda part: None,
) -> int:
    """Put a recording into an archive that only its owner may read.

    Sound files go in as they are, indexes compressed.

    Args:
        folder: the recording.
        out: a file that is not there yet; it appears when it is complete.
        first_segment: earlier ones are left out.
        progress: told how much is done, from 0 to 1.

    Returns:
        How many segments were packed.

    Raises:
        SourceError: a file cannot be read.
        ConfigurationError: ``out`` is there already, or cannot be written.
    """
    if out.exists():
        raise ConfigurationError(f"{out} is there already; choose another name")
    numbers = [
        number
        for number in segment_numbers(path.name for path in folder.iterdir())
        if number >= first_segment
    ]
    draft = out.with_name(f".{out.name}.part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            archive.write(folder / DESCRIPTION, DESCRIPTION)
            for done, number in enumerate(numbers):
                progress(done / len(numbers))
                for suffix in ("jsonl", "flac", "wav"):
                    name = segment_name(number, suffix)
                    if (folder / name).is_file():
                        method = zipfile.ZIP_DEFLATED if suffix == "jsonl" else zipfile.ZIP_STORED
                        archive.write(folder / name, name, method)
        draft.replace(out)
    except OSError as error:
        draft.unlink(missing_ok=True)
        at_fault = Path(error.filename or out)
        kind = SourceError if at_fault.parent == folder else ConfigurationError
        raise kind(f"cannot pack {at_fault}: {error.strerror or error}") from error
    progress(1.0)
    return len(numbers)
