"""ARFF, the text format of Weka: attributes with types, then cells; ``?`` is a missing one.

Cells are text here; what they mean, ``exporting`` and ``importing`` know. Weka's quoting: single or double
quotes, backslash before what would end them. Sparse rows, dates and relations within cells are refused.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.tables.csvfile import Row
from streamdeep_trainer.writing import writing

_PLAIN = re.compile(r"[^\s'\"\\%,{}?][^\s'\"\\%,{}]*")
_ESCAPES = {
    "\\": "\\\\", "'": "\\'", '"': '\\"', "%": "\\%", "\n": "\\n", "\r": "\\r", "\t": "\\t"
}  # fmt: skip
_UNESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_TOKEN = re.compile(
    r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^,]*?))\s*(,|$)""", re.DOTALL
)
_ATTRIBUTE = re.compile(
    r"""@attribute\s+(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\S+))\s+(.+)""", re.I | re.DOTALL
)
_TYPES = ("numeric", "real", "integer", "string")


def quote(text: str) -> str:
    """A value or name as ARFF has it, with quotes only where they are needed."""
    if _PLAIN.fullmatch(text) and text.isprintable():
        return text
    return "'" + "".join(_ESCAPES.get(letter, letter) for letter in text) + "'"


def nominal(values: Iterable[str]) -> str:
    """The type of an attribute that has one of these values."""
    return "{" + ", ".join(quote(value) for value in values) + "}"


def write_arff(
    path: Path,
    relation: str,
    attributes: Sequence[tuple[str, str]],
    rows: Iterable[Sequence[str | None]],
) -> None:
    """Write a table of text; rows are taken one by one.

    Args:
        path: where to.
        relation: what the file calls itself.
        attributes: name and type of each column, as ``REAL``, ``INTEGER``, ``STRING`` or :func:`nominal`.
        rows: cells, None where missing.
    """
    with writing(path), path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"@RELATION {quote(relation)}\n\n")
        for name, kind in attributes:
            file.write(f"@ATTRIBUTE {quote(name)} {kind}\n")
        file.write("\n@DATA\n")
        for row in rows:
            file.write(",".join("?" if cell is None else quote(cell) for cell in row) + "\n")


def read_arff(path: Path) -> Iterator[Row]:
    """The names, then the rows, one by one.

    Raises:
        SourceError: no such file, or not UTF-8 text.
        ConfigurationError: not ARFF, or a part of it that is not understood.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            yield from _parse(path, file)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is no text in UTF-8: {error}") from error


def _parse(path: Path, lines: Iterable[str]) -> Iterator[Row]:
    names: list[str | None] = []
    in_data = False
    for number, raw in enumerate(lines, start=1):
        line = raw.strip(" \t\r\n")
        if not line or line.startswith("%"):
            continue
        if not in_data:
            in_data = line.lower() == "@data"
            if in_data:
                if not names:
                    raise ConfigurationError(f"{path} has no @attribute before @data")
                yield names
            elif line.lower().startswith("@attribute"):
                names.append(_name(path, number, line))
            elif not line.lower().startswith("@relation"):
                raise ConfigurationError(f"{path}, line {number}, is not ARFF: {line[:40]!r}")
            continue
        if line.startswith("{"):
            raise ConfigurationError(
                f"{path}, line {number}, is a sparse row; write rows with all values"
            )
        cells = _cells(line)
        if cells is None or len(cells) != len(names):
            found = "cannot be understood" if cells is None else f"has {len(cells)} cells"
            raise ConfigurationError(f"{path}, line {number}, {found}; {len(names)} are needed")
        yield cells
    if not in_data:
        raise ConfigurationError(f"{path} has no @data; it is no ARFF file")


def _name(path: Path, number: int, line: str) -> str:
    found = _ATTRIBUTE.fullmatch(line)
    if found is None:
        raise ConfigurationError(f"{path}, line {number}, is no attribute with a type")
    kind = found[4].strip()
    if not kind.startswith("{") and kind.lower() not in _TYPES:
        raise ConfigurationError(
            f"{path}, line {number}, has the type {kind!r}; numbers, strings and {{...}} are understood"
        )
    quoted = found[1] if found[1] is not None else found[2]
    return found[3] if quoted is None else _unescape(quoted)


def _cells(line: str) -> Row | None:
    if "'" not in line and '"' not in line:  # rows of numbers, most of a file: four times as fast
        return [None if cell in ("?", "") else cell for cell in map(str.strip, line.split(","))]
    cells: Row = []
    at = 0
    while True:
        found = _TOKEN.match(line, at)
        if found is None:
            return None
        quoted = found[1] if found[1] is not None else found[2]
        if quoted is not None:
            cells.append(_unescape(quoted))
        else:
            cells.append(None if found[3] in ("?", "") else found[3])
        if not found[4]:
            return cells
        at = found.end()


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _UNESCAPES.get(found[1], found[1]), text, flags=re.DOTALL)
