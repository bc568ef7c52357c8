"""All parts, one after the other, each in a process of its own; and the machine that they ran on.

A part that fails leaves its reason where its figures would be, and the others go on.
"""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.record import SEED

ROOT = Path(__file__).resolve().parents[1]
PARTS = (
    "frontend",
    "segment",
    "embedded",
    "endtoend",
    "capacity",
    "throughput",
    "wire",
    "coldstart",
    "training",
    "memory",
)
LIBRARIES = (
    "numpy numba rocket-fft onnxruntime pyzmq msgpack soxr scipy librosa torch kaldi_native_fbank"
)
MOST_S = 1500
LOOK_S = 0.5


def run_suite(parts: Iterable[str], *, quick: bool) -> dict[str, Any]:
    """Everything that goes into ``results.json``."""
    results: dict[str, Any] = {**circumstances(), "quick": quick, "parts": {}}
    for name in parts:
        print(f"{name} ...", end=" ", flush=True, file=sys.stderr)
        before, began_s = load(), time.monotonic()
        found = run_part(name, quick=quick)
        took_s = time.monotonic() - began_s
        results["parts"][name] = found | {
            "load_before": before, "load_after": load(), "took_s": took_s,
            "when": results["when"], "commit": results["commit"],
        }  # fmt: skip
        print(found.get("failed", f"{took_s:.0f} s"), file=sys.stderr)
    return results


def keep_others(results: dict[str, Any], earlier: Path) -> dict[str, Any]:
    """With the parts of an earlier run on this machine that did not run now; ratios are taken within a part."""
    try:
        found = json.loads(earlier.read_text())
        comparable = (found["machine"], found["quick"]) == (results["machine"], results["quick"])
        parts = {name: {"when": found["when"], "commit": found["commit"]} | part
                 for name, part in found["parts"].items()} if comparable else {}  # fmt: skip
    except (OSError, ValueError, KeyError, AttributeError):
        parts = {}
    parts |= results["parts"]
    return {**results, "parts": {name: parts[name] for name in PARTS if name in parts}}


def run_part(name: str, *, quick: bool) -> dict[str, Any]:
    """One part's record, or why there is none."""
    command = [sys.executable, "-W", "ignore", "-m", "bench.part", name]
    try:
        done = subprocess.run(
            command + ["--quick"] * quick,
            cwd=ROOT, capture_output=True, text=True, timeout=MOST_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"failed": f"did not end within {MOST_S} s"}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return {"failed": last[:300]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def load() -> dict[str, float | None]:
    """What else the machine does: load average, and how many cores are in use while nothing of ours runs."""
    try:
        average = os.getloadavg()[0]
    except OSError:
        average = None
    return {"average_1_min": average, "busy_cores": busy_cores()}


def busy_cores() -> float | None:
    """Cores in use during half a second of our sleep; None where the system does not say."""

    def ticks() -> float:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
        return sum(map(int, fields)) - int(fields[3]) - int(fields[4])  # idle, waiting for discs

    try:
        before = ticks()
        time.sleep(LOOK_S)
        return (ticks() - before) / os.sysconf("SC_CLK_TCK") / LOOK_S
    except OSError:
        return None


def circumstances() -> dict[str, Any]:
    """Commit, machine, versions, seed."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": git("rev-parse", "HEAD"),
        "changed_files": len((git("status", "--porcelain") or "").splitlines()),
        "machine": {
            "cpu": cpu_name(),
            "cores": len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count(),
            "system": platform.platform(),
        },
        "seed": SEED,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in LIBRARIES.split()},
    }


def git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        fields = dict(line.partition(":")[::2] for line in lines if ":" in line)
        names = {key.strip(): value.strip() for key, value in fields.items()}
        return f"{names['model name']} (model {names['model']}, {names['cpu MHz']} MHz)"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()


def version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
