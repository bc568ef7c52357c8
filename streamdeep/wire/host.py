"""Which machine's monotonic clock this is, as a text that two processes can compare.

Host names repeat (``raspberrypi``, ``localhost``) and monotonic clocks restart with the machine, so the name
alone is not enough: the kernel's boot identity is appended where there is one, the network card's address
elsewhere. Containers on one kernel share both. Not here: what is done with it (:mod:`streamdeep.wire.age`).
"""

import platform
import uuid
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def this_host() -> str:
    """``<host name>/<identity>``; equal for two processes only if they read the same monotonic clock."""
    try:
        identity = _BOOT_ID.read_text().strip()
    except OSError:
        identity = f"{uuid.getnode():012x}"
    return f"{platform.node()[:200]}/{identity[:36]}"
