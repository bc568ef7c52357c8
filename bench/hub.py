"""``python -m bench.hub``: what a hub adds to the time from an engine to its readers.

An engine, a hub, one reader at the engine and one behind the hub, each a process; both readers get the same messages
in the same run, so the difference is per message. Paced, since a loop that never sleeps keeps its caches warm. And the
time after which a reader has the first message of a publisher that was killed and started again.
"""

import argparse
import json
import subprocess
import sys
import time

import numpy as np
import zmq

DIM = 1024


def engine(n_streams: int, rate_hz: float, length_s: float) -> None:
    """Publish; the streams' messages are spread evenly over time."""
    from streamdeep.records import Embedding
    from streamdeep.wire.publisher import Publisher

    vector = np.zeros(DIM, np.float32)
    with Publisher("tcp://127.0.0.1:*") as publisher:
        print(publisher.endpoint, flush=True)
        while publisher.subscriptions < 2:  # hub and reader
            publisher.wait(0.1)
            publisher.service()
        time.sleep(1.0)
        step_s, start_s = 1 / (n_streams * rate_hz), time.monotonic()
        for number in range(int(length_s / step_s)):
            while (left_s := start_s + number * step_s - time.monotonic()) > 0:
                time.sleep(left_s)
            publisher.publish_embedding(
                f"s{number % n_streams}",
                Embedding(vector, 0, number, 1, 44100, -20.0, -3.0),
                model=bytes(8),
                captured_monotonic_ns=time.monotonic_ns(),
                stages_ns={},
            )
            publisher.service()
        time.sleep(1.0)


def reader(endpoint: str, n_wanted: int) -> None:
    """Print every message's way in microseconds, in order of start sample."""
    from streamdeep.wire.messages import unpack

    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.subscribe(b"embedding/")
        socket.connect(endpoint)
        socket.rcvtimeo = 60_000
        found: dict[int, float] = {}
        while len(found) < n_wanted:
            frames = socket.recv_multipart()
            now_ns = time.monotonic_ns()
            message = unpack(frames)
            found[message.start_sample] = (now_ns - message.published_monotonic_ns) / 1e3
    print(json.dumps([found[number] for number in sorted(found)]))


def role(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench.hub", *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def hub(endpoint: str) -> tuple[subprocess.Popen[str], str]:
    command = "-m streamdeep hub --json --history 10 --bind tcp://127.0.0.1:*".split()
    process = subprocess.Popen(
        [sys.executable, *command, "--connect", endpoint], stdout=subprocess.PIPE, text=True
    )
    return process, json.loads(process.stdout.readline())["endpoint"]


def latency(n_streams: int, rate_hz: float, length_s: float) -> None:
    source = role("engine", n_streams, rate_hz, length_s)
    endpoint = source.stdout.readline().strip()
    middle, behind = hub(endpoint)
    n_wanted = int(length_s * n_streams * rate_hz)
    readers = [role("reader", address, n_wanted) for address in (endpoint, behind)]
    direct, through = (np.array(json.loads(each.communicate()[0])) for each in readers)
    source.communicate()
    middle.terminate()
    middle.communicate()
    for name, values in (("direct", direct), ("hub", through), ("added", through - direct)):
        p50, p99, worst = np.percentile(values, (50, 99, 100))
        print(
            f"{n_streams:4d} streams, {n_wanted / length_s:5.0f} messages/s, {n_wanted} of {DIM} numbers: {name:6s} "
            f"p50 {p50:6.0f} us, p99 {p99:6.0f} us, most {worst:6.0f} us",
            flush=True,
        )


def restarts(n_times: int) -> None:
    from streamdeep.wire import Subscriber

    sys.path.insert(0, "tests")
    import wire_engine

    random = np.random.default_rng()
    process, endpoint = wire_engine.start("tcp://127.0.0.1:*", "a", period_s=0.01)
    took_s, sessions = [], set()
    with Subscriber(endpoint, kinds=["embedding"]) as subscriber:
        for _ in range(n_times):
            sessions.add(subscriber.receive(20).session)
            wire_engine.end(process)
            deadline_s = time.monotonic() + random.uniform(0, 4)
            while (left_s := deadline_s - time.monotonic()) > 0:
                subscriber.receive(left_s)
            process, _ = wire_engine.start(endpoint, "a", period_s=0.01)
            begin_s = time.monotonic()
            while (message := subscriber.receive(20)) is None or message.session in sessions:
                if message is None:
                    raise RuntimeError(f"{process.poll()} {endpoint} {subscriber.statistics()}")
            took_s.append(time.monotonic() - begin_s)
        renewals = subscriber.statistics().renewals
    wire_engine.end(process)
    p50, p99, worst = np.percentile(took_s, (50, 99, 100))
    print(
        f"{n_times} restarts after 0 to 4 s: first message p50 {p50:.2f} s, p99 {p99:.2f} s, most {worst:.2f} s "
        f"after the new publisher was bound; {renewals} connections made anew"
    )


def main() -> None:
    if sys.argv[1:2] == ["engine"]:
        return engine(int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
    if sys.argv[1:2] == ["reader"]:
        return reader(sys.argv[2], int(sys.argv[3]))
    parser = argparse.ArgumentParser(prog="python -m bench.hub", description=__doc__)
    parser.add_argument("--length-s", type=float, default=20.0)
    parser.add_argument("--restarts", type=int, default=100)
    arguments = parser.parse_args()
    latency(1, 20.0, arguments.length_s)
    latency(100, 2.0, arguments.length_s)
    return restarts(arguments.restarts)


if __name__ == "__main__":
    main()
