"""Where every sample went, for people and for programs."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from streamdeep.records import Ledger


def as_dict(ledger: Ledger) -> dict[str, Any]:
    """A ledger for JSON, with the identity's outcome."""
    fields = {name: getattr(ledger, name) for name in Ledger.__dataclass_fields__}
    return {**fields, "unaccounted": ledger.unaccounted}


def describe_ledgers(ledgers: dict[str, Ledger]) -> str:
    """How much came of the sound and how much was lost, over all streams, in one line."""
    total = sum(ledgers.values(), Ledger())
    n_streams = len(ledgers)
    return (
        f"{n_streams} {'stream' if n_streams == 1 else 'streams'}, {total.embeddings:,} embeddings; samples: "
        f"{total.captured:,} captured, {sum(total.dropped.values()):,} dropped, {total.gap_samples:,} never captured"
    )


def show_ledger(console: Console, stream: str, ledger: Ledger) -> None:
    """Where every sample went, for people."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("samples")
    table.add_column(justify="right")
    for label, count in (
        ("captured", ledger.captured),
        ("= embedded", ledger.embedded),
        ("+ skipped", ledger.skipped),
        *((f"+ dropped: {reason}", count) for reason, count in ledger.dropped.items()),
        ("+ in flight", ledger.in_flight),
        ("unaccounted", ledger.unaccounted),
        ("lost before capture", ledger.gap_samples),
        ("non-finite, replaced", ledger.nonfinite_samples),
        ("clipped", ledger.clipped_samples),
    ):
        table.add_row(label, f"{count:,}")
    summary = f"{ledger.embeddings} embeddings in {ledger.epochs} epoch(s)"
    console.print(f"{stream}: {summary}; where its samples are:")
    console.print(table)


def show_ledgers(console: Console, ledgers: dict[str, Ledger]) -> None:
    """Where the samples of several streams went, a line each."""
    table = Table(box=box.SIMPLE_HEAD)
    columns = (
        "embeddings",
        "captured",
        "embedded",
        "skipped",
        "dropped",
        "in flight",
        "unaccounted",
    )
    table.add_column("stream")
    for column in columns:
        table.add_column(column, justify="right")
    for name, ledger in ledgers.items():
        counts = (
            ledger.embeddings, ledger.captured, ledger.embedded, ledger.skipped,
            sum(ledger.dropped.values()), ledger.in_flight, ledger.unaccounted,
        )  # fmt: skip
        table.add_row(name, *(f"{count:,}" for count in counts))
    console.print(table)
