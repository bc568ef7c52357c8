"""One HTML file: light and dark as the reader prefers, for a phone and for paper too, and nothing loaded from elsewhere."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from streamdeep.errors import ConfigurationError

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --dim: #5a6675; --paper: #ffffff; --card: #f4f6f8;
  --grid: #dde2e8; --c0: #1f6feb; --c1: #c2410c; --warn: #8a5a00; --lost: #c2410c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --dim: #9aa6b4; --paper: #12161c; --card: #1b212a;
  --grid: #313a46; --c0: #6cb0ff; --c1: #ff9a5c; --warn: #f0c05a; --lost: #ff9a5c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 46rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
body.broad { max-width: 72rem; }
h1 { font-size: 1.4rem; margin: .5rem 0; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin: 2rem 0 .3rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .2rem; }
.sentence { font-size: 1.15rem; background: var(--card); padding: 1rem; border-radius: .5rem; }
.warn { color: var(--warn); } p, dd { margin: .3rem 0; } dt { color: var(--dim); } dd { overflow-wrap: anywhere; }
.note { color: var(--dim); font-size: .9rem; max-width: 46rem; }
svg { width: 100%; max-width: 36rem; height: auto; margin: .5rem 0; display: block; font-size: 11px; }
svg.time { max-width: none; min-width: 40rem; margin: .2rem 0; } svg.map { max-width: 40rem; }
svg text { fill: var(--dim); } .grid { stroke: var(--grid); } .limit { stroke: var(--c1); stroke-dasharray: 5 4; }
.full { fill: var(--c0); } .pale { fill: var(--c0); opacity: .35; } .lost { fill: var(--lost); opacity: .55; }
.line { fill: none; stroke-width: 2; } .line.c0 { stroke: var(--c0); } .line.c1 { stroke: var(--c1); }
svg.time .line { stroke-width: 1.3; }
circle { stroke-width: 2; } circle.c0 { fill: var(--c0); stroke: var(--c0); } circle.hollow { fill: var(--paper); }
svg.map { border: 1px solid var(--grid); } svg.map circle { stroke: var(--paper); stroke-width: .5; }
svg.map circle:hover { stroke: var(--ink); stroke-width: 2; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 50%; margin: 0 .3em 0 .8em; }
.key.c0 { background: var(--c0); } .key.c1 { background: var(--c1); }
.legend { list-style: none; padding: 0; margin: .3rem 0; columns: 12rem; } .legend .key { margin-left: 0; }
output { display: block; min-height: 1.5em; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .5rem; border-bottom: 1px solid var(--grid); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { font-weight: 600; color: var(--dim); font-size: .85rem; }
td.why { white-space: normal; min-width: 15rem; text-align: left; }
@media (max-width: 32rem) { table { font-size: .8rem; } th, td { padding: .25rem .3rem; } }
@media print { body, body.broad { max-width: none; padding: 0; } .wide { overflow: visible; }
  svg.time { min-width: 0; } svg, tr, .sentence { break-inside: avoid; } h2 { break-after: avoid; }
  * { print-color-adjust: exact; } }
"""


def document(title: str, parts: Iterable[str], *, broad: bool = False) -> str:
    """The whole file.

    Args:
        title: of the window, text.
        parts: HTML, one after another.
        broad: as wide as a screen is.
    """
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head>",
            f"<body{' class=broad' if broad else ''}>",
            *parts,
            "</body></html>",
        )
    )


def write_page(path: Path, text: str) -> None:
    """Write a page, and the folders that it lacks; an old file stays whole until the new one is.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    draft = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        if draft.is_file():
            draft.unlink()
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of text; a last column without a name may be long."""
    heads = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{' class=why' if column == len(row) - 1 and not head[column] else ''}>{escape(cell)}</td>"
            for column, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{heads}</tr>{body}</table></div>'


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and what is to be said about them."""
    return (
        "<dl>"
        + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
        + "</dl>"
    )
