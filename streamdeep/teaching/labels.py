"""Label files, read: Audacity's label track, CSV and JSON lines, as ``streamdeep classify --out`` writes them.

Seconds count from the source's first sample. What comes from another program may have fewer columns: a CSV needs
``label``, ``start_s`` and ``stop_s``. Of JSON lines the ends of sounds are read. Not here: how they are written
(:mod:`streamdeep.labelling.formats`).
"""

import csv
import io
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep.teaching.example import Meaning

BYTES_MOST: Final = 16 << 20
LABELS_MOST: Final = 100_000
_NOT: Final = "not "


@dataclass(frozen=True, slots=True)
class Label:
    """A labelled stretch.

    Attributes:
        meaning: ``not X`` as a label says what it is not.
        start_s: seconds from the source's first sample.
        stop_s: at least ``start_s``.
        stream: the stream's name, if the file gives one.
        exact: first sample, one past the last, and the rate that they count in, if the file gives them.
    """

    meaning: Meaning
    start_s: float
    stop_s: float
    stream: str = ""
    exact: tuple[int, int, int] | None = None

    def samples(self, rate_hz: int) -> tuple[int, int]:
        """First sample and one past the last, of a source of this rate; never empty."""
        if self.exact is not None and self.exact[2] == rate_hz:
            start, stop, _ = self.exact
        else:
            start, stop = round(self.start_s * rate_hz), round(self.stop_s * rate_hz)
        return start, max(stop, start + 1)


def read_labels(path: Path) -> list[Label]:
    """Read a label file, ``.txt`` (Audacity), ``.csv`` or ``.jsonl``.

    Raises:
        SourceError: it cannot be read, is too large, holds no label, or a line is no label; one line that says which.
        ConfigurationError: another ending.
    """
    readers = {".txt": _audacity, ".csv": _csv, ".jsonl": _json_lines}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise ConfigurationError(
            f"--labels {path}: the name must end in .txt (Audacity labels), .csv or .jsonl"
        )
    try:
        if path.stat().st_size > BYTES_MOST:
            raise SourceError(f"{path} is larger than {BYTES_MOST >> 20} MiB")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is no text in UTF-8") from error
    try:
        found = list(itertools.islice(_labels(readers[suffix](text), path), LABELS_MOST + 1))
    except csv.Error as error:
        raise SourceError(f"{path} is no CSV: {error}") from error
    if not 1 <= len(found) <= LABELS_MOST:
        raise SourceError(f"{path} holds no labels, or more than {LABELS_MOST}")
    return found


def _labels(lines: Iterator[tuple[int, Mapping[str, Any]]], path: Path) -> Iterator[Label]:
    for number, values in lines:
        try:
            yield _label(values)
        except (KeyError, TypeError, ValueError, OverflowError, ConfigurationError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else error
            raise SourceError(f"{path}, line {number}, is no label: {reason}") from error


def _audacity(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("\\"):  # the frequencies of a spectral selection
            yield (
                number,
                dict(zip(("start_s", "stop_s", "label"), line.split("\t", 2), strict=False)),
            )


def _csv(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text))
    for row in reader:
        yield reader.line_num, {key: value for key, value in row.items() if value}


def _json_lines(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            yield number, {}
        elif values.get("event", "end") == "end":
            yield number, values


def _label(values: Mapping[str, Any]) -> Label:
    start_s, stop_s = float(values["start_s"]), float(values["stop_s"])
    if not (0.0 <= start_s <= stop_s and math.isfinite(stop_s)):
        raise ValueError(f"from {start_s:g} s to {stop_s:g} s is no stretch of time")
    text = str(values["label"]).strip()
    other = text.removeprefix(_NOT)
    exact = None
    if {"start_sample", "n_samples", "sample_rate_hz"} <= values.keys():
        start, n_samples = int(values["start_sample"]), int(values["n_samples"])
        exact = (start, start + n_samples, int(values["sample_rate_hz"]))
    return Label(
        Meaning(other, negative=other != text),
        start_s,
        stop_s,
        str(values.get("stream", "")),
        exact,
    )
