"""Blocks in, embeddings out: resampler, front-end and encoder as one pure stage.

No I/O, no threads, and no clock of its own: ``run``, ``embed`` and the trainer all go through here, so they
cannot differ. A jump in ``start_sample`` is a gap: what was open is dropped and counted, and a new epoch
begins with everything fresh. Not here: where blocks come from and where embeddings go.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from streamdeep.accounting import Account
from streamdeep.audio.resample import Resampler
from streamdeep.config import FrontendConfig, SegmentConfig
from streamdeep.encoder.encoder import make_encoder
from streamdeep.encoder.model import Model
from streamdeep.errors import ConfigurationError, StageClosedError
from streamdeep.frontend.damage import Marks, sanitise
from streamdeep.frontend.logmel import LogMel
from streamdeep.records import Block, Embedding, EncodedSegment, Flag, Frames, Ledger


class FrameStage:
    """Samples of a source to the model's frames: sanitise, resample, log-Mel."""

    def __init__(
        self,
        config: FrontendConfig,
        source_rate_hz: int,
        n_channels: int,
        *,
        quality: str = "HQ",
        clock_ns: Callable[[], int] = lambda: 0,
    ) -> None:
        self._resampler = Resampler(
            source_rate_hz, config.sample_rate_hz, n_channels, quality=quality
        )
        self._log_mel = LogMel(config, n_channels)
        self._clock_ns = clock_ns
        self.reset()

    def reset(self) -> None:
        """As good as new."""
        self._resampler.reset()
        self._log_mel.reset()
        self.resample_ns = self.frontend_ns = 0

    def push(self, samples: NDArray[np.float32]) -> list[Frames]:
        """Take finite samples, ``(samples, channels)`` float32 at the source's rate, in any cut."""
        began_ns = self._clock_ns()
        resampled = self._resampler.push(samples)
        return self._frames(resampled, began_ns)

    def flush(self) -> list[Frames]:
        """End the stream; frames that the resampler held back come out."""
        began_ns = self._clock_ns()
        resampled = self._resampler.flush()
        frames = self._frames(resampled, began_ns)
        self._log_mel.flush()
        return frames

    def _frames(self, resampled: list[NDArray[np.float32]], began_ns: int) -> list[Frames]:
        resampled_ns = self._clock_ns()
        frames = [record for samples in resampled for record in self._log_mel.push(samples)]
        self.resample_ns = resampled_ns - began_ns
        self.frontend_ns = self._clock_ns() - resampled_ns
        return frames


