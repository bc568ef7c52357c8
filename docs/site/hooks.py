"""What makes one set of Markdown files right both on a code host and as a site.

The site's first page is the README, and it also has pages that lie elsewhere in the repository (:data:`OUTSIDE`).
Links between all of these, and to pictures, are written as a code host needs them; here they are turned into the
site's. A link to any other file of the repository becomes plain text, for the site has no such file.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {
    "README.md": "index.md",
    "bench/RESULTS.md": "results.md",
    "CHANGELOG.md": "changelog.md",
    **{
        f"bench/pictures/{path.name}": f"pictures/bench/{path.name}"
        for path in sorted((ROOT / "bench" / "pictures").glob("*.png"))
    },
}
_LINK = re.compile(r"\[([^\]\n]+)\]\(([^)\s#]*)(#[^)\s]*)?\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
_HOMES = {page: home for home, page in OUTSIDE.items()}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie outside the folder."""
    for home, page in OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / home)))
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_: Any) -> str:
    """Turn links between files of the repository into links between pages of the site."""
    here = page.file.src_uri
    home = _HOMES.get(here, posixpath.join("docs", here))

    def site_link(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        if not target or "://" in target or target.startswith("mailto:"):
            return found[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(home), target))
        if not (ROOT / path).exists():
            return found[0]  # mkdocs then says that it leads nowhere
        wanted = OUTSIDE.get(path, path.removeprefix("docs/"))
        if files.get_file_from_path(wanted) is None:
            return text
        return f"[{text}]({posixpath.relpath(wanted, posixpath.dirname(here) or '.')}{anchor})"

    # What stands in fences is no link.
    parts = _FENCE.split(markdown)
    return "".join(
        part if index % 2 else _LINK.sub(site_link, part) for index, part in enumerate(parts)
    )
