"""Points of classes in a plane, as PNG or as one HTML file that names each point and loads nothing from elsewhere."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError, MissingDependencyError
from streamdeep.pages.colours import UNLABELLED, colours_of
from streamdeep.pages.document import document, write_page

DRAWN_MOST: Final = 20_000
"""Points in a picture; of more, every second, third ... is drawn, and the picture says so."""
_SIZE, _MARGIN = 700, 20

_SHOW_NAME = """<script>
// A dot's own title appears late in most browsers; this shows it at once.
const shown = document.querySelector("output");
document.querySelector("svg").addEventListener("mouseover", function (event) {
  const name = event.target.querySelector("title");
  if (name) shown.textContent = name.textContent;
});
</script>"""


def draw(
    path: Path,
    points: NDArray[np.float64],
    *,
    names: Sequence[str],
    labels: Sequence[str | None],
    title: str,
    note: str = "",
) -> None:
    """Draw points as the suffix of the file says, ``.png`` or ``.html``.

    Args:
        path: where to; its folder is made.
        points: ``(rows, 2)``.
        names: of each point, for HTML.
        labels: of each point, for its colour.
        title: above the picture.
        note: below the title: what one should know of it.

    Raises:
        ConfigurationError: another suffix, or it cannot be written.
        MissingDependencyError: PNG, and matplotlib is not installed.
    """
    refuse_other_suffixes([path])
    colours = colours_of(labels)
    every = -(-len(points) // DRAWN_MOST)
    if every > 1:
        note = f"{note} Of {len(points):,} points, one in {every} is drawn.".strip()
    chosen = slice(None, None, every)
    points, names = points[chosen], names[chosen]
    classes = [label or UNLABELLED for label in labels[chosen]]
    colours = {label: colour for label, colour in colours.items() if label in set(classes)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".png":
            _draw_png(path, points, classes=classes, colours=colours, title=title, note=note)
            return
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror or error}") from error
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="note">{escape(note)}</p>' if note else "",
        "<output>Point at a dot to see its name.</output>",
        svg(points, names=names, classes=classes, colours=colours, label=title),
        legend(classes, colours),
        _SHOW_NAME,
    ]
    write_page(path, document(title, parts))


def refuse_other_suffixes(paths: Sequence[Path]) -> None:
    """Ask this before the work is done.

    Raises:
        ConfigurationError: a file that is neither PNG nor HTML by its name.
        MissingDependencyError: PNG, and matplotlib is not installed.
    """
    for path in paths:
        if path.suffix.lower() not in (".png", ".html"):
            raise ConfigurationError(
                f"{path} is neither .png nor .html; name it by what it should be"
            )
        if path.suffix.lower() == ".png":
            try:
                import matplotlib  # noqa: F401
            except ImportError as error:
                raise MissingDependencyError(
                    "a map as .png needs matplotlib: pip install 'streamdeep[plots]'; .html needs nothing"
                ) from error


def svg(
    points: NDArray[np.float64],
    *,
    names: Sequence[str],
    classes: Sequence[str],
    colours: dict[str, str],
    label: str,
    radius: float = 5.0,
) -> str:
    """A dot for every point; pointing at one shows its name and class. One scale for both axes."""
    low, high = points.min(axis=0), points.max(axis=0)
    spread = float((high - low).max()) or 1.0
    # With two scales distances in the picture would mean nothing; upwards is up.
    places = (points - (low + high) / 2.0) / spread * (_SIZE - 2 * _MARGIN)
    dots = [
        f'<circle cx="{_SIZE / 2 + x:.1f}" cy="{_SIZE / 2 - y:.1f}" r="{radius:g}" fill="{colours[of_class]}">'
        f"<title>{escape(f'{name} · {of_class}')}</title></circle>"
        for (x, y), name, of_class in zip(places.tolist(), names, classes, strict=True)
    ]
    return (
        f'<svg class="map" viewBox="0 0 {_SIZE} {_SIZE}" role="img" aria-label="{escape(label)}">\n'
        + "\n".join(dots)
        + "\n</svg>"
    )


def legend(classes: Sequence[str], colours: dict[str, str]) -> str:
    """Which colour is which class, and how many points it has."""
    counts = dict.fromkeys(colours, 0)
    for of_class in classes:
        counts[of_class] += 1
    items = [
        f'<li><i class="key" style="background:{colour}"></i>{escape(of_class)} ({counts[of_class]})</li>'
        for of_class, colour in colours.items()
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def _draw_png(
    path: Path,
    points: NDArray[np.float64],
    *,
    classes: Sequence[str],
    colours: dict[str, str],
    title: str,
    note: str,
) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Not pyplot: it would look for a screen.
    figure = Figure(figsize=(9.0, 7.0), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    of_class = np.array(classes)
    for label, colour in colours.items():
        chosen = points[of_class == label]
        axes.scatter(chosen[:, 0], chosen[:, 1], s=14, color=colour, label=_plain(label))
    axes.set_title(_plain(title))
    if note:
        axes.set_xlabel(_plain(note), fontsize=8, wrap=True)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    columns = 1 + len(colours) // 40
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, ncols=columns)
    figure.savefig(path)


def _plain(text: str) -> str:
    """Text that is no formula, and that the legend does not leave out."""
    escaped = text.replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped
