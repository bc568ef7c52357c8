"""A process: the engine under a number of streams, on one core, until all they brought is published.

    python -m streamdeep.bench.load '{"n_streams": 10, ...}'

One line of JSON when it listens, one when it is done.
"""

import contextlib
import json
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from streamdeep.bench.child import end_with_the_parent, tell
from streamdeep.bench.cores import resident_bytes, stay_on, waited_s
from streamdeep.errors import SourceError, StreamdeepError

if TYPE_CHECKING:
    from streamdeep.audio.generator import Generator
    from streamdeep.encoder.model import Model
    from streamdeep.engine import Engine

RING_S = 1.0
LISTENER_STREAMS = 190
"""ZeroMQ drops what a subscriber asks for beyond 1,000 topics, and a stream has up to five."""
_HIGH_WATER_MARK = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the engine is to carry.

    Attributes:
        n_streams: how many.
        model: file; None is the embedded one.
        sample_rate_hz: of the sources.
        n_channels: of the sources.
        hop_frames: frames between segments; None is the model's.
        early_frames: after how many of its frames a segment also gives an early embedding.
        spread_s: the streams begin within so much of each other.
        apart_s: as ``spread_s``, for more than a ring holds: what begins later is written later.
        lead_s: sound before the measurement begins, so that as many segments are open as ever will be.
        seconds: of measurement.
        engine_cores: where the engine runs; empty is anywhere.
        other_cores: where the load runs; empty is anywhere.
    """

    n_streams: int
    model: str | None = None
    sample_rate_hz: int
    n_channels: int = 1
    hop_frames: int | None = None
    early_frames: tuple[int, ...] = ()
    spread_s: float = 0.0
    apart_s: float = 0.0
    lead_s: float = 0.0
    seconds: float = 10.0
    engine_cores: tuple[int, ...] = ()
    other_cores: tuple[int, ...] = ()

    def to_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @property
    def stream_names(self) -> list[str]:
        """The streams, as they are called on the wire."""
        return [f"bench-{number}" for number in range(self.n_streams)]


@dataclass(slots=True)
class _Usage:
    """What the process used between two moments, without the thread that writes the sound."""

    engine_s: float = 0.0
    generator_s: float = 0.0
    wall_s: float = 0.0
    waited_s: float | None = None
    resident_bytes: int | None = None
    _began: tuple[float, float, float] = field(default=(0.0, 0.0, 0.0))

    def begin(self) -> None:
        """To be called by the thread that writes the sound."""
        self._began = time.process_time(), time.thread_time(), time.monotonic()
        self.waited_s = waited_s()

    def end(self) -> None:
        process_s, generator_s, began_s = self._began
        self.generator_s = time.thread_time() - generator_s
        self.engine_s = time.process_time() - process_s - self.generator_s
        self.wall_s = time.monotonic() - began_s
        if self.waited_s is not None:
            self.waited_s = (waited_s() or 0.0) - self.waited_s
        self.resident_bytes = resident_bytes()


def main(argument: str) -> None:
    """Carry a load; what it prints is read by ``trial``."""
    load = Load(**json.loads(argument))
    stay_on(tuple(load.engine_cores))
    end_with_the_parent()
    laps_ms, model = _start_up(load)

    from streamdeep.audio.generator import Generator
    from streamdeep.engine import Engine
    from streamdeep.wire.publisher import Publisher

    generator = Generator(
        load.sample_rate_hz, load.n_channels, spread_s=load.spread_s, apart_s=load.apart_s
    )
    with Publisher("tcp://127.0.0.1:*", high_water_mark=_HIGH_WATER_MARK) as publisher:
        engine = Engine(
            model,
            publisher,
            hop_frames=load.hop_frames,
            early_frames=load.early_frames,
            ring_s=RING_S,
        )
        for name in load.stream_names:
            engine.add(name, generator.source(name))
        tell(endpoint=publisher.endpoint, startup_ms=laps_ms)
        # The last prefix that each listener asks for: then it has asked for all.
        names = load.stream_names
        for last in {*names[LISTENER_STREAMS - 1 :: LISTENER_STREAMS], names[-1]}:
            while not publisher.is_subscribed(f"status/{last}/"):
                publisher.wait(1.0)
                publisher.service()
        usage = _Usage()
        feeder = threading.Thread(target=_feed, args=(generator, load, usage), daemon=True)
        feeder.start()
        # A stream that gave nothing, under overload, shows in its ledger.
        with contextlib.suppress(SourceError):
            engine.run()
        feeder.join()
        tell(**_outcome(engine, generator, usage))


def _start_up(load: Load) -> tuple[dict[str, float], "Model"]:
    """What ``streamdeep run`` does before it listens, and how long each part took."""
    began_s = time.monotonic()
    import streamdeep.engine  # noqa: F401
    from streamdeep.encoder.model import load_model
    from streamdeep.frontend.rows import warm_up

    imported_s = time.monotonic()
    model = load_model(Path(load.model) if load.model else None)
    loaded_s = time.monotonic()
    warm_up(model.contract.frontend)
    warm_s = time.monotonic()
    laps_s = {
        "import": imported_s - began_s,
        "model": loaded_s - imported_s,
        "kernels": warm_s - loaded_s,
    }
    return {name: round(1000 * lap_s, 1) for name, lap_s in laps_s.items()}, model


def _feed(generator: "Generator", load: Load, usage: _Usage) -> None:
    stay_on(tuple(load.other_cores))
    try:
        generator.run(load.lead_s)
        generator.late_ns.clear()
        usage.begin()
        generator.run(load.seconds)
        usage.end()
    finally:
        generator.close()


def _outcome(engine: "Engine", generator: "Generator", usage: _Usage) -> dict[str, object]:
    ledgers = [stream.ledger() for stream in engine.streams]
    dropped: dict[str, int] = {}
    for ledger in ledgers:
        for reason, count in ledger.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    late_ns = sorted(generator.late_ns)
    return {
        "engine_core": usage.engine_s / usage.wall_s,
        "generator_core": usage.generator_s / usage.wall_s,
        "waited_core": None if usage.waited_s is None else usage.waited_s / usage.wall_s,
        "resident_bytes": usage.resident_bytes,
        "generator_late_ms": {
            "p50": late_ns[len(late_ns) // 2] / 1e6,
            "p99": late_ns[len(late_ns) * 99 // 100] / 1e6,
            "max": late_ns[-1] / 1e6,
        },
        "captured": sum(ledger.captured for ledger in ledgers),
        "embedded": sum(ledger.embedded for ledger in ledgers),
        "skipped": sum(ledger.skipped for ledger in ledgers),
        "in_flight": sum(ledger.in_flight for ledger in ledgers),
        "dropped": {reason: count for reason, count in dropped.items() if count},
        "unaccounted": sum(abs(ledger.unaccounted) for ledger in ledgers),
        "embeddings": sum(ledger.embeddings for ledger in ledgers),
    }


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except StreamdeepError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
