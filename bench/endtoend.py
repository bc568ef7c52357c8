"""From a block's last sample to its embedding decoded in another process, beside bare ZeroMQ with the same bytes."""

import json
import struct
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

from bench.measure import HOP_S, Spread, percentiles
from bench.record import SEED, Part, Picture, Series, Table

TRANSPORTS = ("tcp", "ipc")
SKIPPED = 10
"""Messages before figures count: first calls, first connections."""
LISTENERS = {
    "streamdeep": "from bench.endtoend import listen; listen({!r})",
    "bare": "from bench.endtoend import listen_bare; listen_bare({!r}, {!r})",
}


def listen(endpoint):
    """In a process of its own: nanoseconds from capture to decoded, and the stages, of every embedding."""
    from streamdeep.wire.messages import EventMessage
    from streamdeep.wire.subscriber import Subscriber

    found = []
    with Subscriber(endpoint, kinds=("embedding", "early", "event"), timeout_s=20.0) as subscriber:
        print("listening", flush=True)
        for message in subscriber:
            now_ns = time.monotonic_ns()
            if isinstance(message, EventMessage):
                if message.event == "stop":
                    break
                continue
            captured_ns = message.published_monotonic_ns - message.latency_ns
            wire_ns = now_ns - message.published_monotonic_ns
            found.append(
                [now_ns - captured_ns, {**message.stages_ns, "wire and decoding": wire_ns}]
            )
    print(json.dumps(found))


def listen_bare(endpoint, n_messages):
    """In a process of its own: nanoseconds from before ``send`` to after ``recv``."""
    import zmq

    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    socket.setsockopt(zmq.RCVTIMEO, 20_000)
    socket.connect(endpoint)
    print("listening", flush=True)
    found = []
    for _ in range(n_messages):
        *_, payload = socket.recv_multipart()
        found.append(time.monotonic_ns() - struct.unpack_from("<q", payload)[0])
    print(json.dumps(found))


class Metronome:
    """A source that gives a hop of noise when it is due, and half a hop later sends the bare message."""

    live, n_channels, sample_rate_hz, name = True, 1, 44100, "metronome"

    def __init__(self, n_hops, frames, bare_socket):
        self.n_hops, self.frames, self.socket = n_hops, frames, bare_socket
        self.noise = np.random.default_rng(SEED).normal(0, 0.05, (1764, 1)).astype(np.float32)

    def start(self, ring):
        self.ring = ring
        self.thread = threading.Thread(target=self.beat, daemon=True)
        self.thread.start()

    def beat(self):
        topic, header, payload = self.frames
        body, began_ns = bytearray(payload), time.monotonic_ns()
        for hop in range(self.n_hops):
            sleep_until(began_ns + round(hop * HOP_S * 1e9))
            self.ring.write(self.noise, time.monotonic_ns())
            sleep_until(began_ns + round((hop + 0.5) * HOP_S * 1e9))
            struct.pack_into("<q", body, 0, time.monotonic_ns())
            self.socket.send_multipart((topic, header, bytes(body)))
        self.ring.close()

    def stop(self):
        self.thread.join()


def sleep_until(due_ns):
    time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)


def measure(transport, seconds):
    """Nanoseconds of both, message by message."""
    import zmq

    from bench.networks import model_path
    from bench.wire import embedding_message
    from streamdeep.encoder.model import load_model
    from streamdeep.engine import Engine
    from streamdeep.frontend.rows import warm_up
    from streamdeep.wire.messages import pack
    from streamdeep.wire.publisher import Publisher

    n_hops = round(seconds / HOP_S)
    model = load_model(model_path())
    warm_up(model.contract.frontend)
    length = model.contract.segment.length_frames
    with tempfile.TemporaryDirectory() as folder:
        binds = {
            "tcp": ("tcp://127.0.0.1:*", "tcp://127.0.0.1:*"),
            "ipc": (f"ipc://{folder}/engine", f"ipc://{folder}/bare"),
        }[transport]
        context = zmq.Context()
        bare = context.socket(zmq.PUB)
        bare.bind(binds[1])
        with Publisher(binds[0]) as publisher:
            # Every frame gives an embedding: early ones cost what a segment's last frame costs.
            early = range(1, length)
            engine = Engine(model, publisher, hop_frames=length, early_frames=early)
            engine.add("bench", Metronome(n_hops, pack(embedding_message()), bare))
            listeners = [
                child("streamdeep", publisher.endpoint),
                child("bare", bare.getsockopt_string(zmq.LAST_ENDPOINT), n_hops),
            ]
            engine.wait_for_listener()
            time.sleep(0.5)  # PUB tells nobody who has joined
            engine.run()
        heard = [json.loads(listener.communicate(timeout=60)[0]) for listener in listeners]
        bare.close(0)
        context.term()
    return heard


