"""``streamdeep demo``: the whole line on this machine, no hardware needed.

Two processes over TCP on loopback, as a user would start them: ``run`` embeds and publishes, ``classify``
listens and labels. This module starts them, listens to both, and sums up.
"""

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from streamdeep.cli.child import Child
from streamdeep.cli.ledgers import show_ledger
from streamdeep.cli.soundscape import write_soundscape
from streamdeep.errors import ConfigurationError
from streamdeep.records import Ledger

SCENE_S = 5.0
STREAM = "demo"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    source: Annotated[
        str | None, typer.Option(help="A sound file or mic, instead of the synthetic soundscape.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the soundscape.")] = 7,
    count: Annotated[int | None, typer.Option(help="Stop after so many labels.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object at the end.")
    ] = False,
) -> None:
    """Run engine and classifier on this machine and show labels, latency and the ledger.

    Example: streamdeep demo --source mic --count 30
    """
    if count is not None and count < 1:
        raise ConfigurationError(f"--count {count} must be at least 1")
    console = Console(stderr=as_json, highlight=False)
    with tempfile.TemporaryDirectory(prefix="streamdeep-demo-") as folder:
        if source is None:
            path = Path(folder) / "soundscape.wav"
            scenes = write_soundscape(path, seed=seed, scene_s=SCENE_S)
            console.print(
                f"The sound is [bold]synthetic[/]: {len(scenes)} scenes of {SCENE_S:g} s that only resemble what "
                "they are called. The labels show that the line works, not how well it hears."
            )
            source = str(path)
        else:
            scenes = []
        labels, ledger = _run(console, source, scenes, count)
    if as_json:
        outcome = {"labels": labels, "latency_ms": _latencies(labels), "ledger": ledger}
        typer.echo(json.dumps(outcome))
        return
    console.print(f"\nFrom a segment's last sample to its label, over {len(labels)} labels:")
    console.print(_latency_table(_latencies(labels)))
    console.print(
        "capture is the wait for the block that holds the last sample; blocks come every 10 ms\n"
    )
    known = {name: value for name, value in ledger.items() if name in Ledger.__dataclass_fields__}
    show_ledger(console, STREAM, Ledger(**known))


def _run(
    console: Console, source: str, scenes: list[tuple[float, str]], count: int | None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Both processes to their end; the labels and the engine's last account."""
    # `run` waits for the classifier, so that the first label is the first segment's.
    engine = Child(
        "run", source, "--bind", "tcp://127.0.0.1:*", "--stream", STREAM, "--wait", "--json"
    )
    classifier = None
    try:
        ready = engine.until_ready(
            lambda line: console.print(line.get("message", ""), markup=False)
        )
        limit = ("--count", str(count)) if count is not None else ()
        classifier = Child(
            "classify", "--connect", ready["endpoint"], "--json", "--until-stop", *limit
        )
        console.print(
            f"engine (process {engine.pid}) publishes on {ready['endpoint']}, model {ready['model']} "
            f"{ready['digest'][:16]}; classifier (process {classifier.pid}) listens"
        )
        labels = []
        for label in classifier.lines():
            labels.append(label)
            _say(console, label, scenes)
        classifier.finish()
        if count is not None:
            engine.stop()  # it still runs; otherwise it has come to its own end
        account = [line for line in engine.lines() if line["event"] == "ledger"]
        engine.finish()
        return labels, account[-1]
    finally:
        for program in (engine, classifier):
            if program is not None:
                program.close()


def _say(console: Console, label: dict[str, Any], scenes: list[tuple[float, str]]) -> None:
    playing = [name for start, name in scenes if start < label["stop_s"]][-1:]
    total_ms = (label["latency_ns"] + label["wire_ns"] + label["decide_ns"]) / 1e6
    console.print(
        f"{label['start_s']:5.1f} to {label['stop_s']:4.1f} s  [bold]{label['label']:<14}[/] "
        f"{label['probability']:4.0%}  after {total_ms:4.1f} ms"
        + (f"  [dim]plays {playing[0]}[/]" if playing else ""),
        soft_wrap=True,
    )


def _latencies(labels: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """p50 and p99 in milliseconds per stage, of all labels of full segments."""
    full = [label for label in labels if "partial" not in label["flags"]] or labels
    stages: dict[str, list[int]] = {}
    for label in full:
        parts = {**label["stages_ns"], "wire": label["wire_ns"], "decide": label["decide_ns"]}
        parts["total"] = label["latency_ns"] + label["wire_ns"] + label["decide_ns"]
        for name, value in parts.items():
            stages.setdefault(name, []).append(value)
    return {
        name: {
            "p50": round(float(np.percentile(values, 50)) / 1e6, 3),
            "p99": round(float(np.percentile(values, 99)) / 1e6, 3),
        }
        for name, values in stages.items()
    }


def _latency_table(latencies: dict[str, dict[str, float]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("stage")
    table.add_column("p50", justify="right")
    table.add_column("p99", justify="right")
    for name, values in latencies.items():
        last = name == "decide"
        table.add_row(name, f"{values['p50']:.3f} ms", f"{values['p99']:.3f} ms", end_section=last)
    return table
