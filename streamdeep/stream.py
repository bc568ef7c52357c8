"""One source on its way to the wire: what is told of it, and when.

Everything but the writing side of its ring belongs to the engine's thread. Not here: what becomes of the
samples (``rack``), threads, and whose turn it is (``engine``).
"""

import time
from dataclasses import replace

from streamdeep import __version__
from streamdeep.audio.source import Source
from streamdeep.config import SegmentConfig
from streamdeep.encoder.contract import StatisticsContract
from streamdeep.encoder.model import Model
from streamdeep.rack.result import Restart, Result
from streamdeep.rack.slot import Slot
from streamdeep.records import Embedding, Flag, Ledger, NoveltyScale, Spectrogram
from streamdeep.wire.kinds import ClockPoint
from streamdeep.wire.publisher import Publisher


class Stream:
    """One source's run.

    Attributes:
        name: its name on the wire.
        source: where the sound comes from.
        slot: its place in the rack.
        ended: everything was published.
        frames: its frames are published too.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        slot: Slot,
        publisher: Publisher,
        *,
        model: Model,
        segment: SegmentConfig,
        offline: bool,
        frames: bool = False,
    ) -> None:
        """Build a stream.

        Args:
            name: new among the publisher's streams.
            source: not yet started.
            slot: open, for this source's rate and channels.
            publisher: where embeddings go.
            model: what the rack runs.
            segment: how it cuts the stream.
            offline: latencies mean nothing; embeddings are flagged.
            frames: its frames are published too, unless it is offline.
        """
        self.name = name
        self.source = source
        self.slot = slot
        self.ended = False
        self._publisher = publisher
        self._model = model
        self._segment = segment
        self._offline = offline
        # As fast as it goes there is nothing to look at, only more to send.
        self.frames = frames and not offline
        self._began_ns = time.monotonic_ns()

    @property
    def error(self) -> Exception | None:
        """Why the source ended, if it is not simply the end."""
        return self.slot.source.error

    def start(self) -> None:
        """Say what will come, and open the source.

        Raises:
            SourceError: the source cannot be opened.
        """
        self._announce()
        if self.frames:
            self._publisher.offer_frames(self.name)
        self.source.start(self.slot.source)
        # Only now: who hears of the start may count on every sample from here on.
        self._publisher.publish_event(
            self.name, "start", epoch=0, at_sample=0, reason=self.source.name
        )

    def stop(self) -> None:
        """Close the source; what is in the ring is still to be taken."""
        self.source.stop()
        self.slot.source.close()

    def take(self, result: Result, taken_ns: int) -> None:
        """Publish what a turn gave.

        Args:
            result: of this stream's slot.
            taken_ns: monotonic time when the turn began.
        """
        for restart in result.restarts:
            self._tell(restart)
        handed_over_ns, clock = time.monotonic_ns(), self.slot.source.clock()
        for embedding in result.embeddings:
            self._publish(embedding, clock, result.stages_ns, taken_ns, handed_over_ns)
        if result.ended:
            self._finish()

    def publish_frames(self, batch: Spectrogram) -> None:
        """Publish frames, if anybody draws them."""
        self._publisher.publish_frames(
            self.name,
            batch,
            model=self._model.short_digest,
            hop_samples=self._model.contract.frontend.hop_samples,
            captured_monotonic_ns=self._captured_ns(batch.stop_sample, self.slot.source.clock()),
        )

    def ledger(self) -> Ledger:
        """Where every captured sample is, the ring included."""
        return self.slot.ledger()

    def publish_status(self) -> None:
        """Publish the ledger and the clock; to be called once a second."""
        ledger = self.ledger()
        sample, captured_ns = self.slot.source.clock()
        utc_ns = time.time_ns() - (time.monotonic_ns() - captured_ns) if captured_ns else 0
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
            # A replay's sound may be older than this machine's monotonic clock.
            clock=ClockPoint(sample, max(0, captured_ns), utc_ns, self.source.sample_rate_hz),
            uptime_s=(time.monotonic_ns() - self._began_ns) / 1e9,
            live=not self._offline,
        )

    def _tell(self, restart: Restart) -> None:
        told = [f"{restart.lost_samples} samples lost"] if restart.reason != "gain" else []
        told += [restart.cause] if restart.cause else []
        self._publisher.publish_event(
            self.name,
            restart.reason,
            epoch=restart.epoch,
            at_sample=restart.start_sample,
            n_samples=restart.lost_samples,
            estimated=restart.estimated,
            reason=": ".join(told),
        )

    def _finish(self) -> None:
        self._publisher.publish_event(
            self.name,
            "stop",
            epoch=max(0, self.slot.timeline.epoch),
            at_sample=self.slot.timeline.next_sample or 0,
            reason=str(self.error or "end of the source"),
        )
        ledger = self.ledger()
        assert ledger.unaccounted == ledger.in_flight == 0, ledger
        self.ended = True
        self.publish_status()

    def _publish(
        self,
        embedding: Embedding,
        clock: tuple[int, int],
        stages_ns: dict[str, int],
        taken_ns: int,
        handed_over_ns: int,
    ) -> None:
        captured_ns = self._captured_ns(embedding.stop_sample, clock)
        self._publisher.publish_embedding(
            self.name,
            replace(embedding, flags=embedding.flags | Flag.OFFLINE)
            if self._offline
            else embedding,
            model=self._model.short_digest,
            captured_monotonic_ns=captured_ns,
            stages_ns={"capture": max(0, taken_ns - captured_ns), **stages_ns},
            handed_over_monotonic_ns=handed_over_ns,
        )

    def _captured_ns(self, stop_sample: int, clock: tuple[int, int]) -> int:
        """Monotonic time at which the sample before this one was captured."""
        sample, clock_ns = clock
        # The clock's sample is a newer one; this one was captured that much earlier.
        return clock_ns - (sample - stop_sample) * 1_000_000_000 // self.source.sample_rate_hz

    def _announce(self) -> None:
        contract = self._model.contract
        self._publisher.announce(
            self.name,
            digest=self._model.digest,
            name=contract.name,
            dim=contract.encoder.dim,
            sample_rate_hz=contract.frontend.sample_rate_hz,
            hop_samples=contract.frontend.hop_samples,
            window_samples=contract.frontend.longest_window_samples,
            segment_frames=self._segment.length_frames,
            segment_hop_frames=self._segment.hop_frames,
            source_rate_hz=self.source.sample_rate_hz,
            source_channels=self.source.n_channels,
            incremental=self._model.incremental,
            frontend_json=contract.frontend.model_dump_json(),
            version=__version__,
            novelty=_scale(contract.statistics),
        )


def _scale(statistics: StatisticsContract | None) -> NoveltyScale | None:
    if statistics is None or not statistics.novelty_probabilities:
        return None
    return NoveltyScale(statistics.novelty_probabilities, statistics.novelty_quantiles)
