"""Which core the engine gets, and which the load and the listener: where the system lets us choose."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where.

    Attributes:
        engine: the engine's core; None where the system does not let us choose.
        others: for everything else; the engine's own where there is no other.
        shared: load and listener run on the engine's core, or on the same core's other thread.
    """

    engine: int | None
    others: tuple[int, ...]
    shared: bool


def choose_cores() -> Cores:
    """The last core for the engine, since interrupts like the first; its own threads for nobody else."""
    if sys.platform != "linux":
        return Cores(None, (), shared=False)
    usable = sorted(os.sched_getaffinity(0))
    engine = usable[-1]
    siblings = _siblings(engine)
    apart = tuple(core for core in usable if core not in siblings)
    others = apart or tuple(core for core in usable if core != engine) or (engine,)
    return Cores(engine, others, shared=not apart)


def stay_on(cores: tuple[int, ...]) -> None:
    """Keep the calling thread, and those it starts from now on, on these cores; none means any."""
    if sys.platform == "linux" and cores:
        os.sched_setaffinity(0, cores)


def resident_bytes() -> int | None:
    """What this process has in memory now; None where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def waited_s() -> float | None:
    """How long this process's main thread could have run while others had its core; None if unknown."""
    try:
        fields = Path(f"/proc/{os.getpid()}/schedstat").read_text().split()
    except OSError:
        return None
    return int(fields[1]) / 1e9


def available_bytes() -> int | None:
    """What processes may still take; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def _siblings(core: int) -> set[int]:
    """The core and the threads that share it, as Linux numbers them."""
    where = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        text = where.read_text().strip()
    except OSError:
        return {core}
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found
