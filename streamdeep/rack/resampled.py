"""A stream at a rate of its own, or with a gain: a ring for the source, a resampler, and a ring on the shelf.

The resampler, which passes through what has the model's rate, runs when a frame may be complete, not at every block;
how its input is cut changes nothing.
"""

import time
from dataclasses import replace

from streamdeep.audio.resample import Resampler, held_most_s
from streamdeep.audio.ring import Ring
from streamdeep.encoder.rows import EncoderRows
from streamdeep.frontend.damage import sanitise
from streamdeep.frontend.gain import Gain
from streamdeep.rack.result import Restart
from streamdeep.rack.shelf import Shelf
from streamdeep.rack.slot import Slot
from streamdeep.records import EncodedSegment
from streamdeep.timeline import Timeline


class ResampledSlot(Slot):
    """Samples go through a gain and a resampler to the shelf."""

    def __init__(
        self,
        number: int,
        shelf: Shelf,
        source: Ring,
        ring: Ring,
        encoder: EncoderRows,
        timeline: Timeline,
        resampler: Resampler,
        gain: Gain,
        *,
        live: bool,
    ) -> None:
        self._resampler = resampler
        self._gain = gain
        timeline.gain_db = gain.db
        self._fed = 0  # source samples of this epoch that the resampler has taken
        self._epoch_count = 0  # count of the ring on the shelf at which the epoch began
        self._least_held = 0  # model-rate samples that the resampler owes at the least
        self._drained = False
        super().__init__(number, shelf, source, ring, encoder, timeline, live=live)
        self._ask()

    def feed(self) -> Restart | None:
        """Take what the source wrote, as much as fits, resample it and put it on the shelf."""
        began_ns = time.monotonic_ns()
        ring, rates = self.ring, (self._resampler.source_rate_hz, self._resampler.model_rate_hz)
        free = ring.array.capacity_samples - ring.available - round(held_most_s(*rates) * rates[1])
        # No block reaches beyond where the gain may change.
        block = self.source.read(min(max(1, free * rates[0] // rates[1]), self._gain.room))
        if block is None:
            return None
        restarted, louder = None, self._gain.begin()
        if louder:
            self.timeline.gain_db = self._gain.db
        if block.start_sample != self.timeline.next_sample:
            restarted = self.restart(
                block.start_sample,
                block.lost_reason,
                block.gap_samples,
                estimated=block.gap_estimated,
            )
            restarted = replace(restarted, cause=block.gap_cause)
        elif louder:
            restarted = self.restart(block.start_sample, "gain", 0)
            restarted = replace(restarted, cause=f"{self._gain.db:+g} dB from here on")
        self.timeline.capture_until(block.stop_sample)
        samples, nonfinite, clipped = sanitise(block.samples)
        self.timeline.mark(nonfinite + block.start_sample, clipped + block.start_sample)
        self._fed += len(samples)
        ring.array.late_ns[ring.slot] = self.source.array.late_ns[self.source.slot]
        for resampled in self._resampler.push(self._gain.push(samples)):
            taken = ring.write(resampled, block.captured_monotonic_ns)
            assert taken == len(resampled), "the shelf has room for all that was asked for"
        self._ask()
        self.resample_ns = time.monotonic_ns() - began_ns
        return restarted

    def _ask(self) -> None:
        """Let the source wake the engine when the next frame may be complete, not before.

        What the resampler holds back goes up and down, because it works in blocks of its own: the least
        that it was ever seen to hold back may be all there is to wait for.
        """
        array, place = self.ring.array, self.ring.slot
        rates = self._resampler.source_rate_hz, self._resampler.model_rate_hz
        made = int(array.written[place]) - self._epoch_count
        held = self._fed * rates[1] // rates[0] - made
        if made:
            self._least_held = min(self._least_held or held, held)
        missing = int(array.wanted[place] - array.written[place]) - held + self._least_held
        read = int(self.source.array.read[self.source.slot])
        self.source.array.wanted[self.source.slot] = read + max(
            1, -(-missing * rates[0] // rates[1])
        )

    @property
    def has_frame(self) -> bool:
        """Whether a frame is complete on the shelf, so that nothing more is needed yet."""
        array, place = self.ring.array, self.ring.slot
        return bool(array.written[place] >= array.wanted[place])

    def settle(self) -> None:
        """The source's samples were captured before they were resampled."""
        self.timeline.forget_before(self._encoder.next_frame(self.number))

    def repair(self, start_count: int, stop_count: int) -> None:
        """Nothing: damage was repaired before it was resampled."""

    def restart(
        self, start_sample: int, reason: str, gap_samples: int | None, *, estimated: bool = False
    ) -> Restart:
        """Begin an epoch with the source's sample ``start_sample``; what is on the shelf is given up."""
        lost = start_sample - (self.timeline.next_sample or 0)
        self.timeline.begin_epoch(
            start_sample, lost_reason=reason, gap_samples=gap_samples, gap_estimated=estimated
        )
        self._resampler.reset()
        self._epoch_count = int(self.ring.array.written[self.ring.slot])
        self._fed = self._least_held = 0
        self._shelf.restart(self.ring, self._epoch_count)
        self._encoder.open(self.number)
        self._ask()
        return Restart(reason, self.timeline.epoch, start_sample, lost, estimated)

    def end(self) -> list[EncodedSegment] | None:
        """What the resampler held back first; then the last segment."""
        if not self._drained:
            self._drained = True
            count = int(self.ring.array.written[self.ring.slot])
            captured_ns = self.ring.captured_ns(count)
            for resampled in self._resampler.flush():
                self.ring.write(resampled, captured_ns)
            if self.has_frame:
                return None
        return self._encoder.flush(self.number)

    def waiting(self) -> int:
        """What the source wrote and the resampler has not taken."""
        return self.source.available

    def finish(self) -> None:
        """All was given out; both rings are free."""
        super().finish()
        self.source.leave()
