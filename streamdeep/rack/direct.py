"""A stream at the model's rate: its source writes straight into the ring on the shelf."""

from dataclasses import replace

from streamdeep.audio.ring import Ring
from streamdeep.config import FrontendConfig
from streamdeep.encoder.rows import EncoderRows
from streamdeep.frontend.damage import sanitise
from streamdeep.rack.result import Restart
from streamdeep.rack.shelf import Shelf
from streamdeep.rack.slot import Slot
from streamdeep.records import EncodedSegment
from streamdeep.timeline import Timeline


class DirectSlot(Slot):
    """Source and shelf share one ring, so nothing is to be done while all goes well."""

    def __init__(
        self,
        number: int,
        shelf: Shelf,
        ring: Ring,
        encoder: EncoderRows,
        timeline: Timeline,
        config: FrontendConfig,
        *,
        live: bool,
    ) -> None:
        self._overlap = config.longest_window_samples - config.hop_samples
        super().__init__(number, shelf, ring, ring, encoder, timeline, live=live)

    def settle(self) -> None:
        """Tell the timeline how far the frames are that were computed."""
        stop = int(self._shelf.starts[self.ring.slot]) + self._overlap
        self.timeline.capture_until(self.ring.sample_at(stop))
        self.timeline.forget_before(self._encoder.next_frame(self.number))

    def repair(self, start_count: int, stop_count: int) -> None:
        """Replace what is no sound in the ring, and remember what is too loud."""
        found = self.ring.samples(start_count, stop_count)
        repaired, nonfinite, clipped = sanitise(found)
        if repaired is not found:
            self.ring.overwrite(start_count, repaired)
        first = self.ring.sample_at(start_count)
        self.timeline.mark(nonfinite + first, clipped + first)

    def pass_loss(self) -> Restart | None:
        """Go past a loss before which no frame is complete."""
        jump = self.ring.next_jump()
        if jump is None:
            return None
        self._capture_rest(jump.count)
        self.ring.pass_jump()
        lost = jump.start_sample - (self.timeline.next_sample or 0)
        reason = "overflow" if lost > jump.gap_samples else "gap"
        restart = self.restart(
            jump.start_sample, reason, jump.gap_samples, estimated=jump.gap_estimated
        )
        return replace(restart, cause=jump.gap_cause)

    def restart(
        self, start_sample: int, reason: str, gap_samples: int | None, *, estimated: bool = False
    ) -> Restart:
        """Begin an epoch with the source's sample ``start_sample``."""
        lost = start_sample - (self.timeline.next_sample or 0)
        self.timeline.begin_epoch(
            start_sample, lost_reason=reason, gap_samples=gap_samples, gap_estimated=estimated
        )
        self._shelf.restart(self.ring, start_sample - self.ring.sample_at(0))
        self._encoder.open(self.number)
        return Restart(reason, self.timeline.epoch, start_sample, lost, estimated)

    def end(self) -> list[EncodedSegment]:
        """The last segment."""
        self._capture_rest(int(self.ring.array.written[self.ring.slot]))
        return self._encoder.flush(self.number)

    def waiting(self) -> int:
        """Samples after a loss that was not passed yet; all before it are known."""
        ring, jump = self.ring, self.ring.next_jump()
        written = int(ring.array.written[ring.slot])
        stop = written if jump is None else min(written, jump.count)
        if not self.resting:
            self.timeline.capture_until(ring.sample_at(stop))
            return written - stop
        return ring.available

    def _capture_rest(self, stop_count: int) -> None:
        """Samples before this count that no complete frame holds."""
        place = self.ring.slot
        start = int(self._shelf.starts[place])
        if not self._shelf.fresh[place]:
            start += self._overlap
        self.timeline.capture_until(self.ring.sample_at(stop_count))
        if stop_count > start:
            self.repair(start, stop_count)
