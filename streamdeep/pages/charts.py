"""Pictures for the report, as SVG text: bars of stages, and lines over a number or a share.

Colours and letters come from the page's style sheet. Widths are those of a phone; on a wide screen they grow.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 400, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 26, 40


@dataclass(frozen=True, slots=True)
class Line:
    """Points joined by a line.

    Attributes:
        name: for the legend.
        points: x and y, ascending in x.
        hollow: which points are drawn hollow.
        dots: draw the points.
    """

    name: str
    points: Sequence[tuple[float, float]]
    hollow: frozenset[int] = frozenset()
    dots: bool = False


def stage_bars(rows: Sequence[tuple[str, float, float]]) -> str:
    """A bar per stage: full to the first number, pale to the second; both written beside it.

    Args:
        rows: name, median and high percentile, in milliseconds.
    """
    most = max(high for _, _, high in rows) or 1.0
    step, left, right = 26, 76, 98
    room = WIDTH - left - right
    parts = []
    for number, (name, middle, high) in enumerate(rows):
        y = 4 + number * step
        parts += [
            _text(left - 8, y + 13, name, "end"),
            f'<rect class="pale" x="{left}" y="{y + 3}" width="{max(1, room * high / most):.1f}" height="14"/>',
            f'<rect class="full" x="{left}" y="{y + 3}" width="{max(1, room * middle / most):.1f}" height="14"/>',
            _text(left + room * high / most + 6, y + 14, f"{_short(middle)} / {_short(high)}"),
        ]
    return _svg(parts, 8 + step * len(rows), "bars: " + ", ".join(name for name, _, _ in rows))


def chart(
    lines: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    limit: tuple[float, str] | None = None,
    y_most: float | None = None,
) -> str:
    """Lines over an axis.

    Args:
        lines: drawn in the page's colours, in this order.
        x_label: what lies on the horizontal axis.
        y_label: what lies on the vertical axis, written above it.
        log_x: equal factors are equally far apart.
        limit: a height to mark, and what it is.
        y_most: where the vertical axis ends; None is the highest point.
    """
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points] + ([limit[0]] if limit else [])
    x_ticks = _powers(min(xs), max(xs)) if log_x else _steps(max(xs))
    y_ticks = _steps(y_most or max(ys))
    x_low, x_high = (x_ticks[0], x_ticks[-1]) if log_x else (0.0, x_ticks[-1])
    top = y_most or y_ticks[-1]

    def x_at(x: float) -> float:
        share = math.log(x / x_low) / math.log(x_high / x_low) if log_x else x / x_high
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * share

    def y_at(y: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _BOTTOM - _TOP) * min(1.0, y / top)

    parts = [_text(4, 11, y_label)]
    for y in y_ticks:
        if y <= top:
            parts += [
                f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y_at(y):.1f}" y2="{y_at(y):.1f}"/>',
                _text(_LEFT - 6, y_at(y) + 4, _short(y), "end"),
            ]
    parts += [_text(x_at(x), HEIGHT - _BOTTOM + 16, f"{x:,g}", "middle") for x in x_ticks]
    parts.append(_text((WIDTH + _LEFT) / 2, HEIGHT - 6, x_label, "middle"))
    if limit is not None:
        y = y_at(limit[0])
        parts += [
            f'<line class="limit" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>',
            _text(_LEFT + 4, y - 4, limit[1]),
        ]
    for number, line in enumerate(lines):
        path = " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in line.points)
        parts.append(f'<polyline class="line c{number}" points="{path}"/>')
        if line.dots:
            parts += [
                f'<circle class="c{number}{" hollow" if index in line.hollow else ""}" '
                f'cx="{x_at(x):.1f}" cy="{y_at(y):.1f}" r="4"/>'
                for index, (x, y) in enumerate(line.points)
            ]
    return _svg(parts, HEIGHT, f"{y_label} over {x_label}")


def _svg(parts: Sequence[str], height: float, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(label)}">'
        + "".join(parts)
        + "</svg>"
    )


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _short(value: float) -> str:
    """Three digits that matter, and no exponent."""
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(decimals, 3)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _steps(most: float) -> list[float]:
    """Round numbers from 0 to the first at or above ``most``, four to seven of them."""
    rough = max(most, 1e-6) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    return [step * number for number in range(math.ceil(most / step - 1e-9) + 1)]


def _powers(least: float, most: float) -> list[float]:
    """Powers of two around the values, seven at most."""
    low, high = math.floor(math.log2(least)), math.ceil(math.log2(most))
    high = max(high, low + 1)
    stride = math.ceil((high - low) / 6)
    return [2.0**power for power in range(low, high + stride, stride)]
