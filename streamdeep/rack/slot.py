"""One stream in a rack: what it needs now and then, at gaps, under overload, at its end.

Nothing here runs per frame. What differs between a stream at the model's rate and one that is resampled is in
``direct`` and ``resampled``.
"""

from abc import ABC, abstractmethod
from dataclasses import replace

from streamdeep.audio.ring import Ring
from streamdeep.encoder.rows import EncoderRows
from streamdeep.rack.result import Restart
from streamdeep.rack.shelf import Shelf
from streamdeep.records import EncodedSegment, Ledger
from streamdeep.timeline import Timeline


class Slot(ABC):
    """A stream's place in a rack.

    Attributes:
        number: in the rack.
        source: the ring that the source writes.
        ring: the ring on the shelf, that frames are read from.
        timeline: where its samples are.
        live: samples come when they happen; only such streams are made to rest.
        ended: all was given out.
        resample_ns: what the resampler took the last time.
        n_rests: how often it was made to rest.
    """

    def __init__(
        self,
        number: int,
        shelf: Shelf,
        source: Ring,
        ring: Ring,
        encoder: EncoderRows,
        timeline: Timeline,
        *,
        live: bool,
    ) -> None:
        self.number = number
        self.source = source
        self.ring = ring
        self.timeline = timeline
        self.live = live
        self.ended = False
        self.resample_ns = 0
        self.n_rests = 0
        self._shelf = shelf
        self._encoder = encoder
        self._rests_until: int | None = None  # a count of the source's ring
        self._lost_resting = 0
        timeline.begin_epoch(source.sample_at(0))
        encoder.open(number)

    @abstractmethod
    def settle(self) -> None:
        """Tell the timeline how far the frames are that were computed."""

    @abstractmethod
    def repair(self, start_count: int, stop_count: int) -> None:
        """Replace what is no sound in ``ring``, and remember what is too loud."""

    @abstractmethod
    def end(self) -> list[EncodedSegment] | None:
        """The source ended and no frame is complete: the last segment, or None if more frames came of it."""

    @abstractmethod
    def restart(
        self, start_sample: int, reason: str, gap_samples: int | None, *, estimated: bool = False
    ) -> Restart:
        """Begin an epoch with the source's sample ``start_sample``."""

    @abstractmethod
    def waiting(self) -> int:
        """Samples that the source wrote and the timeline does not know of."""

    def finish(self) -> None:
        """All was given out; the place on the shelf is free."""
        self.timeline.finish()
        self.ended = True
        self._shelf.remove(self.ring)

    def ledger(self) -> Ledger:
        """Where every sample that the source wrote is, what waits in rings included."""
        if self._rests_until is not None:
            self._drop_while_resting()
        waiting, refused = 0 if self.ended else self.waiting(), self.source.unreported
        taken = self.timeline.ledger()
        dropped = dict(taken.dropped)
        if refused:
            dropped["overflow"] = dropped.get("overflow", 0) + refused
        return replace(
            taken,
            captured=taken.captured + waiting + refused,
            in_flight=taken.in_flight + waiting,
            gap_samples=taken.gap_samples + self.source.trailing_gap,
            dropped=dropped,
        )

    # --- overload ----------------------------------------------------------------------------------------

    @property
    def resting(self) -> bool:
        """Whether nothing is wanted of the source for the time being."""
        return self._rests_until is not None

    def rest(self, duration_s: float) -> None:
        """Give up what is open, what waits, and what comes for so long."""
        array = self.source.array
        n_samples = round(duration_s * array.sample_rate_hz)
        self._rests_until = int(array.written[self.source.slot]) + n_samples
        self.n_rests += 1
        self._lost_resting = self.timeline.in_flight
        self._shelf.resting[self.ring.slot] = True
        self._drop_while_resting()

    def resume(self) -> Restart | None:
        """Drop what came while resting; when that is over, or samples were lost besides, begin an epoch."""
        at = self._drop_while_resting()
        assert self._rests_until is not None
        jump = self.source.next_jump()
        lost_besides = jump is not None and jump.count == at
        if at < self._rests_until and not lost_besides and not self.source.ended:
            return None
        self._rests_until = None
        self._shelf.resting[self.ring.slot] = False
        start, gap_samples, estimated, cause = self.source.sample_at(at), 0, False, ""
        if jump is not None and lost_besides:
            self.source.pass_jump()
            start, gap_samples = jump.start_sample, jump.gap_samples
            estimated, cause = jump.gap_estimated, jump.gap_cause
        found = self.restart(start, "overload", gap_samples, estimated=estimated)
        lost_samples = found.lost_samples + self._lost_resting
        return replace(found, lost_samples=lost_samples, cause=cause)

    def _drop_while_resting(self) -> int:
        """Returns the count up to which everything is settled."""
        assert self._rests_until is not None
        source, jump = self.source, self.source.next_jump()
        stop = min(int(source.array.written[source.slot]), self._rests_until)
        if jump is not None:
            stop = min(stop, jump.count)
        before = self.timeline.next_sample or 0
        self.timeline.drop_until(source.sample_at(stop), "overload")
        self._lost_resting += max(0, source.sample_at(stop) - before)
        source.release_until(stop)
        return stop
