"""Points as a picture: PNG, and one HTML file that names each point and loads nothing from elsewhere."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.writing import writing

Method = Literal["tsne", "umap", "pca"]
"""How rows become points, see :func:`streamdeep_trainer.tables.projection.project`."""

UNLABELLED = "(no label)"

# Okabe and Ito's colours, which colour-blind people can tell, then as many hues as there are classes.
_COLOURS = "#0072b2 #e69f00 #009e73 #d55e00 #cc79a7 #56b4e9 #f0e442 #000000".split()
_SIZE, _MARGIN = 700, 20

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 15px sans-serif; margin: 1em; color: #222; background: #fff; }}
main {{ display: flex; gap: 1em; flex-wrap: wrap; }}
svg {{ border: 1px solid #ccc; max-width: 100%; height: auto; }}
circle {{ stroke: #fff; stroke-width: 0.5; }}
circle:hover {{ stroke: #000; stroke-width: 2; }}
ul {{ list-style: none; padding: 0; margin: 0; }}
i {{ display: inline-block; width: 0.8em; height: 0.8em; border-radius: 50%; margin-right: 0.4em; }}
output {{ display: block; min-height: 1.5em; }}
</style>
</head>
<body>
<h1>{title}</h1>
<output>Point at a dot to see its name.</output>
<main>
<svg viewBox="0 0 {size} {size}" width="{size}" height="{size}" role="img" aria-label="{title}">
{points}
</svg>
<ul>
{legend}
</ul>
</main>
<script>
// A dot's own title appears late in most browsers; this shows it at once.
const shown = document.querySelector("output");
document.querySelector("svg").addEventListener("mouseover", function (event) {{
  const name = event.target.querySelector("title");
  if (name) shown.textContent = name.textContent;
}});
</script>
</body>
</html>
"""


def draw(
    path: Path,
    points: NDArray[np.float64],
    *,
    names: Sequence[str],
    labels: Sequence[str | None],
    title: str,
) -> None:
    """Draw points as the suffix of the file says, ``.png`` or ``.html``.

    Args:
        path: where to.
        points: ``(rows, 2)``.
        names: of each point, for HTML.
        labels: of each point, for its colour.
        title: above the picture.

    Raises:
        ConfigurationError: another suffix, or it cannot be written.
    """
    refuse_other_suffixes([path])
    colours = colours_of(labels)
    classes = [label or UNLABELLED for label in labels]
    with writing(path):
        if path.suffix.lower() == ".png":
            _draw_png(path, points, classes=classes, colours=colours, title=title)
        else:
            page = as_html(points, names=names, classes=classes, colours=colours, title=title)
            path.write_text(page, encoding="utf-8")


def refuse_other_suffixes(paths: Sequence[Path]) -> None:
    """Ask this before the work is done.

    Raises:
        ConfigurationError: a file that is neither PNG nor HTML by its name.
    """
    for path in paths:
        if path.suffix.lower() not in (".png", ".html"):
            raise ConfigurationError(
                f"{path} is neither .png nor .html; name it by what it should be"
            )


def colours_of(labels: Sequence[str | None]) -> dict[str, str]:
    """A colour for each class, in alphabetical order; grey for what has no label."""
    found = sorted({label for label in labels if label is not None})
    colours = list(_COLOURS)
    if len(found) > len(colours):
        from matplotlib import colormaps
        from matplotlib.colors import to_hex

        hues = np.linspace(0.0, 1.0, len(found), endpoint=False)
        colours = [to_hex(colormaps["hsv"](hue)) for hue in hues]
    named = dict(zip(found, colours, strict=False))
    return named if None not in labels else {**named, UNLABELLED: "#999999"}


def as_html(
    points: NDArray[np.float64],
    *,
    names: Sequence[str],
    classes: Sequence[str],
    colours: dict[str, str],
    title: str,
) -> str:
    """A page with a dot for every point; pointing at one shows its name and class."""
    low, high = points.min(axis=0), points.max(axis=0)
    spread = float((high - low).max()) or 1.0
    # One scale for both axes, or distances in the picture would mean nothing; upwards is up.
    middle = (low + high) / 2.0
    places = (points - middle) / spread * (_SIZE - 2 * _MARGIN)
    dots = [
        f'<circle cx="{_SIZE / 2 + x:.1f}" cy="{_SIZE / 2 - y:.1f}" r="5" fill="{colours[label]}">'
        f"<title>{html.escape(f'{name} · {label}')}</title></circle>"
        for (x, y), name, label in zip(places.tolist(), names, classes, strict=True)
    ]
    legend = [
        f'<li><i style="background:{colour}"></i>{html.escape(label)} ({classes.count(label)})</li>'
        for label, colour in colours.items()
    ]
    return _PAGE.format(
        title=html.escape(title), size=_SIZE, points="\n".join(dots), legend="\n".join(legend)
    )


def _draw_png(
    path: Path,
    points: NDArray[np.float64],
    *,
    classes: Sequence[str],
    colours: dict[str, str],
    title: str,
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
