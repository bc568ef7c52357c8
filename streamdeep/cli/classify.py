"""``streamdeep classify``: listen to an engine and say what it hears."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from streamdeep.errors import ConfigurationError
from streamdeep.heads.head import Head, load_head
from streamdeep.records import Flag
from streamdeep.wire.kinds import EmbeddingMessage, EventMessage
from streamdeep.wire.security import DEFAULT_ENDPOINT
from streamdeep.wire.subscriber import Subscriber


@dataclass(frozen=True, slots=True)
class Decision:
    """What a head made of one embedding.

    Attributes:
        message: the embedding.
        label: the most probable class.
        probabilities: by label, most probable first.
        received_ns: monotonic time of receipt on this machine.
        decided_ns: monotonic time at which the label stood.
    """

    message: EmbeddingMessage
    label: str
    probabilities: dict[str, float]
    received_ns: int
    decided_ns: int

    def as_dict(self) -> dict[str, Any]:
        """One line of JSON."""
        message = self.message
        rate_hz = message.sample_rate_hz
        return {
            "stream": message.stream,
            "epoch": message.epoch,
            "sequence": message.sequence,
            "start_sample": message.start_sample,
            "n_samples": message.n_samples,
            "sample_rate_hz": rate_hz,
            "start_s": round(message.start_sample / rate_hz, 6),
            "stop_s": round(message.stop_sample / rate_hz, 6),
            "captured_utc_ns": message.captured_utc_ns,
            "label": self.label,
            "probability": self.probabilities[self.label],
            "probabilities": self.probabilities,
            "level_dbfs": round(message.level_dbfs, 2),
            "flags": [str(flag.name).lower() for flag in Flag if flag in message.flags],
            "latency_ns": message.latency_ns,
            "stages_ns": dict(message.stages_ns),
            # Only on one host do the two clocks mean the same; elsewhere these are of no use.
            "wire_ns": self.received_ns - message.published_monotonic_ns,
            "decide_ns": self.decided_ns - self.received_ns,
        }


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("classify")(classify)


def classify(
    head: Annotated[
        Path | None,
        typer.Option(envvar="STREAMDEEP_HEAD", help="Head file. [default: the embedded]"),
    ] = None,
    connect: Annotated[
        str, typer.Option(envvar="STREAMDEEP_CONNECT", help="Where the engine publishes.")
    ] = DEFAULT_ENDPOINT,
    identity: Annotated[
        Path | None,
        typer.Option(
            envvar="STREAMDEEP_IDENTITY",
            help="Our .key_secret, for an engine that encrypts: --connect ADDRESS?server-key=FILE.",
        ),
    ] = None,
    stream: Annotated[list[str] | None, typer.Option(help="Only these streams.")] = None,
    count: Annotated[int | None, typer.Option(help="Stop after so many labels.")] = None,
    until_stop: Annotated[
        bool, typer.Option("--until-stop", help="Stop when the stream ends.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON line per label.")] = False,
) -> None:
    """Label every embedding of an engine, live.

    Prints a live table in a terminal, JSON lines otherwise.

    Example: streamdeep classify --head scene-head.onnx --connect tcp://127.0.0.1:5757
    """
    if count is not None and count < 1:
        raise ConfigurationError(f"--count {count} must be at least 1")
    loaded = load_head(head)
    errors = Console(stderr=True, highlight=False)
    with Subscriber(
        connect, streams=stream or (), kinds=("embedding", "event"), identity=identity
    ) as subscriber:
        decisions = _decide(subscriber, loaded, count=count, until_stop=until_stop)
        try:
            if as_json or not Console().is_terminal:
                for decision in decisions:
                    typer.echo(json.dumps(decision.as_dict()))
            else:
                _show(decisions, connect)
        finally:
            statistics = subscriber.statistics()
            received = sum(
                topic.received
                for name, topic in statistics.topics.items()
                if name.startswith("embedding/")
            )
            lost = sum(
                topic.lost
                for name, topic in statistics.topics.items()
                if name.startswith("embedding/")
            )
            errors.print(f"{received} embeddings received, {lost} lost on the wire")
            for connection in statistics.connections:
                if connection.trouble:
                    errors.print(f"{connection.endpoint}: {connection.trouble}", markup=False)


def _decide(
    subscriber: Subscriber, head: Head, *, count: int | None, until_stop: bool
) -> Iterator[Decision]:
    """Label embeddings as they come.

    Raises:
        MismatchError: they come from another encoder than the head's.
    """
    made = 0
    for message in subscriber:
        received_ns = time.monotonic_ns()
        if isinstance(message, EventMessage):
            if until_stop and message.event == "stop":
                return
            continue
        if not isinstance(message, EmbeddingMessage):
            continue
        head.check(message.model)
        chances = head.probabilities(message.vector[None])[0]
        ranked = sorted(zip(head.contract.labels, chances, strict=True), key=lambda pair: -pair[1])
        yield Decision(
            message,
            ranked[0][0],
            {label: round(float(chance), 6) for label, chance in ranked},
            received_ns,
            time.monotonic_ns(),
        )
        made += 1
        if count is not None and made >= count:
            return


def _show(decisions: Iterator[Decision], connect: str) -> None:
    latest: dict[str, Decision] = {}
    console = Console()
    with Live(
        f"waiting for embeddings on {connect} ...", console=console, auto_refresh=False
    ) as live:
        for decision in decisions:
            latest[decision.message.stream] = decision
            live.update(_table(latest), refresh=True)


def _table(latest: dict[str, Decision]) -> Table:
    table = Table()
    for column in ("stream", "time", "label", "probability", "next", "level", "latency"):
        table.add_column(column, no_wrap=True)
    for name, decision in sorted(latest.items()):
        message = decision.message
        (_, chance), *others = decision.probabilities.items()
        latency_ms = (
            message.latency_ns + decision.decided_ns - message.published_monotonic_ns
        ) / 1e6
        table.add_row(
            name,
            f"{message.stop_sample / message.sample_rate_hz:.1f} s",
            f"[bold]{decision.label}[/]",
            f"{chance:4.0%} {'█' * round(20 * chance)}",
            ", ".join(f"{label} {value:.0%}" for label, value in others[:2]),
            f"{message.level_dbfs:.0f} dBFS",
            f"{latency_ms:.1f} ms" if message.latency_ns else "",
        )
    return table
