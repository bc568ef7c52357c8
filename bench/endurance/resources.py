"""What the engine takes of the machine: memory, descriptors, threads."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Resources:
    """A process at one moment.

    Attributes:
        at_s: seconds since the run began.
        rss_mb: resident memory.
        descriptors: open files and sockets.
        threads: of all kinds.
    """

    at_s: float
    rss_mb: float
    descriptors: int
    threads: int


def resources(process_id: int, at_s: float) -> Resources:
    """Look at a process of ours."""
    place = Path(f"/proc/{process_id}")
    fields = dict(
        line.split(":", 1) for line in (place / "status").read_text().splitlines() if ":" in line
    )
    return Resources(
        at_s=round(at_s, 1),
        rss_mb=round(int(fields["VmRSS"].split()[0]) / 1024, 1),
        descriptors=len(list((place / "fd").iterdir())),
        threads=int(fields["Threads"]),
    )
