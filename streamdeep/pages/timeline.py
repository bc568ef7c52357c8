"""Rows over one axis of time, as SVG: pictures, bars, lines, and the stretches where nothing was heard.

All rows of a page share a :class:`TimeAxis`, so that they can be read one below the other. Colours and letters come from
the page's style sheet.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

WIDTH: Final = 1000
LEFT, RIGHT = 120, 26
_AXIS_HEIGHT: Final = 20
_BAR_HEIGHT: Final = 16
_STEPS_S: Final = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
    172800,
)  # fmt: skip
_WEEK_S: Final = 604_800
_TICKS_MOST: Final = 9
_LABEL_LETTERS: Final = 17


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The time that is shown.

    Attributes:
        start_sample: at the left edge.
        stop_sample: at the right edge, later.
        sample_rate_hz: what a sample lasts.
        lost: stretches that were not heard, first sample and one past the last.
    """

    start_sample: int
    stop_sample: int
    sample_rate_hz: int
    lost: Sequence[tuple[int, int]] = ()

    def x_at(self, sample: float) -> float:
        """Where a sample lies; within the edges."""
        share = (sample - self.start_sample) / (self.stop_sample - self.start_sample)
        return LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, share))

    def ticks(self) -> list[tuple[float, str]]:
        """Where round times lie, and what they are, counted from the left edge."""
        length_s = (self.stop_sample - self.start_sample) / self.sample_rate_hz
        weeks_s = _WEEK_S * max(1.0, math.ceil(length_s / _WEEK_S / _TICKS_MOST))
        step_s = next((step for step in _STEPS_S if length_s / step <= _TICKS_MOST), weeks_s)
        times = [step_s * number for number in range(int(length_s / step_s + 1e-9) + 1)]
        return [
            (self.x_at(self.start_sample + time_s * self.sample_rate_hz), clock(time_s, step_s))
            for time_s in times
        ]


