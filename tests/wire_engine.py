"""A publisher as a process of its own, for tests that kill, stop and restart one: no sound, but real messages.

Usage: wire_engine.py '{"bind": ..., "streams": [...], "period_s": 0.05, "identity": null, "allow": null, ...}'
Prints its address when it is bound. The vectors of a stream begin with its sequence number.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from streamdeep.records import Embedding
from streamdeep.wire.gate import Guard
from streamdeep.wire.kinds import ClockPoint
from streamdeep.wire.publisher import Publisher

DIGEST = bytes(range(32))
RATE_HZ = 48_000


def announce(publisher, stream, dim=4):
    publisher.announce(
        stream, digest=DIGEST, name="scene", dim=dim, sample_rate_hz=16_000, hop_samples=640,
        window_samples=1280, segment_frames=124, segment_hop_frames=62, source_rate_hz=RATE_HZ,
        source_channels=1, incremental=True, frontend_json="{}", version="0.1.0",
    )  # fmt: skip


def publish(publisher, stream, number, dim=4):
    vector = np.zeros(dim, np.float32)
    vector[0] = number
    embedding = Embedding(vector, 0, number * RATE_HZ, RATE_HZ, RATE_HZ, -20.0, -3.0)
    publisher.publish_embedding(
        stream, embedding, model=DIGEST[:8], captured_monotonic_ns=time.monotonic_ns(), stages_ns={}
    )


def report(publisher, stream):
    publisher.publish_status(
        stream, counters={}, clock=ClockPoint(1, 2, 3, RATE_HZ), uptime_s=1.0, live=True
    )


def start(bind, *streams, period_s=0.05, identity=None, allow=None, n_most=None, wait=False):
    """Start one, which waits for a listener if told to; the process and its address."""
    settings = {
        "bind": bind, "streams": streams, "period_s": period_s, "n_most": n_most, "wait": wait,
        "identity": identity and str(identity), "allow": allow and str(allow),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__)), json.dumps(settings)],
        stdout=subprocess.PIPE,
        text=True,
    )
    endpoint = process.stdout.readline().strip()
    assert endpoint, "the publisher did not start"
    return process, endpoint


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()


def main():
    settings = json.loads(sys.argv[1])
    guard = Guard.load(settings["identity"], settings["allow"])
    with Publisher(settings["bind"], guard=guard) as publisher:
        sys.stdout.write(f"{publisher.endpoint}\n")
        sys.stdout.flush()
        while settings["wait"] and not publisher.is_subscribed("embedding/a/"):
            publisher.wait(0.1)
            publisher.service()
        for stream in settings["streams"]:
            announce(publisher, stream)
        number, next_status_s = 0, 0.0
        while True:
            if settings["n_most"] is None or number < settings["n_most"]:
                for stream in settings["streams"]:
                    publish(publisher, stream, number)
                number += 1
            if time.monotonic() >= next_status_s:
                next_status_s = time.monotonic() + 1.0
                for stream in settings["streams"]:
                    report(publisher, stream)
            publisher.service()
            publisher.wait(settings["period_s"])


if __name__ == "__main__":
    main()
