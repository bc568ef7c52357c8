"""A user's own layout: a function from a folder to clips, in a Python file or an installed package.

``path/to/file.py:function`` runs that file, with all that it may do: name only files that you trust. A
package offers a function by the entry point group ``streamdeep.datasets``.
"""

import importlib.util
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from streamdeep.errors import ConfigurationError, SourceError, StreamdeepError
from streamdeep_trainer.datasets.clip import PARTITIONS, Clip

GROUP = "streamdeep.datasets"


def offered() -> list[str]:
    """The layouts that installed packages offer."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def own_clips(folder: Path, reader: str) -> list[Clip]:
    """What a user's function finds in a folder.

    Args:
        folder: is handed to the function.
        reader: ``file.py:function``, or the name of an entry point.

    Raises:
        SourceError: no such file.
        ConfigurationError: no such function or entry point, it fails, or gives something else than clips.
    """
    function = _from_file(reader) if ":" in reader else _from_package(reader)
    try:
        found: Iterable[Any] = function(folder)
        clips = list(found)
    except StreamdeepError:
        raise
    except Exception as error:
        raise ConfigurationError(f"{reader} failed: {type(error).__name__}: {error}") from error
    for clip in clips:
        if not isinstance(clip, Clip):
            raise ConfigurationError(
                f"{reader} gave a {type(clip).__name__}; it should give streamdeep_trainer.datasets.clip.Clip"
            )
        if clip.partition is not None and clip.partition not in PARTITIONS:
            raise ConfigurationError(
                f"{reader} gave {clip.filename} the partition {clip.partition!r}; use {', '.join(PARTITIONS)}"
            )
    return clips


def _from_file(reader: str) -> Callable[[Path], Iterable[Any]]:
    name, _, function_name = reader.rpartition(":")
    path = Path(name)
    if not path.is_file():
        raise SourceError(f"there is no file {path} to read the data set with")
    spec = importlib.util.spec_from_file_location(f"streamdeep_reader_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path} is no Python file; name it like reader.py:function")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigurationError(
            f"{path} cannot be run: {type(error).__name__}: {error}"
        ) from error
    return _callable(getattr(module, function_name, None), reader)


def _from_package(reader: str) -> Callable[[Path], Iterable[Any]]:
    found = [point for point in entry_points(group=GROUP) if point.name == reader]
    if len(found) != 1:
        raise ConfigurationError(
            f"{len(found)} installed packages offer the layout {reader!r}; one is needed"
        )
    try:
        function = found[0].load()
    except Exception as error:
        raise ConfigurationError(
            f"{reader} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    return _callable(function, reader)


def _callable(function: Any, reader: str) -> Callable[[Path], Iterable[Any]]:
    if not callable(function):
        raise ConfigurationError(f"{reader} names no function; write it like reader.py:function")
    checked: Callable[[Path], Iterable[Any]] = function
    return checked
