"""One stream's place in its source's time: epochs and gaps, where every sample is, which samples a segment stands for.

Counting only, and a few times per embedding, never per frame. Not here: samples, frames and vectors.
"""

import math

import numpy as np
from numpy.typing import NDArray

from streamdeep.accounting import Account
from streamdeep.config import FrontendConfig
from streamdeep.frontend.damage import Marks
from streamdeep.records import Embedding, EncodedSegment, Flag, Ledger


class Timeline:
    """What is known of a stream besides its sound.

    Attributes:
        epoch: number of the current epoch; one below ``first_epoch`` before the first sample.
        next_sample: the source's index of the sample after the last one captured; None before the first.
        gain_db: how much louder the samples of this epoch were made.
    """

    def __init__(
        self,
        config: FrontendConfig,
        segment_frames: int,
        source_rate_hz: int,
        *,
        first_epoch: int = 0,
    ) -> None:
        self.source_rate_hz = source_rate_hz
        self._config = config
        self._reach_samples = config.span_samples(segment_frames + 1)
        self._account = Account()
        self._nonfinite, self._clipped = Marks(), Marks()
        self.epoch = first_epoch - 1
        self.next_sample: int | None = None
        self.gain_db = 0.0

    @property
    def in_flight(self) -> int:
        """Samples captured whose fate is open."""
        return self._account.in_flight

    def begin_epoch(
        self,
        start_sample: int,
        *,
        lost_reason: str = "gap",
        gap_samples: int | None = None,
        gap_estimated: bool = False,
    ) -> None:
        """The next sample is ``start_sample``; what is in flight will be in no embedding.

        Args:
            start_sample: the source's index.
            lost_reason: why the samples jumped over were lost, and with them those in flight.
            gap_samples: how many of those jumped over were never captured; None is all.
            gap_estimated: that is an estimate.

        Raises:
            ValueError: it lies before the last sample's end.
        """
        self._gap_samples, self._gap_estimated = 0, False
        if self.next_sample is not None:
            jumped = start_sample - self.next_sample
            if jumped < 0:
                raise ValueError(
                    f"a block begins at sample {start_sample}, before {self.next_sample}"
                )
            self._gap_samples = jumped if gap_samples is None else gap_samples
            self._gap_estimated = gap_estimated
            self._account.drop_in_flight(lost_reason)
            self._account.drop_unseen(jumped - self._gap_samples, lost_reason)
            self._account.gap(self._gap_samples)
        self._account.begin_epoch(start_sample)
        self._epoch_start = self.next_sample = start_sample
        self.epoch += 1

    def capture_until(self, stop_sample: int) -> None:
        """All samples before this one arrived; nothing happens if that was known."""
        assert self.next_sample is not None, "an epoch begins first"
        self._account.capture(max(0, stop_sample - self.next_sample))
        self.next_sample = max(self.next_sample, stop_sample)

    def drop_until(self, stop_sample: int, reason: str) -> None:
        """All samples before this one, those in flight included, will be in no embedding."""
        assert self.next_sample is not None, "an epoch begins first"
        self._account.drop_in_flight(reason)
        self._account.drop_unseen(max(0, stop_sample - self.next_sample), reason)
        self.next_sample = max(self.next_sample, stop_sample)

    def mark(self, nonfinite: NDArray[np.int64], clipped: NDArray[np.int64]) -> None:
        """Samples that were replaced, and samples at or beyond full scale, by the source's index."""
        self._nonfinite.add(nonfinite)
        self._clipped.add(clipped)

    def forget_before(self, n_frames: int) -> None:
        """So many frames of the epoch are through; no segment will ask for marks long before them."""
        newest = n_frames * self._config.hop_samples
        oldest = self._source_sample(newest - self._reach_samples)
        self._nonfinite.forget(oldest)
        self._clipped.forget(oldest)

    def frame_samples(self, start_frame: int, n_frames: int) -> NDArray[np.int64]:
        """``(n_frames,)``, the source's index of the sample at which each of the epoch's frames begins."""
        frames = np.arange(start_frame, start_frame + n_frames, dtype=np.int64)
        model_samples = frames * self._config.hop_samples
        found: NDArray[np.int64] = (
            self._epoch_start + model_samples * self.source_rate_hz // self._config.sample_rate_hz
        )
        return found

    def place(self, segment: EncodedSegment, novelty: float | None = None) -> Embedding:
        """Give a segment its samples, flags and account; its novelty goes along."""
        first = segment.start_frame * self._config.hop_samples
        start = self._source_sample(first)
        # A resampler's last sample may stand for less than a whole source sample.
        stop = min(
            self._source_sample(first + self._config.span_samples(segment.n_frames)),
            self.next_sample or 0,
        )
        flags = Flag(0)
        if segment.partial:
            flags |= Flag.PARTIAL
        if segment.early:
            flags |= Flag.EARLY
        if self._gap_estimated:
            flags |= Flag.GAP_ESTIMATED
        if self._clipped.any_in(start, stop):
            flags |= Flag.CLIPPED
        if self._nonfinite.any_in(start, stop):
            flags |= Flag.NONFINITE
        gap_samples = 0
        if not segment.early:
            self._account.embed(start, stop)
            gap_samples, self._gap_samples = self._gap_samples, 0
        return Embedding(
            vector=segment.vector,
            epoch=self.epoch,
            start_sample=start,
            n_samples=stop - start,
            sample_rate_hz=self.source_rate_hz,
            level_dbfs=_decibels(10.0, segment.energy),
            peak_dbfs=_decibels(20.0, segment.peak),
            gap_samples=gap_samples,
            flags=flags,
            novelty=novelty,
            gain_db=self.gain_db,
        )

    def newest_samples(self, start_frame: int, n_frames: int) -> tuple[int, int]:
        """The source's samples that frames of this epoch are the first to see: their newest hops, ``[start, stop)``."""
        stop = self._config.span_samples(start_frame + n_frames)
        start = stop - n_frames * self._config.hop_samples
        return self._source_sample(start), self._source_sample(stop)

    def finish(self) -> None:
        """The stream ended; nothing stays in flight."""
        self._account.finish()

    def ledger(self) -> Ledger:
        """Where every sample captured is."""
        return self._account.ledger(
            nonfinite_samples=self._nonfinite.count, clipped_samples=self._clipped.count
        )

    def _source_sample(self, model_sample: int) -> int:
        """Model-rate sample ``m`` of the epoch, on the source's clock; floors, so that segments tile."""
        return self._epoch_start + model_sample * self.source_rate_hz // self._config.sample_rate_hz


def _decibels(factor: float, value: float) -> float:
    return max(-200.0, factor * math.log10(max(value, 1e-30)))
