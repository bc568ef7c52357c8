"""From nothing to a first embedding, and what imports cost."""

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import soundfile

from bench import networks
from bench.measure import Rounds, Spread, in_rounds
from bench.record import SEED, Part, Table
from streamdeep.wire.subscriber import Subscriber

RATE_HZ = 44100
WARM, COLD = "kernel cache warm", "kernel cache empty"
LIBRARIES = "numpy, numba, onnxruntime, onnx, pydantic, zmq, msgpack, soundfile, soxr, typer, rich"
IMPORTS = {
    "streamdeep.wire.subscriber": "import streamdeep.wire.subscriber",
    "streamdeep.cli": "import streamdeep.cli",
    "numpy, zmq, msgpack": "import numpy, zmq, msgpack",
}
NOTHING = "nothing"
_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|( *)(\S+)")


def first_embedding(sound: Path, folder: Path, *, cold: bool) -> dict[str, float]:
    """Seconds from the start of the program: until it is ready, and until an embedding is decoded here."""
    environment = dict(os.environ)
    if cold:
        environment["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(dir=folder)
    endpoint = f"ipc://{tempfile.mkdtemp(dir=folder)}/s"
    command = [sys.executable, "-m", "streamdeep", "run", str(sound), "--json", "--bind", endpoint]
    command += ["--model", str(networks.model_path())]
    found = {}
    with Subscriber(endpoint, kinds=("embedding",), timeout_s=60.0) as subscriber:
        began_s = time.monotonic()
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

        def watch() -> None:
            for line in process.stdout:
                if json.loads(line).get("event") == "ready":
                    found["ready"] = time.monotonic() - began_s

        watcher = threading.Thread(target=watch)
        watcher.start()
        if subscriber.receive(60.0) is None:
            process.kill()
            raise RuntimeError("streamdeep run gave no embedding within a minute")
        found["first embedding"] = time.monotonic() - began_s
        process.terminate()
        process.wait()
        watcher.join()
    return found


def starts(n_warm: int, n_cold: int) -> dict[str, list[dict[str, float]]]:
    contract = networks.model("pooled").contract
    span_samples = contract.frontend.span_samples(contract.segment.length_frames)
    segment_s = span_samples / contract.frontend.sample_rate_hz
    order = [WARM] * n_warm + [COLD] * n_cold
    random.Random(SEED).shuffle(order)
    found: dict[str, list[dict[str, float]]] = {WARM: [], COLD: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        noise = np.random.default_rng(SEED).normal(0, 0.05, round(RATE_HZ * (segment_s + 1)))
        soundfile.write(folder / "sound.wav", noise, RATE_HZ, subtype="PCM_16")
        for kind in order:
            took = first_embedding(folder / "sound.wav", folder, cold=kind == COLD)
            took["beyond a segment"] = took["first embedding"] - segment_s
            found[kind].append(took)
    return found


def process_seconds(code: str) -> float:
    began_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began_s


def import_times(code: str) -> dict[str, tuple[float, int]]:
    """Module to milliseconds of its own, and how deep it lies, by Python itself."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], check=True, capture_output=True, text=True
    )
    return {
        name: (int(own) / 1000, len(indent)) for own, _, indent, name in _LINE.findall(done.stderr)
    }


def import_total(code: str) -> float:
    """Milliseconds of all that a statement imports; what Python itself starts with is taken off later."""
    return sum(own for own, _ in import_times(code).values())


def dearest(code: str) -> str:
    """The packages in which an import spends its time."""
    already, spent = import_times("pass"), {}
    for name, (own, _) in import_times(code).items():
        if name not in already:
            package = name.split(".")[0]
            spent[package] = spent.get(package, 0.0) + own
    ordered = sorted(spent.items(), key=lambda item: -item[1])[:5]
    return ", ".join(f"{package} {took:.0f} ms" for package, took in ordered)


def run(quick: bool) -> dict:
    began = starts(1, 1) if quick else starts(5, 3)
    n_rounds = 2 if quick else 9
    statements = {**IMPORTS, NOTHING: "pass"}
    imports = in_rounds(
        {name: lambda code=code: import_total(code) for name, code in statements.items()},
        n_rounds=n_rounds,
    )
    processes = in_rounds(
        {
            "the libraries alone": lambda: process_seconds(f"import {LIBRARIES}"),
            "python alone": lambda: process_seconds("pass"),
        },
        n_rounds=n_rounds,
    )
    return part(
        began, imports, processes, {name: dearest(code) for name, code in IMPORTS.items()}
    ).as_dict()


def part(began, imports: Rounds, processes: Rounds, dear: dict[str, str]) -> Part:
    libraries = processes["the libraries alone"]
    rows, values = [], {}
    for kind, found in began.items():
        ready = Spread.of([took.get("ready", float("nan")) for took in found])
        beyond = Spread.of([took["beyond a segment"] for took in found])
        rows.append(
            [
                kind,
                len(found),
                ready.median,
                beyond.median,
                beyond.quartiles,
                beyond.median / libraries.median,
            ]
        )
        values["warm_s" if kind == WARM else "cold_s"] = beyond.median
    rows += [
        [name, "", processes[name].median, "", "", processes[name].median / libraries.median]
        for name in processes.figures
    ]
    net = Rounds(
        {
            name: [took - base for took, base in zip(found, imports.figures[NOTHING], strict=True)]
            for name, found in imports.figures.items()
            if name != NOTHING
        }
    )
    base = "numpy, zmq, msgpack"
    values["listener_s"] = net["streamdeep.wire.subscriber"].median / 1000
    values["listener_over_libraries"] = net.ratio("streamdeep.wire.subscriber", base).median
    values["cli_s"] = net["streamdeep.cli"].median / 1000
    tables = [
        Table(
            "`streamdeep run` of a file, until its first embedding is decoded elsewhere",
            "What a user waits for beyond the sound itself: the segment's own length, for which the file is played, is taken off; an "
            "empty cache is met once per machine and version.",
            [
                "",
                "runs",
                "ready, s",
                "first embedding, s beyond the segment",
                "quartiles",
                "x libraries",
            ],
            rows,
        ),
        Table(
            "Imports, by `python -X importtime`",
            "What a listener pays before its first message, beside the three libraries that it cannot do without.",
            ["", "ms", "quartiles", f"x {base}", "most of it"],
            [[*row, dear[row[0]]] for row in net.rows(base)],
        ),
    ]
    return Part(
        "Cold start and imports",
        "New processes each time, warm and empty caches of compiled kernels in shuffled order; files are in the system's page cache "
        "for all.",
        values,
        tables,
        raw={"starts_s": began, "imports_ms": imports.figures, "processes_s": processes.figures},
    )
