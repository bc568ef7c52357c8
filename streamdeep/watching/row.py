"""One stream as it is shown."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

State = Literal["stale", "late", "lossy", "live", "ended"]

BY_TROUBLE: Final[tuple[State, ...]] = ("stale", "late", "lossy", "live", "ended")
"""Worst first.

stale: nothing comes of it any more. late: it lives, but embeddings do not come when they are due. lossy: it lost
samples or messages within the last minute. live: all is well. ended: it has come to its end.
"""


@dataclass(frozen=True, slots=True)
class HeardLabel:
    """The newest label of one head.

    Attributes:
        head: the head's name.
        label: what it says.
        confidence: how sure it is, in [0, 1]; None where it knows nothing.
        age_s: since it came.
        novel: what is heard is like nothing in the model's training; None if its sender does not tell.
        drifting: it has long been less and less like it.
    """

    head: str
    label: str
    confidence: float | None
    age_s: float
    novel: bool | None = None
    drifting: bool | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One stream, as of now. What is not known (yet) is None.

    Attributes:
        stream: its name.
        state: see :data:`BY_TROUBLE`.
        model: the model's name; empty until it is known.
        embeddings_per_s: over the last minute.
        age_s: since the newest embedding's last sample was captured.
        latency_p50_ms: from capture until published, over the last minute.
        latency_p99_ms: as before.
        level_dbfs: of the newest embedding's segment.
        clipped: samples of that segment were at full scale.
        gap_s: sound never captured, in seconds, since the session began.
        dropped_s: sound captured and dropped, in seconds, by reason, where there is any.
        wire_lost: messages lost on the way here, of all kinds.
        labels: one per head, by its name.
        uptime_s: since its session began.
    """

    stream: str
    state: State
    model: str
    embeddings_per_s: float | None
    age_s: float | None
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    level_dbfs: float | None
    clipped: bool
    gap_s: float
    dropped_s: Mapping[str, float]
    wire_lost: int
    labels: tuple[HeardLabel, ...]
    uptime_s: float | None

    def as_dict(self) -> dict[str, Any]:
        """Everything, rounded, for programs."""
        rounded: dict[str, Any] = _rounded(asdict(self))
        return rounded


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, 3)
        case dict():
            return {key: _rounded(one) for key, one in value.items()}
        case tuple():
            return [_rounded(one) for one in value]
    return value


def by_trouble(rows: Iterable[Row]) -> list[Row]:
    """Worst first, else by name, so that a row stays where it is while nothing happens."""
    return sorted(rows, key=lambda row: (BY_TROUBLE.index(row.state), row.stream))
