"""The PNGs: lines over something, or bars beside each other, with quartiles."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot

from bench.measure import number


def draw(picture: Mapping[str, Any], folder: Path) -> Path:
    """Write a picture, a plain map as ``record.Picture`` gives it; returns the file."""
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    if picture["kind"] == "bar":
        bars(axes, picture)
    else:
        lines(axes, picture)
    for name, value in picture["limits"].items():
        axes.axhline(value, color="grey", linestyle="--", linewidth=1)
        axes.annotate(name, (0.01, value), xycoords=("axes fraction", "data"), va="bottom", size=8)
    for axis in picture["logarithmic"]:
        getattr(axes, f"set_{axis}scale")("log")
    axes.set_title(picture["title"], fontsize=11)
    axes.grid(visible=True, alpha=0.3)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{picture['name']}.png"
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
    return path


def bars(axes: Any, picture: Mapping[str, Any]) -> None:
    for place, series in enumerate(reversed(picture["series"])):
        (middle,), low, high = series["y"], series["low"], series["high"]
        whiskers = [[middle - low[0]], [high[0] - middle]] if low and high else None
        axes.barh(place, middle, xerr=whiskers, capsize=3, height=0.6, color="C0")
        axes.annotate(f" {number(middle)}", ((high or [middle])[0], place), va="center", size=9)
    labels = [series["label"] for series in reversed(picture["series"])]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel(picture["y_label"])
    axes.margins(x=0.2)


def lines(axes: Any, picture: Mapping[str, Any]) -> None:
    for series in picture["series"]:
        marker = "o" if len(series["x"]) < 20 else None
        (line,) = axes.plot(series["x"], series["y"], marker=marker, label=series["label"])
        if series["low"] and series["high"]:
            band = series["x"], series["low"], series["high"]
            axes.fill_between(*band, alpha=0.2, color=line.get_color())
    axes.set_xlabel(picture["x_label"])
    axes.set_ylabel(picture["y_label"])
    axes.legend(fontsize=8)
