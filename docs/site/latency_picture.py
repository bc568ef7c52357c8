"""Draw docs/pictures/latency.svg from the bench's figures: ``python docs/site/latency_picture.py`` after `make bench`.

The upper half is about sound, and its lengths are the embedded model's; the lower half is about computing, and its
lengths are what bench/results.json holds.
"""

import json
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "pictures" / "latency.svg"
STAGES = {
    "capture": ("block", "#8fa9c4"),
    "frontend": ("front-end", "#5b9e8f"),
    "encoder": ("encoder step", "#2f7d6d"),
    "publish": ("publish", "#c9a24b"),
    "wire and decoding": ("wire, decoding", "#b3703f"),
}
SEGMENT_S, HOP_S, SHOWN_S = 5, 1, 9
LEFT, RIGHT = 40, 960


def _text(x: float, y: float, words: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(words)}</text>"
    )


def _bar(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" fill="{colour}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, dashes: str = "") -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="#555" stroke-dasharray="{dashes}"/>'


def _sound() -> list[str]:
    """Segments over time, and a sound that begins in the middle of one."""
    scale = (RIGHT - LEFT) / SHOWN_S
    parts = [_text(LEFT, 28, "Inherent: a segment is over when its sound is", weight="bold")]
    for second in range(SHOWN_S + 1):
        x = LEFT + second * scale
        parts += [_line(x, 48, x, 54), _text(x, 44, f"{second} s", anchor="middle")]
    parts.append(_bar(LEFT + 3.4 * scale, 58, (SHOWN_S - 3.4) * scale, 20, "#d98c5f"))
    parts.append(_text(LEFT + 3.4 * scale + 6, 73, "it begins to rain"))
    for number in range(SHOWN_S - SEGMENT_S + 1):
        x, y = LEFT + number * HOP_S * scale, 88 + 24 * number
        parts += [
            _bar(x, y, SEGMENT_S * scale, 18, "#cfe0dc"),
            _text(x + 6, y + 14, f"segment {number}: {SEGMENT_S} s"),
            _bar(x + SEGMENT_S * scale - 3, y, 3, 18, "#2f7d6d"),
        ]
    parts.append(_line(LEFT + 3.4 * scale, 58, LEFT + 3.4 * scale, 212, "4 4"))
    return parts


def _computing(stages_us: dict[str, float], total_ms: float) -> list[str]:
    """What comes after a segment's last sample, to scale."""
    scale = (RIGHT - LEFT) / (sum(stages_us.values()) * 1.02)
    parts = [
        _text(
            LEFT,
            250,
            "Computed: from the last sample to the embedding in another process",
            weight="bold",
        ),
        _line(LEFT, 262, LEFT, 336),
        _text(LEFT + 4, 274, "the segment's last sample"),
    ]
    x = float(LEFT)
    for index, (name, value_us) in enumerate(stages_us.items()):
        word, colour = STAGES[name]
        parts.append(_bar(x, 282, value_us * scale, 34, colour))
        y = 334 if value_us > 100 else 352
        anchor = "middle" if index else "start"
        place = x + value_us * scale / 2 if index else x
        parts.append(_text(place, y, f"{word} {value_us / 1000:.2f} ms", anchor=anchor))
        x += value_us * scale
    parts.append(
        _text(LEFT, 380, f"Medians of each stage; of the whole way {total_ms:.1f} ms. One 44.1 kHz stream, paced, "
              "two cores of a shared virtual machine (bench/RESULTS.md).")
    )  # fmt: skip
    return parts


def draw() -> str:
    """The picture as SVG; it depends on bench/results.json alone."""
    tables = json.loads((ROOT / "bench" / "results.json").read_text())["parts"]["endtoend"][
        "tables"
    ]
    rows = {row[0]: row for table in tables for row in table["rows"]}
    stages_us = {name: rows[f"{name}, tcp"][1] for name in STAGES}
    parts = [*_sound(), *_computing(stages_us, rows["streamdeep, tcp"][2] / 1000)]
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 396" role="img" '
            'font-family="sans-serif" font-size="13" fill="#222" fill-opacity="1">',
            "<title>Where time goes between a sound and its label</title>",
            '<rect width="1000" height="396" rx="8" fill="#fff"/>',
            *parts,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw(), encoding="utf-8")
