"""How much room a disk must have: recording leaves some of it to others."""

import shutil
from pathlib import Path

LEAST_FREE, LEAST_FREE_BYTES = 0.01, 1_000_000_000
"""Recording stops when less than this part of the disk, and less than so many bytes, is free,"""
RESUME_FREE, RESUME_FREE_BYTES = 0.05, 5_000_000_000
"""and goes on when so much is free again."""


def has_room(place: Path, *, to_resume: bool) -> bool:
    """Whether recording may go on, or go on again, in this folder; a folder that is gone has room."""
    try:
        usage = shutil.disk_usage(place)
    except OSError:  # the next write will say what is wrong
        return True
    if to_resume:
        return usage.free > min(RESUME_FREE * usage.total, RESUME_FREE_BYTES)
    return usage.free >= min(LEAST_FREE * usage.total, LEAST_FREE_BYTES)
