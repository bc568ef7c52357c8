"""Our own subscriber as a client of the conformance test: prints its lines (docs/conformance.md)."""

import json
import sys

from streamdeep.wire.kinds import (
    EmbeddingMessage,
    EventMessage,
    LabelMessage,
    ModelMessage,
    topic_of,
)
from streamdeep.wire.subscriber import Subscriber
from streamdeep.wire.topics import KINDS


def line(message, statistics):
    topic = topic_of(message)
    of_stream = [
        counts.lost
        for name, counts in statistics.topics.items()
        if name.split("/")[1] == message.stream
    ]
    found = {
        "kind": topic.split("/")[0],
        "stream": message.stream,
        "sequence": message.sequence,
        "lost": sum(of_stream),
        "refused": sum(statistics.bad.values()),
    }
    match message:
        case EmbeddingMessage():
            found |= {"start_sample": message.start_sample, "n_samples": message.n_samples}
            found |= {"dim": len(message.vector), "values": message.vector[:3].tolist()}
            found["age_s"] = statistics.topics[topic].age_s
        case EventMessage():
            found |= {"event": message.event, "at_sample": message.at_sample}
            found["n_samples"] = message.n_samples
        case LabelMessage():
            found |= {"head": message.head, "label": message.label}
            found |= {"start_sample": message.start_sample, "n_samples": message.n_samples}
        case ModelMessage():
            found |= {"name": message.name, "dim": message.dim}
    return found


if __name__ == "__main__":
    with Subscriber(sys.argv[1], kinds=KINDS, hold=False) as subscriber:
        for message in subscriber:
            sys.stdout.write(json.dumps(line(message, subscriber.statistics())) + "\n")
            sys.stdout.flush()
