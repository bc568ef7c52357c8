"""Blocks in, embeddings out: gain, resampler, front-end and encoder as one pure stage.

No I/O, no threads, and no clock of its own: ``run``, ``embed`` and the trainer all go through here, so they
cannot differ. A jump in ``start_sample`` is a gap: what was open is dropped and counted, and a new epoch
begins with everything fresh. Not here: where blocks come from and where embeddings go.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.resample import Resampler
from streamdeep.config import FrontendConfig, SegmentConfig
from streamdeep.encoder.contract import Contract, StatisticsContract
from streamdeep.encoder.encoder import make_encoder
from streamdeep.encoder.model import Model
from streamdeep.errors import ConfigurationError, StageClosedError
from streamdeep.frontend.damage import sanitise
from streamdeep.frontend.gain import Gain, GainDb
from streamdeep.frontend.logmel import LogMel
from streamdeep.heads.novelty import Novelty
from streamdeep.records import Block, Embedding, EncodedSegment, Frames, Ledger
from streamdeep.timeline import Timeline


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


class Scoring:
    """How unusual encoded segments are, for a model that can tell.

    Args:
        statistics: of the model's training; None: it cannot tell.
    """

    def __init__(self, statistics: StatisticsContract | None) -> None:
        self._novelty = None
        if statistics is not None:
            self._novelty = Novelty(
                statistics.mean.array(),
                statistics.axes.array(),
                statistics.centres.array(),
                statistics.mean_square,
            )

    def scores(self, segments: Sequence[EncodedSegment]) -> list[float] | list[None]:
        """A score for each, that does not depend on the others; None for each if the model cannot tell."""
        if self._novelty is None:
            return [None] * len(segments)
        return list(map(float, self._novelty.scores(segment.vector for segment in segments)))


def check_source(sample_rate_hz: int, n_channels: int) -> None:
    """Refuse a source that no stream can take.

    Raises:
        ConfigurationError: a rate or a channel count that cannot be.
    """
    if not 1000 <= sample_rate_hz <= 768_000:
        raise ConfigurationError(
            f"a sample rate of {sample_rate_hz} Hz is out of range; 1000 to 768000 will do"
        )
    if not 1 <= n_channels <= 64:
        raise ConfigurationError(f"{n_channels} channels are out of range; 1 to 64 will do")


def gain_for(contract: Contract, gain_db: GainDb, source_rate_hz: int) -> Gain:
    """A stream's gain.

    Raises:
        ConfigurationError: it is to be found, and the model does not say how loud its training was.
    """
    if gain_db != "auto":
        return Gain(gain_db, source_rate_hz)
    if contract.level is None:
        raise ConfigurationError(
            f"the model {contract.name} does not say how loud its training was, so no gain can be found "
            "for it; give a number of decibels instead of auto"
        )
    frontend = contract.frontend
    return Gain(
        "auto",
        source_rate_hz,
        segment_s=frontend.span_samples(contract.segment.length_frames) / frontend.sample_rate_hz,
        quantiles_dbfs=contract.level.dbfs_quantiles,
    )


class Pipeline:
    """One stream's way from blocks to embeddings.

    Attributes:
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
        gain_db: GainDb = 0.0,
        clock_ns: Callable[[], int] = lambda: 0,
        show: Callable[[Frames, NDArray[np.int64]], None] | None = None,
    ) -> None:
        """Build a stream.

        Args:
            model: what to run.
            source_rate_hz: rate of the blocks.
            n_channels: channels of the blocks.
            hop_frames: frames between segments; None takes the model's default.
            early_frames: after how many frames a segment also gives an early embedding.
            gain_db: how much louder samples are made; ``auto`` finds it, which begins an epoch.
            clock_ns: a monotonic clock for ``stages_ns``; results never depend on it.
            show: given all frames before they are encoded, and ``(frames,)`` the source's index of the
                sample at which each begins; it may write to neither.

        Raises:
            ConfigurationError: a rate, a channel count, a gain or an early embedding that cannot be.
        """
        check_source(source_rate_hz, n_channels)
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
        self._show = show
        self._gain = gain_for(contract, gain_db, source_rate_hz)
        self._frames = FrameStage(
            contract.frontend,
            source_rate_hz,
            n_channels,
            quality=contract.resampler,
            clock_ns=clock_ns,
        )
        self._encoder = make_encoder(model, self.segment, early_frames=early_frames)
        self._scoring = Scoring(contract.statistics)
        self.reset()

    def reset(self) -> None:
        """As good as new."""
        self._timeline = Timeline(self._config, self.segment.length_frames, self.source_rate_hz)
        self._gain.reset()
        self._timeline.gain_db = self._gain.db
        self._closed = False
        self.stages_ns = {"resample": 0, "frontend": 0, "encoder": 0}

    @property
    def epoch(self) -> int:
        """Number of the current epoch, -1 before the first block."""
        return self._timeline.epoch

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
        if block.start_sample != self._timeline.next_sample:
            self._gain.begin()  # a new epoch is there already
            self._begin_epoch(
                block.start_sample,
                block.lost_reason,
                block.gap_samples,
                gap_estimated=block.gap_estimated,
            )
        samples, nonfinite, clipped = sanitise(block.samples)
        self._timeline.mark(nonfinite + block.start_sample, clipped + block.start_sample)
        self.stages_ns = dict.fromkeys(self.stages_ns, 0)
        embeddings: list[Embedding] = []
        at = block.start_sample
        while at < block.stop_sample:
            if self._gain.begin():
                self._begin_epoch(at, "gain", 0)
            part = samples[at - block.start_sample :][: self._gain.room]
            at += len(part)
            self._timeline.capture_until(at)
            embeddings += self._encode(self._frames.push(self._gain.push(part)))
        return embeddings

    def flush(self) -> list[Embedding]:
        """End the stream: what the stages hold back, and a partial segment; nothing stays in flight."""
        self._closed = True
        self.stages_ns = dict.fromkeys(self.stages_ns, 0)
        embeddings: list[Embedding] = []
        if self.epoch >= 0:
            embeddings = self._encode(self._frames.flush())
            embeddings += self._place(self._encoder.flush())
        self._timeline.finish()
        return embeddings

    def ledger(self) -> Ledger:
        """Where every sample given to this pipeline is."""
        return self._timeline.ledger()

    def _begin_epoch(
        self,
        start_sample: int,
        reason: str,
        gap_samples: int | None,
        *,
        gap_estimated: bool = False,
    ) -> None:
        self._timeline.begin_epoch(
            start_sample, lost_reason=reason, gap_samples=gap_samples, gap_estimated=gap_estimated
        )
        self._timeline.gain_db = self._gain.db
        self._frames.reset()
        self._encoder.reset()

    def _encode(self, frames: list[Frames]) -> list[Embedding]:
        if self._show is not None:
            for record in frames:
                self._show(record, self._timeline.frame_samples(record.start_frame, len(record)))
        began_ns = self._clock_ns()
        segments = [segment for record in frames for segment in self._encoder.push(record)]
        self.stages_ns["resample"] += self._frames.resample_ns
        self.stages_ns["frontend"] += self._frames.frontend_ns
        self.stages_ns["encoder"] += self._clock_ns() - began_ns
        embeddings = self._place(segments)
        if frames:
            self._timeline.forget_before(frames[-1].start_frame + len(frames[-1]))
        return embeddings

    def _place(self, segments: list[EncodedSegment]) -> list[Embedding]:
        scores = self._scoring.scores(segments)
        return [
            self._timeline.place(segment, score)
            for segment, score in zip(segments, scores, strict=True)
        ]
