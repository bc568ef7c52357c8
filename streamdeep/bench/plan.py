"""What is to be measured, and whether it can be."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from streamdeep.audio.generator import BLOCK_S
from streamdeep.audio.resample import Resampler
from streamdeep.bench.cores import available_bytes, choose_cores
from streamdeep.bench.load import RING_S, Load
from streamdeep.bench.search import MOST_STREAMS
from streamdeep.encoder.model import Model
from streamdeep.errors import ConfigurationError
from streamdeep.pipeline import check_source

_STREAM_BYTES = 200_000
"""What a stream takes besides its ring, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure.

    Attributes:
        model: loaded and proven.
        path: its file; None is the embedded one.
        sample_rate_hz: of the sources.
        n_channels: of the sources.
        hop_frames: frames between segments; None is the model's.
        seconds: of sound in each measurement.
        streams: numbers of streams to measure; empty searches for the most that are carried.
    """

    model: Model
    path: Path | None
    sample_rate_hz: int
    n_channels: int
    hop_frames: int | None
    seconds: float
    streams: tuple[int, ...]

    @property
    def hop_s(self) -> float:
        """How long it is from one frame to the next."""
        frontend = self.model.contract.frontend
        return frontend.hop_samples / frontend.sample_rate_hz

    @property
    def held_back_s(self) -> float:
        """What a resampler holds back at most, however idle the machine is; 0 without one."""
        contract = self.model.contract
        rates_hz = self.sample_rate_hz, contract.frontend.sample_rate_hz
        return 0.0 if rates_hz[0] == rates_hz[1] else _held_back_s(*rates_hz, contract.resampler)

    @property
    def deadline_s(self) -> float:
        """One hop, besides what the resampler holds back: who is later, falls behind."""
        return self.hop_s + self.held_back_s

    @property
    def segment_s(self) -> float:
        """How long a segment is."""
        frontend, segment = self.model.contract.frontend, self.model.contract.segment
        return frontend.span_samples(segment.length_frames) / frontend.sample_rate_hz

    @property
    def segment_hop_s(self) -> float:
        """How long it is from one segment's beginning to the next one's."""
        return (self.hop_frames or self.model.contract.segment.hop_frames) * self.hop_s

    def check(self) -> None:
        """Refuse what cannot be measured, before anything is.

        Raises:
            ConfigurationError: in one line.
        """
        check_source(self.sample_rate_hz, self.n_channels)
        if self.model.contract.frontend.needs_whole_file:
            raise ConfigurationError(
                "this model normalises over whole files and cannot run live; there is nothing to measure"
            )
        if not 1 <= self.seconds <= 3600:
            raise ConfigurationError(f"--seconds {self.seconds:g} must lie between 1 and 3600")
        # A stream whose segments are further apart would show no embedding.
        if self.seconds < self.segment_hop_s:
            raise ConfigurationError(
                f"--seconds {self.seconds:g} is shorter than the {self.segment_hop_s:g} s between two segments: "
                "no segment might end; ask for more"
            )
        for n_streams in self.streams:
            if not 1 <= n_streams <= self.most_streams:
                raise ConfigurationError(
                    f"--streams {n_streams} must lie between 1 and {self.most_streams}, what fits into memory"
                )

    @property
    def most_streams(self) -> int:
        """What half of the free memory holds."""
        free = available_bytes()
        ring_bytes = round(4 * RING_S * self.sample_rate_hz * self.n_channels)
        return (
            MOST_STREAMS
            if free is None
            else max(1, min(MOST_STREAMS, free // 2 // (ring_bytes + _STREAM_BYTES)))
        )

    def load(self, n_streams: int) -> Load:
        """What a trial of so many streams carries."""
        cores = choose_cores()
        return Load(
            n_streams=n_streams,
            model=str(self.path) if self.path else None,
            sample_rate_hz=self.sample_rate_hz,
            n_channels=self.n_channels,
            hop_frames=self.hop_frames,
            # One alone begins with a block, as a sound card does.
            spread_s=self.hop_s if n_streams > 1 else 0.0,
            lead_s=self.segment_s,
            seconds=self.seconds,
            engine_cores=() if cores.engine is None else (cores.engine,),
            other_cores=cores.others,
        )

    @property
    def latency_load(self) -> Load:
        """One stream that gives as many embeddings as it can, one a frame."""
        load = self.load(1)
        if not (self.model.incremental and self.model.contract.frontend.causal):
            return load
        segment = self.model.contract.segment
        n_early = min(self.hop_frames or segment.hop_frames, segment.length_frames - 1)
        return replace(load, early_frames=tuple(range(1, n_early + 1)))


@cache
def _held_back_s(source_rate_hz: int, model_rate_hz: int, quality: str) -> float:
    """The most sound that was taken and not given out, after each block of two seconds."""
    resampler = Resampler(source_rate_hz, model_rate_hz, 1, quality=quality)
    block = np.zeros((round(BLOCK_S * source_rate_hz), 1), dtype=np.float32)
    most_s, n_given = 0.0, 0
    for n_blocks in range(1, round(2 / BLOCK_S) + 1):
        n_given += sum(map(len, resampler.push(block)))
        most_s = max(most_s, n_blocks * len(block) / source_rate_hz - n_given / model_rate_hz)
    return most_s
