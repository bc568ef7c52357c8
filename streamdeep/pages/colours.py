"""Colours of classes, and of numbers."""

import colorsys
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

UNLABELLED: Final = "(no label)"
GREY: Final = "#999999"

# Okabe and Ito's colours, which colour-blind people can tell, but for their black, which is nothing on a dark page.
_CLASSES: Final = "#0072b2 #e69f00 #009e73 #d55e00 #cc79a7 #56b4e9 #d4c51d #8c564b".split()

_HEAT: Final = (
    (0.0, 0x0B0B1E), (0.2, 0x2C1160), (0.4, 0x7A1D6D), (0.6, 0xC43C4E), (0.8, 0xF58A1F), (1.0, 0xFCF6B8),
)  # fmt: skip
"""From dark to bright, each step lighter than the one before."""


def colours_of(labels: Iterable[str | None]) -> dict[str, str]:
    """A colour for each class, in alphabetical order; grey for what has no label."""
    every = set(labels)
    found = sorted(label for label in every if label is not None)
    colours = list(_CLASSES)
    if len(found) > len(colours):  # as many hues as there are classes, of two lightnesses
        colours = [
            _hex(colorsys.hls_to_rgb(place / len(found), (0.42, 0.58)[place % 2], 0.75))
            for place in range(len(found))
        ]
    named = dict(zip(found, colours, strict=False))
    return named if None not in every else {**named, UNLABELLED: GREY}


def _hex(rgb: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def heat_palette() -> NDArray[np.uint8]:
    """``(256, 4)`` red, green, blue, alpha: 0 is nothing at all, 1 to 255 go from dark to bright."""
    places = np.linspace(0.0, 1.0, 255)
    stops = [place for place, _ in _HEAT]
    palette = np.full((256, 4), 255, dtype=np.uint8)
    for channel, shift in enumerate((16, 8, 0)):
        values = [(colour >> shift) & 255 for _, colour in _HEAT]
        palette[1:, channel] = np.interp(places, stops, values).round()
    palette[0] = 0
    return palette


def alpha_palette(colour: str) -> NDArray[np.uint8]:
    """``(256, 4)``: one colour, from nothing to all of it, so that a page's own ground shows through."""
    palette = np.empty((256, 4), dtype=np.uint8)
    palette[:, :3] = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    palette[:, 3] = np.arange(256)
    return palette
