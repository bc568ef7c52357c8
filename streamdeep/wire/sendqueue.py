"""How much the kernel has not yet delivered for a listening port; Linux only.

Why anybody asks: when a program closes a TCP connection, the kernel goes on delivering what it has queued
- until the reader sends something, a heartbeat for instance. Then the kernel answers with a reset and throws
the queue away *(measured: a reader that took 5 ms a message lost 952 of the last 3,000)*. So a lossless
publisher stays until the queue is empty. Not here: when to ask (:mod:`streamdeep.wire.outbox`).
"""

from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def undelivered_bytes(port: int) -> int:
    """Bytes sent from a local TCP port that no peer has acknowledged; 0 where the kernel does not tell."""
    total = 0
    for table in _TABLES:
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            # sl local_address rem_address st tx_queue:rx_queue ...
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port:
                total += int(fields[4].partition(":")[0], 16)
    return total
