"""The page's files, read once: names in, bytes and types out. Nothing else can be asked for."""

from dataclasses import dataclass
from importlib import resources
from typing import Final

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
ENTRY: Final = "index.html"


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file.

    Attributes:
        content: its bytes.
        media_type: for the header ``Content-Type``.
    """

    content: bytes
    media_type: str


def read_pages() -> dict[str, PageFile]:
    """Every file of the page by its name."""
    folder = resources.files("streamdeep.dashboard") / "page"
    found = {}
    for file in folder.iterdir():
        media_type = _TYPES.get("." + file.name.rpartition(".")[2])
        if media_type is not None:
            found[file.name] = PageFile(file.read_bytes(), media_type)
    return found