class Pipeline:
    """One stream's way from blocks to embeddings.

    Attributes:
        epoch: number of the current epoch, -1 before the first block.
        stages_ns: what the last ``push`` spent on ``resample``, ``frontend`` and ``encoder``, by the clock
            given; zeros without one.
    """

    def __init__(
        self,
        model: Model,
        source_rate_hz: int,
        n_channels: int,
        *,
        hop_frames: int | None = None,
        early_frames: Sequence[int] = (),
        clock_ns: Callable[[], int] = lambda: 0,
    ) -> None:
        """Build a stream.

        Args:
            model: what to run.
            source_rate_hz: rate of the blocks.
            n_channels: channels of the blocks.
            hop_frames: frames between segments; None takes the model's default.
            early_frames: after how many frames a segment also gives an early embedding.
            clock_ns: a monotonic clock for ``stages_ns``; results never depend on it.

        Raises:
            ConfigurationError: a rate, a channel count or an early embedding that cannot be.
        """
        if not 1000 <= source_rate_hz <= 768_000:
            raise ConfigurationError(
                f"a sample rate of {source_rate_hz} Hz is out of range; 1000 to 768000 will do"
            )
        if not 1 <= n_channels <= 64:
            raise ConfigurationError(f"{n_channels} channels are out of range; 1 to 64 will do")
        if early_frames and not model.incremental:
            raise ConfigurationError(
                "this model sees whole segments only and cannot give early embeddings"
            )
        self.model = model
        contract = model.contract
        self.source_rate_hz = source_rate_hz
        self.segment = SegmentConfig(
            length_frames=contract.segment.length_frames,
            hop_frames=hop_frames or contract.segment.hop_frames,
        )
        self._config = contract.frontend
        self._clock_ns = clock_ns
        self._frames = FrameStage(
            contract.frontend,
            source_rate_hz,
            n_channels,
            quality=contract.resampler,
            clock_ns=clock_ns,
        )
        self._encoder = make_encoder(model, self.segment, early_frames=early_frames)
        self.reset()

    def reset(self) -> None:
        """As good as new."""
        self._account = Account()
        self._nonfinite, self._clipped = Marks(), Marks()
        self.epoch = -1
        self._next_sample: int | None = None
        self._closed = False
        self.stages_ns = {"resample": 0, "frontend": 0, "encoder": 0}

    def push(self, block: Block) -> list[Embedding]:
        """Take a block of any length; return the embeddings it completes.

        Raises:
            StageClosedError: after ``flush`` without ``reset``.
            ValueError: the block begins before the last one ended.
        """
        if self._closed:
            raise StageClosedError(
                "the pipeline was flushed; call reset() before pushing more blocks"
            )
        if block.start_sample != self._next_sample:
            self._begin_epoch(block)
        self._next_sample = block.stop_sample
        self._account.capture(len(block.samples))
        samples, nonfinite, clipped = sanitise(block.samples)
        self._nonfinite.add(nonfinite + block.start_sample)
        self._clipped.add(clipped + block.start_sample)
        return self._encode(self._frames.push(samples))

    def flush(self) -> list[Embedding]:
        """End the stream: what the stages hold back, and a partial segment; nothing stays in flight."""
        self._closed = True
        embeddings: list[Embedding] = []
        if self.epoch >= 0:
            embeddings = self._encode(self._frames.flush())
            embeddings += [self._place(segment) for segment in self._encoder.flush()]
        self._account.finish()
        return embeddings

    def ledger(self) -> Ledger:
        """Where every sample given to this pipeline is."""
        return self._account.ledger(
            nonfinite_samples=self._nonfinite.count, clipped_samples=self._clipped.count
        )

    def _begin_epoch(self, block: Block) -> None:
        self._gap_samples, self._gap_estimated = 0, False
        if self._next_sample is not None:
            jumped = block.start_sample - self._next_sample
            if jumped < 0:
                raise ValueError(
                    f"a block begins at sample {block.start_sample}, before {self._next_sample}"
                )
            self._gap_samples = jumped if block.gap_samples is None else block.gap_samples
            self._gap_estimated = block.gap_estimated
            self._account.drop_in_flight(block.lost_reason)
            self._account.drop_unseen(jumped - self._gap_samples, block.lost_reason)
            self._account.gap(self._gap_samples)
        self._account.begin_epoch(block.start_sample)
        self._epoch_start = block.start_sample
        self.epoch += 1
        self._frames.reset()
        self._encoder.reset()

    def _encode(self, frames: list[Frames]) -> list[Embedding]:
        began_ns = self._clock_ns()
        segments = [segment for record in frames for segment in self._encoder.push(record)]
        self.stages_ns = {
            "resample": self._frames.resample_ns,
            "frontend": self._frames.frontend_ns,
            "encoder": self._clock_ns() - began_ns,
        }
        embeddings = [self._place(segment) for segment in segments]
        if frames:
            reach = self._config.span_samples(self.segment.length_frames + 1)
            oldest = self._source_sample(
                self._frames_seen(frames) * self._config.hop_samples - reach
            )
            self._nonfinite.forget(oldest)
            self._clipped.forget(oldest)
        return embeddings

    @staticmethod
    def _frames_seen(frames: list[Frames]) -> int:
        return frames[-1].start_frame + len(frames[-1])

    def _source_sample(self, model_sample: int) -> int:
        """Model-rate sample ``m`` of the epoch, on the source's clock; floors, so that segments tile."""
        return self._epoch_start + model_sample * self.source_rate_hz // self._config.sample_rate_hz

    def _place(self, segment: EncodedSegment) -> Embedding:
        first = segment.start_frame * self._config.hop_samples
        start = self._source_sample(first)
        # A resampler's last sample may stand for less than a whole source sample.
        stop = min(
            self._source_sample(first + self._config.span_samples(segment.n_frames)),
            self._next_sample or 0,
        )
        flags = Flag(0)
        for flag, raised in (
            (Flag.PARTIAL, segment.partial),
            (Flag.EARLY, segment.early),
            (Flag.GAP_ESTIMATED, self._gap_estimated),
            (Flag.CLIPPED, self._clipped.any_in(start, stop)),
            (Flag.NONFINITE, self._nonfinite.any_in(start, stop)),
        ):
            flags |= flag if raised else Flag(0)
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
        )


def _decibels(factor: float, value: float) -> float:
    return max(-200.0, factor * float(np.log10(max(value, 1e-30))))
