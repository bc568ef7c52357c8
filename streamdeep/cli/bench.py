"""``streamdeep bench``: what this machine can do with this model, measured."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from streamdeep.cli.options import HopSeconds, ModelFile
from streamdeep.errors import ConfigurationError
from streamdeep.pages.document import write_page
from streamdeep.writable import refuse_unwritable

if TYPE_CHECKING:
    from streamdeep.bench.plan import Plan
    from streamdeep.bench.report import Report
    from streamdeep.bench.trial import Trial


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench")(bench)


def bench(
    model: ModelFile = None,
    rate: Annotated[
        int | None, typer.Option(help="Rate of the sound in Hz. [default: the model's]")
    ] = None,
    channels: Annotated[int, typer.Option(help="Channels of the sound.")] = 1,
    hop: HopSeconds = None,
    seconds: Annotated[float, typer.Option(help="Of sound in each measurement.")] = 10.0,
    streams: Annotated[
        str | None,
        typer.Option(
            help="Measure these numbers of streams, as in 1,10,100. [default: search for the most]"
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write a report with pictures, one file.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object with all figures.")
    ] = False,
) -> None:
    """Measure latency, cost, memory, start-up, and how many live streams one core carries.

    Takes some minutes: the sound is paced as live sound is, and it is measured for more and more streams until
    the 99th percentile of the latency exceeds one hop between frames, or anything is lost.

    Example: streamdeep bench --html report.html
    Example: streamdeep bench --streams 1,10,100 --seconds 30 --json
    """
    if html is not None:
        refuse_unwritable(html, "--html")
    counts = _counts(streams)
    from streamdeep.bench.measure import measure

    plan = _plan(model, rate, channels, hop, seconds, counts)
    console = Console(stderr=True, highlight=False)
    _introduce(console, plan)
    with console.status("starting", refresh_per_second=4) as status:
        report = measure(
            plan,
            before=lambda what, sound_s: status.update(f"{what}: {sound_s:.0f} s of sound"),
            after=lambda trial: console.print(_line(trial), soft_wrap=True),
        )
    for warning in report.warnings:
        console.print(f"[yellow]warn[/] {warning}", soft_wrap=True)
    if html is not None:
        from streamdeep.bench.page import page

        write_page(html, page(report))
        console.print(f"report written to {html}")
    if as_json:
        typer.echo(json.dumps(report.to_dict()))
        return
    _show(Console(highlight=False), report)


def _counts(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigurationError(
            f"--streams {text!r} must be whole numbers with commas between, as in 1,10,100"
        ) from None


def _plan(
    path: Path | None,
    rate_hz: int | None,
    n_channels: int,
    hop_s: float | None,
    seconds: float,
    streams: tuple[int, ...],
) -> "Plan":
    from streamdeep.bench.plan import Plan
    from streamdeep.config import hop_frames_from_seconds
    from streamdeep.encoder.model import load_model
    from streamdeep.frontend.rows import warm_up

    model = load_model(path)
    frontend = model.contract.frontend
    plan = Plan(
        model=model,
        path=path,
        sample_rate_hz=frontend.sample_rate_hz if rate_hz is None else rate_hz,
        n_channels=n_channels,
        hop_frames=None if hop_s is None else hop_frames_from_seconds(hop_s, frontend),
        seconds=seconds,
        streams=streams,
    )
    plan.check()
    warm_up(frontend)  # so that start-up is measured with warm caches
    return plan


def _introduce(console: Console, plan: "Plan") -> None:
    contract = plan.model.contract
    console.print(
        f"[bold]{contract.name}[/]: a segment of {plan.segment_s:g} s every {plan.segment_hop_s:g} s, "
        f"frames every {1000 * plan.hop_s:g} ms; sound at {plan.sample_rate_hz} Hz, "
        f"paced as live; {plan.segment_s + plan.seconds:.0f} s a measurement",
        soft_wrap=True,
    )


def _line(trial: "Trial") -> str:
    p99 = "" if trial.p99_ms is None else f", p99 {trial.p99_ms:.1f} ms"
    verdict = "carried" if trial.carried else f"[red]not carried[/]: {trial.why_not}"
    return (
        f"{trial.n_streams:6,} streams: {100 * trial.engine_core:5.1f} % of a core{p99}, {verdict}"
    )


def _show(console: Console, report: "Report") -> None:
    n = report.latency.latency_ms["total"].n if report.latency.latency_ms else 0
    console.print(
        f"\nFrom a segment's last sample to the embedding decoded in another process; one stream, {n} embeddings:"
    )
    console.print(_latency_table(report.latency))
    console.print("What a number of streams costs on one core:")
    console.print(_trials_table(report))
    for name, value in report.facts:
        console.print(f"{name}: {value}", soft_wrap=True)
    console.print(f"\n[bold]{report.sentence}[/]", soft_wrap=True)


def _latency_table(trial: "Trial") -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("stage")
    for column in ("p50", "p95", "p99", "p99.9", "most"):
        table.add_column(f"{column} ms", justify="right")
    for stage, found in trial.latency_ms.items():
        values = [*found.percentiles.values(), found.largest]
        cells = ("too few" if value is None else f"{value:.3f}" for value in values)
        table.add_row(stage, *cells, end_section=stage == "wire")
    return table


def _trials_table(report: "Report") -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("streams", "% of a core", "% a stream", "p50 ms", "p99 ms", "dropped"):
        table.add_column(column, justify="right")
    table.add_column("")
    for trial in report.trials:
        total = trial.latency_ms.get("total")
        table.add_row(
            f"{trial.n_streams:,}",
            f"{100 * trial.engine_core:.1f}",
            f"{100 * trial.engine_core / trial.n_streams:.3f}",
            "" if total is None else f"{total.percentiles['p50']:.1f}",
            "" if trial.p99_ms is None else f"{trial.p99_ms:.1f}",
            f"{sum(trial.dropped.values()):,}",
            "carried" if trial.carried else "not carried",
        )
    return table