def child(kind, *arguments):
    code = LISTENERS[kind].format(*arguments)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout.readline() == "listening\n"
    return process


def run(quick: bool) -> dict:
    return part(
        {transport: measure(transport, 3 if quick else 60) for transport in TRANSPORTS}
    ).as_dict()


def part(heard) -> Part:
    values, rows, stages_rows, series, raw = {}, [], [], [], {}
    for transport, (ours, bare) in heard.items():
        ours, bare_us = ours[SKIPPED:], [found / 1000 for found in bare[SKIPPED:]]
        ours_us = [found / 1000 for found, _ in ours]
        ours_found, bare_found = percentiles(ours_us), percentiles(bare_us)
        seconds = [
            percentiles(ours_us[at : at + 25])["p50"] / percentiles(bare_us[at : at + 25])["p50"]
            for at in range(0, min(len(ours_us), len(bare_us)) - 24, 25)
        ]
        ratio = Spread.of(seconds)
        values[f"{transport}_over_bare"] = ratio.median
        values[f"{transport}_p99_ms"] = ours_found["p99"] / 1000
        for name, found, n in (
            ("streamdeep", ours_found, len(ours_us)),
            ("bare PUB/SUB", bare_found, len(bare_us)),
        ):
            mine = name == "streamdeep"
            rows.append(
                [
                    f"{name}, {transport}",
                    n,
                    *found.values(),
                    ratio.median if mine else 1.0,
                    ratio.quartiles if mine else "",
                ]
            )
        for stage in ours[0][1]:
            spread = Spread.of([stages[stage] / 1000 for _, stages in ours])
            stages_rows.append([f"{stage}, {transport}", spread.median, spread.quartiles])
        for name, found in (("streamdeep", ours_us), ("bare PUB/SUB", bare_us)):
            share = [rank / len(found) for rank in range(1, len(found) + 1)]
            series.append(Series(f"{name}, {transport}", sorted(found), share))
        raw[transport] = {"streamdeep_us": ours_us, "bare_us": bare_us}
    tables = [
        Table(
            "From block complete to decoded",
            "What a subscriber waits for after the last sample; the rest of the way, bare ZeroMQ with the same bytes, is what "
            "no program on this transport can undercut.",
            ["", "messages", "p50, us", "p99, us", "most, us", "x bare p50", "quartiles"],
            rows,
        ),
        Table(
            "Where the time goes",
            "The stages that every message carries in its header, and the rest on the wire.",
            ["stage", "us", "quartiles"],
            stages_rows,
        ),
    ]
    picture = Picture(
        "endtoend",
        "From block complete to decoded in another process",
        "How many of the messages were there after how long; the tail must end well before one hop.",
        "lines",
        "us",
        "share of messages",
        series,
        logarithmic="x",
    )
    return Part(
        "End to end",
        "One live stream of 44.1 kHz; each 40 ms a hop of samples is complete, and an embedding of the segment so far is published "
        "and decoded in another process. Half a hop later the same process sends bytes of the same lengths through a bare pyzmq PUB "
        "to a SUB in a third process, without decoding. So both run at the same time under the same conditions and never meet. The "
        "ratio is that of the medians of each second.",
        values,
        tables,
        [picture],
        raw=raw,
    )
