"""One source on its way to the wire: its ring, its pipeline, and what is told of it.

Everything but the ring's writing side belongs to the engine's thread. Not here: threads, and whose turn it
is (``engine``).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from streamdeep import __version__
from streamdeep.audio.ring import Ring
from streamdeep.audio.sources import Source
from streamdeep.encoder.model import Model
from streamdeep.pipeline import Pipeline
from streamdeep.records import Block, Embedding, Flag, Ledger
from streamdeep.wire.kinds import ClockPoint
from streamdeep.wire.publisher import Publisher

RING_S = 10.0
"""How long the engine may be held up before a live source loses samples."""
TURN_S = 1.0
"""At most this much sound of one stream before the others, and the subscribers, have their turn."""


class Stream:
    """One source's run.

    Attributes:
        name: its name on the wire.
        source: where the sound comes from.
        ring: between the source's thread and this one.
        ended: everything was published.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        model: Model,
        publisher: Publisher,
        *,
        hop_frames: int | None,
        early_frames: Sequence[int],
        offline: bool,
        wake: Callable[[], None],
    ) -> None:
        """Build a stream.

        Args:
            name: new among the publisher's streams.
            source: not yet started.
            model: what to run.
            publisher: where embeddings go.
            hop_frames: frames between segments; None takes the model's default.
            early_frames: after how many of its frames a segment also gives an early embedding.
            offline: latencies mean nothing; embeddings are flagged.
            wake: called by the source's thread when there is something to do.
        """
        self.name = name
        self.source = source
        self.ended = False
        self._model = model
        self._publisher = publisher
        self._offline = Flag.OFFLINE if offline else Flag(0)
        rate_hz, n_channels = source.sample_rate_hz, source.n_channels
        self._pipeline = Pipeline(
            model,
            rate_hz,
            n_channels,
            hop_frames=hop_frames,
            early_frames=early_frames,
            clock_ns=time.monotonic_ns,
        )
        self.ring = Ring(max(int(RING_S * rate_hz), 1 << 17), n_channels, rate_hz, wake=wake)
        self._clock = ClockPoint(0, 0, 0, rate_hz)
        self._began_ns = time.monotonic_ns()

    def start(self) -> None:
        """Say what will come, and open the source.

        Raises:
            SourceError: the source cannot be opened.
        """
        self._announce()
        self.source.start(self.ring)
        # Only now: who hears of the start may count on every sample from here on.
        self._publisher.publish_event(
            self.name, "start", epoch=0, at_sample=0, reason=self.source.name
        )

    def stop(self) -> None:
        """Close the source; what is in the ring is still to be taken."""
        self.source.stop()
        self.ring.close()

    def turn(self) -> None:
        """Take what the ring holds, a second of sound at most, and publish what it gives."""
        block = self.ring.read(int(TURN_S * self.source.sample_rate_hz))
        if block is not None:
            self._push(block)
        elif self.ring.ended:
            self._finish()

    def ledger(self) -> Ledger:
        """Where every captured sample is, the ring included."""
        taken = self._pipeline.ledger()
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

    def publish_status(self) -> None:
        """Publish the ledger and the clock; to be called once a second."""
        ledger = self.ledger()
        self._publisher.publish_status(
            self.name,
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
            clock=self._clock,
            uptime_s=(time.monotonic_ns() - self._began_ns) / 1e9,
            live=not self._offline,
        )

    def _push(self, block: Block) -> None:
        taken_ns = time.monotonic_ns()
        utc_ns = time.time_ns() - (taken_ns - block.captured_monotonic_ns)
        before, lost_from = self._pipeline.epoch, self._clock.sample
        self._clock = ClockPoint(
            block.stop_sample, block.captured_monotonic_ns, utc_ns, self.source.sample_rate_hz
        )
        embeddings = self._pipeline.push(block)
        if self._pipeline.epoch != before and before >= 0:
            lost_samples = block.start_sample - lost_from
            self._publisher.publish_event(
                self.name,
                block.lost_reason,
                epoch=self._pipeline.epoch,
                at_sample=block.start_sample,
                n_samples=lost_samples,
                estimated=block.gap_estimated,
                reason=f"{lost_samples} samples lost",
            )
        self._publish(embeddings, taken_ns)

    def _finish(self) -> None:
        self._publish(self._pipeline.flush(), time.monotonic_ns())
        self._publisher.publish_event(
            self.name,
            "stop",
            epoch=max(0, self._pipeline.epoch),
            at_sample=self._clock.sample,
            reason=str(self.ring.error or "end of the source"),
        )
        ledger = self.ledger()
        assert ledger.unaccounted == ledger.in_flight == 0, ledger
        self.ended = True
        self.publish_status()

    def _publish(self, embeddings: list[Embedding], taken_ns: int) -> None:
        handed_over_ns = time.monotonic_ns()
        for embedding in embeddings:
            # The clock point is the newest sample; the embedding's last was captured that much earlier.
            newer = self._clock.sample - embedding.stop_sample
            captured_ns = self._clock.monotonic_ns - newer * 10**9 // embedding.sample_rate_hz
            self._publisher.publish_embedding(
                self.name,
                replace(embedding, flags=embedding.flags | self._offline),
                model=self._model.short_digest,
                captured_monotonic_ns=captured_ns,
                stages_ns={"capture": max(0, taken_ns - captured_ns), **self._pipeline.stages_ns},
                handed_over_monotonic_ns=handed_over_ns,
            )

    def _announce(self) -> None:
        contract, segment = self._model.contract, self._pipeline.segment
        self._publisher.announce(
            self.name,
            digest=self._model.digest,
            name=contract.name,
            dim=contract.encoder.dim,
            sample_rate_hz=contract.frontend.sample_rate_hz,
            hop_samples=contract.frontend.hop_samples,
            window_samples=contract.frontend.longest_window_samples,
            segment_frames=segment.length_frames,
            segment_hop_frames=segment.hop_frames,
            source_rate_hz=self.source.sample_rate_hz,
            source_channels=self.source.n_channels,
            incremental=self._model.incremental,
            frontend_json=contract.frontend.model_dump_json(),
            version=__version__,
        )
