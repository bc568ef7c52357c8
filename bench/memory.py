"""What an engine occupies: with one stream, per further stream, and how much of a core it takes when little happens."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from bench.record import SEED, Part, Table

RING_S = 1.0
LIBRARIES = "numpy, numba, onnxruntime, onnx, pydantic, zmq, msgpack, soundfile, soxr"
KINDS = {"at the model's rate": 44100, "resampled from 48 kHz": 48000}


def resident_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


class Noise:
    """A source that is fed from outside."""

    live, n_channels = True, 1

    def __init__(self, number: int, rate_hz: int) -> None:
        self.name, self.sample_rate_hz = f"noise{number}", rate_hz

    def start(self, ring) -> None:
        self.ring = ring

    def stop(self) -> None:
        self.ring.close()


def child(model_path: str, n_streams: int, rate_hz: int, seconds: float) -> None:
    """In a process of its own: an engine with streams, fed as live sound; prints what it occupies and uses."""
    from streamdeep.encoder.model import load_model
    from streamdeep.engine import Engine
    from streamdeep.frontend.rows import warm_up
    from streamdeep.wire.publisher import Publisher

    model = load_model(Path(model_path))
    warm_up(model.contract.frontend)
    with Publisher("tcp://127.0.0.1:*") as publisher:
        engine = Engine(model, publisher, hop_frames=124, ring_s=RING_S)
        sources = [Noise(number, rate_hz) for number in range(n_streams)]
        for source in sources:
            engine.add(source.name, source)
        thread = threading.Thread(target=engine.run)
        thread.start()
        while not all(hasattr(source, "ring") for source in sources):
            time.sleep(0.01)
        hop = rate_hz // 25
        noise = np.random.default_rng(SEED).normal(0, 0.05, (hop, 1)).astype(np.float32)
        began_s, feeding_from = time.monotonic(), time.thread_time()
        used_s = time.process_time()
        for turn in range(round(25 * seconds)):
            time.sleep(max(0.0, began_s + turn / 25 - time.monotonic()))
            for source in sources:
                source.ring.write(noise, time.monotonic_ns())
        feeding_s = time.thread_time() - feeding_from
        core = (time.process_time() - used_s - feeding_s) / (time.monotonic() - began_s)
        found = {"resident_kb": resident_kb(), "core": core}
        for source in sources:
            source.ring.close()
        thread.join()
    print(json.dumps(found))


def in_child(code: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def run(quick: bool) -> dict:
    from bench.networks import model_path  # not for the children: what it imports is memory

    n_more, seconds, n_repeats = (40, 2.0, 1) if quick else (300, 7.0, 2)
    raw: dict[str, list[dict]] = {"libraries": []}
    for _ in range(n_repeats):
        raw["libraries"].append(
            in_child(
                f"import {LIBRARIES}, json\nfrom bench.memory import resident_kb\n"
                "print(json.dumps({'resident_kb': resident_kb()}))"
            )
        )
        for kind, rate_hz in KINDS.items():
            for n_streams in (1, 1 + n_more):
                arguments = str(model_path()), n_streams, rate_hz, seconds
                code = f"from bench.memory import child; child{arguments!r}"
                raw.setdefault(f"{kind}, {n_streams}", []).append(in_child(code))
    return part(raw, n_more).as_dict()


def middle(found: list[dict], key: str) -> float:
    return float(np.median([answer[key] for answer in found]))


def part(raw: dict[str, list[dict]], n_more: int) -> Part:
    from streamdeep.engine import RING_S as DEFAULT_RING_S

    libraries_kb = middle(raw["libraries"], "resident_kb")
    direct, _resampled = KINDS
    one = raw[f"{direct}, 1"]
    one_kb = middle(one, "resident_kb")
    values = {
        "one_mb": one_kb * 1024 / 1e6,
        "one_over_libraries": one_kb / libraries_kb,
        "idle_core": middle(one, "core"),
    }
    rows = [["the libraries alone", libraries_kb * 1024 / 1e6, 1.0]]
    rows.append(["engine with one stream", values["one_mb"], values["one_over_libraries"]])
    more_rows = []
    for kind, rate_hz in KINDS.items():
        many = middle(raw[f"{kind}, {1 + n_more}"], "resident_kb")
        each_kb = (many - middle(raw[f"{kind}, 1"], "resident_kb")) * 1.024 / n_more
        ring_kb = RING_S * rate_hz * 4 / 1000
        more_rows.append([kind, each_kb, ring_kb, each_kb / ring_kb])
        values["direct_kb" if kind == direct else "resampled_kb"] = each_kb
    tables = [
        Table(
            "Resident memory",
            "What an engine occupies, beside a program that has only loaded the same libraries.",
            ["", "MB", "x libraries"],
            rows,
        ),
        Table(
            f"Each further stream, over {n_more}",
            f"With room for a second of waiting sound (`ring_s` = {RING_S:g}); the rest is the stream's state. `run` has room for "
            f"{DEFAULT_RING_S:g} s, which is memory once sound has filled it: {DEFAULT_RING_S - RING_S:g} further seconds.",
            ["", "kB", "its second of sound, kB", "x"],
            more_rows,
        ),
        Table(
            "One live stream",
            "What a machine spends that listens to one microphone all day.",
            ["", "% of a core"],
            [["engine, publishing included", 100 * values["idle_core"]]],
        ),
    ]
    return Part(
        "Memory and idling",
        "Processes of their own, fed as live sound comes; memory is read when rings have gone round, after a segment has closed "
        "in full runs. kB are 1,000 bytes.",
        values,
        tables,
        raw=raw,
    )
