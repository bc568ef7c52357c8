"""``python -m bench.endurance.listener ADDRESS``: says what it receives, and at SIGTERM its books."""

import json
import signal
import sys
import zlib
from dataclasses import asdict

from streamdeep.wire import EmbeddingMessage, EventMessage, ModelMessage, StatusMessage, Subscriber

HIGH_WATER_MARK = 16
"""Small, so that a short freeze is enough to lose something."""
KINDS = {
    EmbeddingMessage: "embedding",
    EventMessage: "event",
    StatusMessage: "status",
    ModelMessage: "model",
}


def main() -> None:
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    with Subscriber(
        sys.argv[1], kinds=tuple(KINDS.values()), high_water_mark=HIGH_WATER_MARK
    ) as subscriber:
        print('{"event": "ready"}', flush=True)
        while True:
            message = subscriber.receive(0.2)
            if message is None:
                if stopping:
                    break
                continue
            line = {
                "kind": KINDS[type(message)],
                "stream": message.stream,
                "sequence": message.sequence,
            }
            if isinstance(message, EmbeddingMessage):
                line["crc32"] = zlib.crc32(message.vector.tobytes())
            print(json.dumps(line), flush=True)
        books = subscriber.statistics()
    topics = {topic: asdict(found) for topic, found in books.topics.items()}
    print(json.dumps({"event": "books", "topics": topics, "bad": dict(books.bad)}), flush=True)


if __name__ == "__main__":
    main()
