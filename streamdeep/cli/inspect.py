"""``streamdeep inspect`` and ``streamdeep verify``: what a file says, and whether it holds on this machine."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from streamdeep import onnxfile
from streamdeep.encoder.contract import Contract
from streamdeep.encoder.model import Model, default_model_path, load_model
from streamdeep.errors import ModelError
from streamdeep.heads.head import METADATA_KEY as HEAD_KEY
from streamdeep.heads.head import Head, HeadContract
from streamdeep.providers import ProviderName


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("inspect")(inspect)
    app.command("verify")(verify)


_ProviderOption = Annotated[
    ProviderName, typer.Option(help="What runs a model; heads run on the cpu.")
]
_ModelArgument = Annotated[
    Path | None, typer.Argument(help="Model or head file. [default: the embedded model]")
]


def inspect(
    model: _ModelArgument = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the metadata as it stands in the file.")
    ] = False,
    provider: _ProviderOption = "cpu",
) -> None:
    """Print the whole contract of a model or head file.

    Example: streamdeep inspect scene.onnx
    """
    path = model or default_model_path()
    file = _read(path)
    is_head = HEAD_KEY in file.metadata
    if is_head:
        contract: HeadContract | Contract = Head(file, str(path)).contract
    else:
        contract = Model(file, str(path), provider=provider).contract
    if as_json:
        found = json.loads(contract.model_dump_json(exclude_none=True))
        typer.echo(json.dumps({"sha256": file.digest.hex(), **found}))
        return
    console = Console(highlight=False)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("file", f"{path} ({path.stat().st_size / 1e6:.2f} MB)")
    table.add_row("sha256", file.digest.hex())
    for side, tensors in (("input", file.inputs), ("output", file.outputs)):
        for name, shape in tensors.items():
            table.add_row(
                f"{side} {name}",
                "(" + ", ".join("any" if axis is None else str(axis) for axis in shape) + ")",
            )
    for key, value in _flat(json.loads(contract.model_dump_json(exclude_none=True))):
        table.add_row(key, value)
    console.print(table)


def _flat(value: Any, key: str = "") -> list[tuple[str, str]]:
    """Nested metadata as lines; arrays by their shape only."""
    if isinstance(value, dict) and set(value) == {"shape", "base64"}:
        return [(key, "float32 array " + "×".join(str(axis) for axis in value["shape"]))]
    if isinstance(value, dict):
        return [
            line
            for name, part in value.items()
            for line in _flat(part, f"{key}.{name}".lstrip("."))
        ]
    if isinstance(value, list) and any(isinstance(part, (dict, list)) for part in value):
        return [line for index, part in enumerate(value) for line in _flat(part, f"{key}[{index}]")]
    return [
        (key, ", ".join(str(part) for part in value) if isinstance(value, list) else str(value))
    ]


def _read(path: Path) -> onnxfile.OnnxFile:
    return onnxfile.read(path, onnxfile.ENCODER_OPERATORS | onnxfile.HEAD_OPERATORS)


def verify(
    model: _ModelArgument = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per check.")
    ] = False,
    provider: _ProviderOption = "cpu",
) -> None:
    """Run every check of a model or head file on this machine; exit 0, or say what failed.

    Example: streamdeep verify scene.onnx
    """
    path = model or default_model_path()

    def check(name: str, run: Callable[[], Any]) -> Any:
        began_ns = time.monotonic_ns()
        found = run()
        took_ms = (time.monotonic_ns() - began_ns) / 1e6
        if as_json:
            typer.echo(json.dumps({"check": name, "ok": True, "milliseconds": round(took_ms, 2)}))
        else:
            typer.echo(f"ok  {name}  ({took_ms:.1f} ms)")
        return found

    file = check("digest, graph, operators, no external data", lambda: _read(path))
    if HEAD_KEY in file.metadata:
        check("head contract and shapes", lambda: Head(file, str(path)))
        return
    loaded: Model = check(
        "contract, shapes, runtime", lambda: Model(file, str(path), provider=provider)
    )
    check("golden frames and embeddings; parity of steps, chunks, batches, wholes", loaded.prove)
    if loaded.complaint is not None:
        raise ModelError(f"{path}: {loaded.complaint}")
    mode = "incremental" if loaded.incremental else "whole segments, as its contract says"
    check(f"loads as `run` loads it: {mode}", lambda: load_model(path, provider=provider))
