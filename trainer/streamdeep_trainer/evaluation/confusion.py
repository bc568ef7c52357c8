"""A picture of a confusion matrix. The only thing here is the drawing; the counts are made by ``scoring``."""

import warnings
from pathlib import Path

import numpy as np

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.evaluation.scoring import Scores

_MOST_NUMBERS = 30
"""Classes up to which counts fit into their squares."""


def refuse_other_suffix(path: Path) -> None:
    """So that a mistake is known before the work.

    Raises:
        ConfigurationError: the name does not end in ``.png``.
    """
    if path.suffix.lower() != ".png":
        raise ConfigurationError(f"{path} is no name for a picture; use one that ends in .png")


def draw_confusion(path: Path, scores: Scores) -> None:
    """Draw the matrix: rows are true classes, columns answers, shades shares of a row, numbers are counts.

    Args:
        path: where to, ``.png``; a crash leaves the old file or the new one.
        scores: what was judged.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    refuse_other_suffix(path)
    counts = np.array(scores.confusion)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    n_classes = len(scores.labels)
    side = min(24.0, 3.0 + 0.45 * n_classes)  # inches
    # no pyplot: it would keep the figure, and may look for a display
    figure = Figure(figsize=(side + 1.0, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(shares, vmin=0.0, vmax=1.0, cmap="Blues")
    figure.colorbar(image, ax=axes, label="share of the class", shrink=0.8)
    places = np.arange(n_classes)
    texts = [
        *axes.set_xticks(places, scores.labels, rotation=90),
        *axes.set_yticks(places, scores.labels),
    ]
    for tick in texts:
        for label in (tick.label1, tick.label2):
            label.set_parse_math(False)  # a label may have a dollar sign
    axes.set_xlabel("answer")
    axes.set_ylabel("true class")
    title = axes.set_title(
        f"{scores.name}: {100.0 * scores.accuracy:.1f} % of {scores.n_files} files, "
        f"UAR {100.0 * scores.uar:.1f} %"
    )
    title.set_parse_math(False)
    if n_classes <= _MOST_NUMBERS:
        for row, column in np.argwhere(counts > 0):
            dark = shares[row, column] > 0.5
            axes.text(
                column,
                row,
                str(counts[row, column]),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if dark else "black",
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(path.suffix + ".part")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a sign that the font lacks becomes a box
        figure.savefig(draft, format="png", dpi=120)
    draft.replace(path)
