"""Threads and lifecycle: sources -> rings -> pipelines -> publisher.

Every source writes into its ring from a thread of its own; one thread, the caller's, does all the rest:
it sleeps until samples or subscribers come, pushes what is there through the stream's pipeline, publishes,
and sends a status once a second. Nothing here computes; what is computed is the pipeline's affair.
"""

import contextlib
import socket
import threading
import time
from dataclasses import replace

from streamdeep import __version__
from streamdeep.audio.ring import Ring
from streamdeep.audio.sources import Source
from streamdeep.encoder.model import Model
from streamdeep.errors import ConfigurationError, SourceError
from streamdeep.pipeline import Pipeline
from streamdeep.records import Block, Embedding, Flag, Ledger
from streamdeep.wire.kinds import ClockPoint
from streamdeep.wire.publisher import Publisher

RING_S = 10.0
"""How long the engine may be held up before a live source loses samples."""
TURN_S = 1.0
"""At most this much sound of one stream before the others, and the subscribers, have their turn."""
STATUS_PERIOD_NS = 1_000_000_000


class _Wake:
    """Wakes the engine from any thread without waiting: a byte through a socket pair."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    @property
    def descriptor(self) -> int:
        return self._reader.fileno()

    def set(self) -> None:
        # Full means that the engine has been woken often enough; closed, that it is gone.
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


class Stream:
    """One source's run: its ring, its pipeline, and what is told of it.

    Attributes:
        name: its name on the wire.
        source: where the sound comes from.
        pipeline: what makes embeddings of it.
        ended: everything was published.
    """

    def __init__(
        self, name: str, source: Source, model: Model, *, hop_frames: int | None, wake: _Wake
    ) -> None:
        self.name = name
        self.source = source
        self.pipeline = Pipeline(
            model,
            source.sample_rate_hz,
            source.n_channels,
            hop_frames=hop_frames,
            clock_ns=time.monotonic_ns,
        )
        capacity = max(int(RING_S * source.sample_rate_hz), 1 << 17)
        self.ring = Ring(capacity, source.n_channels, source.sample_rate_hz, wake=wake.set)
        self.ended = False
        self.clock = ClockPoint(0, 0, 0, source.sample_rate_hz)

    def ledger(self) -> Ledger:
        """Where every captured sample is, the ring included."""
        taken = self.pipeline.ledger()
        waiting, refused = self.ring.available, self.ring.unreported
        dropped = dict(taken.dropped)
        if refused:
            dropped["overflow"] = dropped.get("overflow", 0) + refused
        return replace(
            taken,
            captured=taken.captured + waiting + refused,
            in_flight=taken.in_flight + waiting,
            dropped=dropped,
        )


class Engine:
    """Runs streams until they end or are stopped.

    Attributes:
        streams: the streams, in the order they were added.
    """

    def __init__(self, model: Model, publisher: Publisher, *, offline: bool = False) -> None:
        """Build an engine.

        Args:
            model: what all streams run.
            publisher: where embeddings go; used from the thread that calls ``run`` only.
            offline: sources are not live, so latencies mean nothing; embeddings are flagged.

        Raises:
            ConfigurationError: the model cannot run live.
        """
        if model.contract.frontend.needs_whole_file:
            raise ConfigurationError(
                "this model normalises over whole files and cannot run live; use `streamdeep embed`"
            )
        self._model = model
        self._publisher = publisher
        self._offline = Flag.OFFLINE if offline else Flag(0)
        self._wake = _Wake()
        self._began_ns = time.monotonic_ns()
        self._stopping = threading.Event()
        self.streams: list[Stream] = []

    def add(self, name: str, source: Source, *, hop_frames: int | None = None) -> Stream:
        """Add a source before ``run``; ``name`` must be new.

        Raises:
            ConfigurationError: the name is taken.
        """
        if any(stream.name == name for stream in self.streams):
            raise ConfigurationError(f"two streams are called {name!r}; give each its own --stream")
        stream = Stream(name, source, self._model, hop_frames=hop_frames, wake=self._wake)
        self.streams.append(stream)
        return stream

    def stop(self) -> None:
        """End all streams soon: what was captured is still published. From any thread or signal handler."""
        self._stopping.set()
        self._wake.set()

    def wait_for_listener(self) -> bool:
        """Sleep until somebody subscribes to embeddings of the first stream; False if stopped first."""
        topic = f"embedding/{self.streams[0].name}/"
        while not self._stopping.is_set():
            self._publisher.service()
            if self._publisher.is_subscribed(topic):
                return True
            self._publisher.wait(1.0, self._wake.descriptor)
            self._wake.clear()
        return False

    def run(self) -> None:
        """Run all streams to their end.

        Raises:
            SourceError: a source failed; the others were brought to their end, and everything captured was
                published.
        """
        try:
            for stream in self.streams:
                self._announce(stream)
                stream.source.start(stream.ring)
                # Only now: who hears of the start may count on every sample from here on.
                self._publisher.publish_event(
                    stream.name, "start", epoch=0, at_sample=0, reason=stream.source.name
                )
            self._loop()
        finally:
            for stream in self.streams:
                stream.source.stop()
            self._wake.close()
        for stream in self.streams:
            if stream.ring.error is not None:
                raise stream.ring.error
            if stream.ledger().embeddings == 0 and not self._stopping.is_set():
                raise SourceError(self._too_short(stream))

    def _loop(self) -> None:
        next_status_ns = time.monotonic_ns() + STATUS_PERIOD_NS
        told_to_stop = False
        while not all(stream.ended for stream in self.streams):
            idle = not any(stream.ring.available for stream in self.streams if not stream.ended)
            if idle:
                patience_s = max(0.0, (next_status_ns - time.monotonic_ns()) / 1e9)
                self._publisher.wait(patience_s, self._wake.descriptor)
            self._wake.clear()
            if self._stopping.is_set() and not told_to_stop:
                told_to_stop = True
                self._publisher.stop_waiting()
                for stream in self.streams:
                    stream.source.stop()
                    stream.ring.close(stream.ring.error)
            self._publisher.service()
            for stream in self.streams:
                if not stream.ended:
                    self._turn(stream)
            if time.monotonic_ns() >= next_status_ns:
                next_status_ns = time.monotonic_ns() + STATUS_PERIOD_NS
                for stream in self.streams:
                    if not stream.ended:
                        self._publish_status(stream)

    def _turn(self, stream: Stream) -> None:
        block = stream.ring.read(int(TURN_S * stream.source.sample_rate_hz))
        if block is not None:
            self._push(stream, block)
        elif stream.ring.ended:
            taken_ns = time.monotonic_ns()
            self._publish(stream, stream.pipeline.flush(), taken_ns)
            ledger = stream.ledger()
            self._publisher.publish_event(
                stream.name,
                "stop",
                epoch=max(0, stream.pipeline.epoch),
                at_sample=stream.clock.sample,
                reason=str(stream.ring.error or "end of the source"),
            )
            assert ledger.unaccounted == ledger.in_flight == 0, ledger
            stream.ended = True
            self._publish_status(stream)

    def _push(self, stream: Stream, block: Block) -> None:
        taken_ns = time.monotonic_ns()
        utc_ns = time.time_ns() - (taken_ns - block.captured_monotonic_ns)
        before, lost_from = stream.pipeline.epoch, stream.clock.sample
        stream.clock = ClockPoint(
            block.stop_sample, block.captured_monotonic_ns, utc_ns, stream.source.sample_rate_hz
        )
        embeddings = stream.pipeline.push(block)
        if stream.pipeline.epoch != before and before >= 0:
            self._publisher.publish_event(
                stream.name,
                block.lost_reason,
                epoch=stream.pipeline.epoch,
                at_sample=block.start_sample,
                n_samples=block.start_sample - lost_from,
                estimated=block.gap_estimated,
                reason=f"{block.start_sample - lost_from} samples lost",
            )
        self._publish(stream, embeddings, taken_ns)

    def _publish(self, stream: Stream, embeddings: list[Embedding], taken_ns: int) -> None:
        handed_over_ns = time.monotonic_ns()
        for embedding in embeddings:
            # The clock point is the newest sample; the embedding's last one was captured that much earlier.
            newer_samples = stream.clock.sample - embedding.stop_sample
            captured_ns = (
                stream.clock.monotonic_ns
                - newer_samples * 1_000_000_000 // embedding.sample_rate_hz
            )
            self._publisher.publish_embedding(
                stream.name,
                replace(embedding, flags=embedding.flags | self._offline),
                model=self._model.short_digest,
                captured_monotonic_ns=captured_ns,
                stages_ns={"capture": max(0, taken_ns - captured_ns), **stream.pipeline.stages_ns},
                handed_over_monotonic_ns=handed_over_ns,
            )

    def _publish_status(self, stream: Stream) -> None:
        ledger = stream.ledger()
        self._publisher.publish_status(
            stream.name,
            counters={
                "captured": ledger.captured,
                "embedded": ledger.embedded,
                "skipped": ledger.skipped,
                "dropped": ledger.dropped,
                "in_flight": ledger.in_flight,
                "gap_samples": ledger.gap_samples,
                "nonfinite_samples": ledger.nonfinite_samples,
                "clipped_samples": ledger.clipped_samples,
                "embeddings": ledger.embeddings,
                "epochs": ledger.epochs,
                "given_up": self._publisher.given_up,
            },
            clock=stream.clock,
            uptime_s=(time.monotonic_ns() - self._began_ns) / 1e9,
            live=not self._offline,
        )

    def _announce(self, stream: Stream) -> None:
        contract, segment = self._model.contract, stream.pipeline.segment
        self._publisher.announce(
            stream.name,
            digest=self._model.digest,
            name=contract.name,
            dim=contract.encoder.dim,
            sample_rate_hz=contract.frontend.sample_rate_hz,
            hop_samples=contract.frontend.hop_samples,
            window_samples=contract.frontend.longest_window_samples,
            segment_frames=segment.length_frames,
            segment_hop_frames=segment.hop_frames,
            source_rate_hz=stream.source.sample_rate_hz,
            source_channels=stream.source.n_channels,
            incremental=self._model.incremental,
            frontend_json=contract.frontend.model_dump_json(),
            version=__version__,
        )

    def _too_short(self, stream: Stream) -> str:
        frontend = self._model.contract.frontend
        frame_ms = 1000 * frontend.longest_window_samples / frontend.sample_rate_hz
        found_ms = 1000 * stream.ledger().captured / stream.source.sample_rate_hz
        return f"{stream.source.name} has {found_ms:.0f} ms of sound; the model needs {frame_ms:.0f} ms for one frame"
