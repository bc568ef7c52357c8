"""How a page says numbers, dates and sounds, and in which order it names them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from streamdeep.records import Sound


def count(n: int, one: str, many: str) -> str:
    """A number and what it counts."""
    return f"{n:,} {one if n == 1 else many}"


def date(utc_ns: int) -> str:
    """A Unix time to the second."""
    return datetime.fromtimestamp(utc_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def bounded(what: str, most: int) -> str:
    """That there were more."""
    return f" Only the first {most:,} {what} are drawn and listed."


def by_length(sounds: Sequence[Sound]) -> list[tuple[str, int]]:
    """Labels and how many samples their sounds last, the longest first."""
    lengths: dict[str, int] = {}
    for sound in sounds:
        lengths[sound.label] = lengths.get(sound.label, 0) + sound.n_samples
    return sorted(lengths.items(), key=lambda item: (-item[1], item[0]))
