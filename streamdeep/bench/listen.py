"""A process: a subscriber that notes how long each embedding took, until all its streams have stopped.

    python -m streamdeep.bench.listen ENDPOINT CORES FROM_SAMPLE STREAM,STREAM,...

One line of JSON at the end. What ends before FROM_SAMPLE, and partial segments, are counted only.
"""

import sys
import time

from streamdeep.bench.child import end_with_the_parent, tell
from streamdeep.bench.cores import stay_on
from streamdeep.records import Flag
from streamdeep.wire.kinds import STAGES, EmbeddingMessage, EventMessage
from streamdeep.wire.subscriber import Subscriber

COLUMNS = (*STAGES, "wire", "total")
"""Where an embedding's time went; ``wire`` ends when it is decoded here, ``total`` is all of it."""
_SILENCE_S = 10.0


def main(endpoint: str, cores: str, from_sample: str, streams: str) -> None:
    """Listen; what it prints is read by ``trial``."""
    stay_on(tuple(int(core) for core in cores.split(",") if core))
    end_with_the_parent()
    names = streams.split(",")
    latencies_ns: dict[str, list[int]] = {name: [] for name in COLUMNS}
    received = stops = 0
    kinds = ("embedding", "early", "event")
    with Subscriber(endpoint, streams=names, kinds=kinds, high_water_mark=10_000) as subscriber:
        while stops < len(names):
            message = subscriber.receive(_SILENCE_S)
            now_ns = time.monotonic_ns()
            if message is None:
                break
            if isinstance(message, EventMessage):
                stops += message.event == "stop"
            elif isinstance(message, EmbeddingMessage):
                received += Flag.EARLY not in message.flags
                if Flag.PARTIAL in message.flags or message.stop_sample < int(from_sample):
                    continue
                wire_ns = now_ns - message.published_monotonic_ns
                for stage in STAGES:
                    latencies_ns[stage].append(message.stages_ns[stage])
                latencies_ns["wire"].append(wire_ns)
                latencies_ns["total"].append(message.latency_ns + wire_ns)
        books = subscriber.statistics()
    tell(
        received=received,
        lost=books.lost,
        bad=sum(books.bad.values()) + sum(books.unexplained.values()),
        latencies_ns=latencies_ns,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