def clock(time_s: float, step_s: float = 1.0) -> str:
    """A time as h:mm:ss or m:ss; tenths where steps are shorter than a second."""
    tenths = round(10 * time_s)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / 10:04.1f}" if step_s < 1.0 else f"{rest // 10:02d}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


def picture(
    axis: TimeAxis,
    address: str,
    *,
    start_sample: int,
    stop_sample: int,
    height: float,
    ticks: Sequence[tuple[float, str]],
    label: str,
) -> str:
    """A picture stretched over its part of the time.

    Args:
        axis: the time.
        address: of the picture, see :func:`streamdeep.pages.png.data_address`.
        start_sample: at its left edge.
        stop_sample: at its right edge.
        height: of the row.
        ticks: heights between 0 at the bottom and 1 at the top, and what to write beside them.
        label: for who cannot see it.
    """
    left = axis.x_at(start_sample)
    # The last column may reach beyond the sound: the picture's own length counts, and what is too much is cut.
    width = (
        (stop_sample - start_sample)
        / (axis.stop_sample - axis.start_sample)
        * (WIDTH - LEFT - RIGHT)
    )
    parts = [
        f'<image x="{left:.2f}" y="0" width="{width:.2f}" height="{height:g}" preserveAspectRatio="none" '
        f'style="image-rendering: pixelated" href="{address}"/>',
        *(_text(LEFT - 6, height * (1.0 - place) + 4, words, "end") for place, words in ticks),
    ]
    return _row(axis, parts, height, label)


def bars(
    axis: TimeAxis,
    rows: Sequence[tuple[str, str, Sequence[tuple[int, int, str]]]],
    *,
    label: str,
) -> str:
    """A row of bars for each class.

    Args:
        axis: the time.
        rows: name, colour, and bars: first sample, one past the last, and what to say when it is pointed at.
        label: for who cannot see it.
    """
    step = _BAR_HEIGHT + 4
    parts = []
    for number, (name, colour, found) in enumerate(rows):
        y = 4 + number * step
        parts.append(_text(LEFT - 6, y + 12, _short(name), "end"))
        for left, right, words in _visible(axis, found):
            parts.append(
                f'<rect x="{left:.2f}" y="{y}" width="{right - left:.2f}" height="{_BAR_HEIGHT}" fill="{colour}">'
                f"<title>{escape(words)}</title></rect>"
            )
    return _row(axis, parts, 4 + step * len(rows), label)


def lines(
    axis: TimeAxis,
    series: Sequence[tuple[str, NDArray[np.float64]]],
    *,
    start_sample: int,
    column_samples: int,
    low: float,
    high: float,
    label: str,
    unit: str,
    height: float = 90.0,
    limit: float | None = None,
) -> str:
    """Lines over columns of time, broken where there is nothing.

    Args:
        axis: the time.
        series: style class (``c0``, ``c1``) and ``(columns,)`` values, NaN for nothing.
        start_sample: where the first column begins.
        column_samples: length of a column.
        low: value at the bottom.
        high: value at the top.
        label: for who cannot see it.
        unit: written at the axis.
        height: of the row.
        limit: a height to mark.
    """

    def y_at(value: float) -> float:
        return 6 + (height - 8) * (1.0 - min(1.0, max(0.0, (value - low) / (high - low))))

    parts = [
        part
        for value in (low, (low + high) / 2.0, high)
        for part in (
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y_at(value):.1f}" y2="{y_at(value):.1f}"/>',
            _text(LEFT - 6, y_at(value) + 4, f"{value:g} {unit}".strip(), "end"),
        )
    ]
    if limit is not None and low <= limit <= high:
        y = y_at(limit)
        parts.append(
            f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
    for style, values in series:
        parts += [
            f'<polyline class="line {style}" points="{points}"/>'
            for points in _pieces(
                values,
                lambda column: axis.x_at(start_sample + (column + 0.5) * column_samples),
                y_at,
            )
        ]
    return _row(axis, parts, height, label)


def _pieces(
    values: NDArray[np.float64], x_at: Callable[[float], float], y_at: Callable[[float], float]
) -> list[str]:
    """Points of each stretch that has values; a lonely one is a short dash."""
    known = np.flatnonzero(np.isfinite(values))
    pieces = []
    for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        places = [(x_at(float(column)), y_at(float(values[column]))) for column in run]
        if len(places) == 1:
            (x, y) = places[0]
            places = [(x - 0.7, y), (x + 0.7, y)]
        if places:
            pieces.append(" ".join(f"{x:.1f},{y:.1f}" for x, y in places))
    return pieces


def _visible(
    axis: TimeAxis, found: Sequence[tuple[int, int, str]]
) -> list[tuple[float, float, str]]:
    """Left, right and words of bars at least a line wide; bars that would share a line are one."""
    joined: list[tuple[float, float, str]] = []
    n_joined = 1
    for start, stop, words in sorted(found):
        left, right = axis.x_at(start), axis.x_at(stop)
        right = max(right, left + 1.0)
        if joined and left < joined[-1][0] + 1.0:
            n_joined += 1
            joined[-1] = (joined[-1][0], max(joined[-1][1], right), f"{n_joined} in one line")
        else:
            n_joined = 1
            joined.append((left, right, words))
    return joined


def _row(axis: TimeAxis, parts: Sequence[str], height: float, label: str) -> str:
    marks = []
    for x, words in axis.ticks():
        marks += [
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{height:g}" y2="{height + 5:g}"/>',
            _text(x, height + 16, words, "middle"),
        ]
    lost = [(start, stop, "not heard") for start, stop in axis.lost]
    gaps = [
        f'<rect class="lost" x="{left:.2f}" y="0" width="{right - left:.2f}" height="{height:g}">'
        f"<title>{escape(words)}</title></rect>"
        for left, right, words in _visible(axis, lost)
    ]
    total = height + _AXIS_HEIGHT
    return (
        f'<div class="wide"><svg class="time" viewBox="0 0 {WIDTH} {total:g}" role="img" aria-label="{escape(label)}">'
        + "".join((*parts, *gaps, *marks))
        + "</svg></div>"
    )


def _short(name: str) -> str:
    return name if len(name) <= _LABEL_LETTERS else name[: _LABEL_LETTERS - 1] + "…"


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
