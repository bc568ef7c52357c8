"""What ``streamdeep watch`` shows: rows to text, as wide and as high as there is room for. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rich.console import Group
from rich.table import Table
from rich.text import Text

from streamdeep.watching.row import BY_TROUBLE, HeardLabel, Row
from streamdeep.wire.printable import one_line
from streamdeep.wire.trouble import ConnectionState

_STYLES: Final = {
    "stale": "bold red",
    "late": "bold yellow",
    "lossy": "yellow",
    "live": "green",
    "ended": "dim",
}
_METER_DB: Final = (-60.0, 0.0)
_METER_CELLS: Final = 8
_STALE_LABEL_S: Final = 35.0
_CONNECTIONS_MOST: Final = 6


def duration(seconds: float | None) -> str:
    """Seconds in at most six characters: ``0.4 s``, ``73 s``, ``12 min``, ``30 h``, ``9 d``."""
    if seconds is None:
        return "-"
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    for size_s, unit, most in ((1, "s", 100), (60, "min", 100), (3600, "h", 72)):
        if round(seconds / size_s) < most:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def meter(level_dbfs: float | None) -> str:
    """A bar of eight cells from -60 to 0 dBFS."""
    if level_dbfs is None:
        return ""
    low, high = _METER_DB
    share = min(1.0, max(0.0, (level_dbfs - low) / (high - low)))
    eighths = round(share * 8 * _METER_CELLS)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def losses(row: Row) -> str:
    """What was lost: ``3.2 s gap, 1.0 s overload, 4 msg``; empty for nothing."""
    parts = [(row.gap_s, "gap")] if row.gap_s else []
    dropped = sorted(((seconds, reason) for reason, seconds in row.dropped_s.items()), reverse=True)
    # "gap" is what was never captured; what was captured before it and fills no segment is beside it.
    parts += [(s, "beside gaps" if reason == "gap" else one_line(reason)) for s, reason in dropped]
    texts = [f"{duration(seconds)} {reason}" for seconds, reason in parts]
    if row.wire_lost:
        texts.append(f"{row.wire_lost} msg")
    return ", ".join(texts)


def _number(value: float | None, digits: int) -> Text:
    return Text("-" if value is None else f"{value:.{digits}f}")


def _state(row: Row) -> Text:
    return Text(row.state, _STYLES[row.state])


def _age(row: Row) -> Text:
    return Text("-" if row.state == "ended" else duration(row.age_s), _STYLES.get(row.state, ""))


def _rate(row: Row) -> Text:
    return _number(row.embeddings_per_s, 0 if (row.embeddings_per_s or 0) >= 100 else 1)


def _level(row: Row) -> Text:
    style = "bold red" if row.clipped else ""
    return Text("-" if row.level_dbfs is None else f"{row.level_dbfs:.0f}", style)


def _meter(row: Row) -> Text:
    return Text(meter(row.level_dbfs), "red" if row.clipped else "green")


def _lost(row: Row) -> Text:
    return Text(losses(row), "yellow" if row.state == "lossy" else "")


def _labels(row: Row) -> Text:
    several = len(row.labels) > 1
    return Text(", ").join(_label(label, named=several) for label in row.labels)


def _label(label: HeardLabel, *, named: bool) -> Text:
    text = one_line(label.label)
    if label.confidence is not None:
        text += f" {label.confidence:.0%}"
    told = (word for word in ("novel", "drifting") if getattr(label, word))
    text = ", ".join((text, *told))
    if named:
        text = f"{label.head}: {text}"
    if label.age_s > _STALE_LABEL_S:
        return Text(f"{text} ({duration(label.age_s)} ago)", "dim")
    loud = label.confidence is not None or label.novel or label.drifting
    return Text(text, "bold" if loud else "dim")


@dataclass(frozen=True, slots=True)
class _Column:
    """One column; they stand in the order of the list, and are chosen by importance."""

    title: str
    width: int
    importance: int
    cell: Callable[[Row], Text]
    justify: Literal["left", "right"] = "left"
    flexible: bool = False


_COLUMNS: Final = (
    _Column("stream", 14, 1, lambda row: Text(row.stream), flexible=True),
    _Column("state", 5, 1, _state),
    _Column("age", 6, 2, _age, justify="right"),
    _Column("emb/s", 5, 5, _rate, justify="right"),
    _Column("p50 ms", 6, 7, lambda row: _number(row.latency_p50_ms, 1), justify="right"),
    _Column("p99 ms", 6, 7, lambda row: _number(row.latency_p99_ms, 1), justify="right"),
    _Column("dBFS", 4, 6, _level, justify="right"),
    _Column("level", _METER_CELLS, 8, _meter),
    _Column("up", 6, 9, lambda row: Text(duration(row.uptime_s)), justify="right"),
    _Column("model", 8, 10, lambda row: Text(one_line(row.model)), flexible=True),
    _Column("lost", 12, 4, _lost, flexible=True),
    _Column("hears", 20, 3, _labels, flexible=True),  # last: it changes all the time
)
_GAP: Final = 2


def columns_for(width: int) -> list[_Column]:
    """The columns that fit into so many characters: the most important ones."""
    chosen: list[_Column] = []
    for importance in sorted({column.importance for column in _COLUMNS}):
        more = [column for column in _COLUMNS if column.importance == importance]
        needed = sum(column.width + _GAP for column in (*chosen, *more)) - _GAP
        if needed > width and chosen:
            break
        chosen += more
    return [column for column in _COLUMNS if column in chosen]


def table(rows: Sequence[Row], width: int) -> Table:
    """Rows as a table of at most ``width`` characters; texts share what room there is as they need it."""
    columns = columns_for(width)
    cells = [[column.cell(row) for column in columns] for row in rows]
    wanted = [
        max((row[i].cell_len for row in cells), default=0) if column.flexible else column.width
        for i, column in enumerate(columns)
    ]
    widths = [
        max(len(column.title), min(column.width, size))
        for column, size in zip(columns, wanted, strict=True)
    ]
    left = width - sum(widths) - _GAP * (len(widths) - 1)
    for i, size in enumerate(wanted):
        more = min(max(0, left), max(0, size - widths[i]))
        widths[i], left = widths[i] + more, left - more
    found = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    for column, size in zip(columns, widths, strict=True):
        found.add_column(
            column.title, width=max(1, min(size, width)), justify=column.justify, no_wrap=True
        )
    for row in cells:
        found.add_row(*row)
    return found


def connection_line(connection: ConnectionState) -> Text:
    """One endpoint, and what is the matter with it."""
    line = Text("● " if connection.up else "○ ", "green" if connection.up else "bold yellow")
    line.append(connection.endpoint, "default")
    return line.append(
        f"  {connection.trouble or 'connected'}", "dim" if connection.up else "yellow"
    )


def summary(rows: Sequence[Row]) -> str:
    """All streams in one line: ``12 streams: 1 stale, 11 live; 12.0 embeddings/s``."""
    counts = Counter(row.state for row in rows)
    states = ", ".join(f"{counts[state]} {state}" for state in BY_TROUBLE if counts[state])
    rate = sum(row.embeddings_per_s or 0.0 for row in rows if row.state != "ended")
    plural = "" if len(rows) == 1 else "s"
    return f"{len(rows)} stream{plural}{': ' if states else ''}{states}; {rate:.1f} embeddings/s"


def screen(
    rows: Sequence[Row], connections: Sequence[ConnectionState], *, width: int, height: int
) -> Group:
    """Everything: what is connected, the worst rows, how many more there are."""
    shown_connections = sorted(connections, key=lambda one: one.up)[:_CONNECTIONS_MOST]
    parts: list[Text | Table] = [connection_line(one) for one in shown_connections]
    if more := len(connections) - len(shown_connections):
        parts.append(Text(f"  and {more} more endpoints", "dim"))
    parts.append(Text(summary(rows), "bold"))
    # The header, a line for what does not fit, and the last one, which says how to leave.
    room = max(1, height - len(parts) - 3)
    if rows:
        parts.append(table(rows[:room], width))
    if len(rows) > room:
        hidden = Counter(row.state for row in rows[room:])
        states = ", ".join(f"{hidden[state]} {state}" for state in BY_TROUBLE if hidden[state])
        parts.append(Text(f"and {len(rows) - room} more: {states}", "dim"))
    parts.append(Text("q ends", "dim"))
    for part in parts:
        if isinstance(part, Text):
            part.truncate(width, overflow="ellipsis")
    return Group(*parts)


def plain_line(row: Row) -> str:
    """A stream in one line of text, for a log."""
    parts = [row.stream, row.state]
    if row.age_s is not None and row.state != "ended":
        parts.append(f"age {duration(row.age_s)}")
    if row.embeddings_per_s is not None:
        parts.append(f"{row.embeddings_per_s:.2f}/s")
    if row.latency_p50_ms is not None and row.latency_p99_ms is not None:
        parts.append(f"p50 {row.latency_p50_ms:.1f} ms p99 {row.latency_p99_ms:.1f} ms")
    if row.level_dbfs is not None:
        parts.append(f"{row.level_dbfs:.0f} dBFS{' clipped' if row.clipped else ''}")
    parts.append(f"lost {losses(row) or 'nothing'}")
    if labels := _labels(row).plain:
        parts.append(f"hears {labels}")
    return "  ".join(parts)
