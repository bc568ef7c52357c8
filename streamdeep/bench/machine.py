"""What was measured on: the machine, its load, and the versions that matter."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from streamdeep.bench.cores import Cores

_PACKAGES = ("streamdeep", "numpy", "numba", "rocket-fft", "onnxruntime", "pyzmq", "soxr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where and with what.

    Attributes:
        system: as Python names it.
        processor: as the system names it; empty if it does not.
        n_cores: that this process may use; hyperthreads count.
        engine_core: the engine's; None where it could not be chosen.
        shared_core: load and listeners ran on it too, or on its other thread.
        load_average: over the last minute, before the first measurement; None where the system has none.
        versions: of Python and the packages that the engine runs on.
    """

    system: str
    processor: str
    n_cores: int
    engine_core: int | None
    shared_core: bool
    load_average: float | None
    versions: dict[str, str]

    @property
    def warnings(self) -> list[str]:
        """What a reader of the figures must know."""
        found = []
        if self.load_average is not None and self.load_average > self.n_cores / 2:
            found.append(
                f"the machine is busy (load {self.load_average:.1f} on {self.n_cores} cores): "
                "figures are worse than they could be"
            )
        if self.engine_core is None:
            found.append(
                "this system does not let a program choose its core: the engine ran on any"
            )
        elif self.shared_core:
            found.append(
                "there is only one core: the sound was made and the embeddings decoded on the engine's own"
            )
        return found


def this_machine(cores: Cores) -> Machine:
    """Look at this machine."""
    n_cores = len({*cores.others, cores.engine} - {None}) or os.cpu_count() or 1
    return Machine(
        system=platform.platform(terse=True),
        processor=_processor(),
        n_cores=n_cores,
        engine_core=cores.engine,
        shared_core=cores.shared,
        load_average=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        versions={
            "python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
        },
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
