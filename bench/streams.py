"""How many live streams one core carries: paced like live sound, every sample accounted for.

    python bench/streams.py [--counts 1,10,100,1000] [--rate 44100] [--hop-s 5] [--in-phase] [--json]

The engine runs on one core, with all its publishing, to a subscriber in another process. A thread on another core
stands for the sound cards: every 10 ms each stream gets the next 10 ms of noise, when they are due. Starts are
spread over a hop unless --in-phase. Reported: the engine's core in use, latency from a segment's last sample to
its publication, and what was lost.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time

import numpy as np

from streamdeep.config import hop_frames_from_seconds
from streamdeep.encoder.model import load_model
from streamdeep.engine import Engine
from streamdeep.frontend.rows import warm_up
from streamdeep.wire.publisher import Publisher

BLOCK_S, PHASES = 0.01, 5
LISTENER = """
import json, sys
from streamdeep.wire.messages import EventMessage
from streamdeep.wire.subscriber import Subscriber
n, latencies = 0, []
with Subscriber(sys.argv[1], kinds=("embedding", "event")) as subscriber:
    print("listening", flush=True)
    stops = 0
    while stops < int(sys.argv[2]):
        message = subscriber.receive(60.0)
        if message is None: break
        if isinstance(message, EventMessage):
            stops += message.event == "stop"
        else:
            latencies.append(message.latency_ns)
    print(json.dumps({"received": len(latencies), "latencies_ns": latencies, "lost": dict(subscriber.loss.lost) if hasattr(subscriber,"loss") else None}))
"""


class Noise:
    """A source that the generator feeds."""

    live, n_channels = True, 1

    def __init__(self, name, rate_hz):
        self.name, self.sample_rate_hz = name, rate_hz

    def start(self, ring):
        self.ring = ring

    def stop(self):
        self.ring.close()


class Generator(threading.Thread):
    """Writes the blocks of all streams when they are due, array by array."""

    def __init__(self, sources, duration_s, in_phase):
        super().__init__(daemon=True)
        self.duration_s, self.rate_hz = duration_s, sources[0].sample_rate_hz
        self.block = round(self.rate_hz * BLOCK_S)
        self.noise = np.random.default_rng(0).normal(0, 0.05, 10 * self.rate_hz).astype(np.float32)
        self.sources, self.in_phase = sources, in_phase
        self.late_s = 0.0

    def run(self):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        groups = {}
        for number, source in enumerate(self.sources):
            phase = 0 if self.in_phase else number % PHASES
            groups.setdefault((phase, id(source.ring.array)), []).append(source.ring)
        # Frames would complete together if all began together: each stream begins within a hop.
        random = np.random.default_rng(1)
        for source in self.sources:
            if not self.in_phase:
                source.ring.write(self.noise[: random.integers(1, 1764), None], time.monotonic_ns())
        began_ns = time.monotonic_ns()
        for turn in range(round(self.duration_s / BLOCK_S)):
            for phase in range(PHASES):
                due_ns = began_ns + round((turn + phase / PHASES) * BLOCK_S * 1e9)
                now_ns = time.monotonic_ns()
                if due_ns > now_ns:
                    time.sleep((due_ns - now_ns) / 1e9)
                self.late_s = max(self.late_s, (now_ns - due_ns) / 1e9)
                for (at, _), rings in groups.items():
                    if at == phase:
                        self.write(rings, turn, due_ns)
        for source in self.sources:
            source.ring.close()

    def write(self, rings, turn, due_ns):
        array = rings[0].array
        places = np.array([ring.slot for ring in rings])
        start = turn * self.block % (len(self.noise) - self.block)
        block = self.noise[start : start + self.block]
        at = array.written[places]
        if (at + self.block - array.read[places] > array.capacity_samples).any():
            for ring in rings:
                ring.write(block[:, None], due_ns)
            return
        indices = (at[:, None] + np.arange(self.block)) % array.capacity_samples
        array.samples[places[:, None], indices, 0] = block
        array.clocks[places] = np.stack((at + self.block, np.full(len(at), due_ns)), axis=1)
        for ring in rings:
            ring._next_sample += self.block
            ring._stored_sample += self.block
        array.written[places] += self.block
        if (array.written[places] >= array.wanted[places]).any():
            rings[0]._wake()


def measure(n_streams, *, rate_hz, hop_s, duration_s, in_phase, ring_s):
    model = load_model()
    frontend = model.contract.frontend
    warm_up(frontend)
    hop_frames = hop_frames_from_seconds(hop_s, frontend)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Publisher("tcp://127.0.0.1:*", high_water_mark=10_000) as publisher:
        engine = Engine(model, publisher, hop_frames=hop_frames, ring_s=ring_s)
        sources = [Noise(f"noise{number}", rate_hz) for number in range(n_streams)]
        for source in sources:
            engine.add(source.name, source)
        listener = subprocess.Popen(
            [sys.executable, "-c", LISTENER, publisher.endpoint, str(n_streams)],
            stdout=subprocess.PIPE,
            text=True,
        )
        listener.stdout.readline()
        assert engine.wait_for_listener()
        used = {}

        def run():
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            began_s, wall_s = time.thread_time(), time.monotonic()
            engine.run()
            used["cpu_s"] = time.thread_time() - began_s
            used["wall_s"] = time.monotonic() - wall_s

        thread = threading.Thread(target=run)
        thread.start()
        while not all(hasattr(source, "ring") for source in sources):
            time.sleep(0.01)
        generator = Generator(sources, duration_s, in_phase)
        generator.start()
        thread.join()
        after_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        heard = json.loads(listener.stdout.readline())
        listener.wait()
    ledgers = [stream.ledger() for stream in engine.streams]
    latencies = np.array(heard.pop("latencies_ns")) / 1e6
    p50, p99, p999 = np.percentile(latencies, (50, 99, 99.9))
    return {
        "n_streams": n_streams,
        "core": used["cpu_s"] / used["wall_s"],
        "latency_ms": {"p50": p50, "p99": p99, "p99.9": p999},
        "embeddings": sum(ledger.embeddings for ledger in ledgers),
        "received": heard["received"],
        "lost_on_the_wire": heard["lost"],
        "dropped_samples": sum(sum(ledger.dropped.values()) for ledger in ledgers),
        "unaccounted": sum(abs(ledger.unaccounted) for ledger in ledgers),
        "memory_per_stream_kb": (after_kb - before_kb) / n_streams,
        "generator_late_ms": 1000 * generator.late_s,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", default="1,10,100,300")
    parser.add_argument("--rate", type=int, default=44100)
    parser.add_argument("--hop-s", type=float, default=5.0)
    parser.add_argument("--ring-s", type=float, default=1.0)
    parser.add_argument("--duration-s", type=float, default=15.0)
    parser.add_argument("--in-phase", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    for count in arguments.counts.split(","):
        found = measure(
            int(count),
            rate_hz=arguments.rate,
            hop_s=arguments.hop_s,
            duration_s=arguments.duration_s,
            in_phase=arguments.in_phase,
            ring_s=arguments.ring_s,
        )
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
