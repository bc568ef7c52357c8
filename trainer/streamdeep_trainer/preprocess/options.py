"""What to make of each sound file, in seconds and dB, and the front-end that follows at a sample rate.

Times become samples as auDeep's do: ``int(rate * seconds)``. Not here: where files lie, how many processes.
"""

from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from streamdeep.config import (
    Channel,
    FixedLevel,
    FrontendConfig,
    SegmentLevel,
    Strict,
    View,
    describe,
)
from streamdeep.errors import ConfigurationError


class PreprocessOptions(Strict):
    """From a sound file to rows of frames.

    Attributes:
        window_s: length of the window.
        overlap_s: of consecutive windows.
        n_bands: Mel bands; None for the linear power spectrum.
        scale: of the Mel bank, see :class:`streamdeep.config.View`; unused where ``n_bands`` is None.
        channel: what is made of several channels. Of a mono file the difference is silence.
        pre_emphasis: 0 is off, auDeep has 0.95.
        remove_frame_mean: subtract each frame's mean, as auDeep does.
        normaliser: ``segment`` (auDeep's: relative to the maximum, stretched to [-1, 1]) or ``fixed``
            (absolute, and causal).
        clip_below_db: relative to the maximum; ``segment`` only.
        clip_above_db: relative to the maximum; ``segment`` only.
        scope: of the maximum, the file (auDeep's) or each chunk; ``segment`` only.
        floor_db: dBFS that become -1; ``fixed`` only.
        ceiling_db: dBFS that become +1; ``fixed`` only.
        fixed_length_s: cut or pad with zeros to this, before anything else; None leaves the length.
        centred: cut from both ends, or pad at both; else at the end.
        chunk_length_s: cut the finished spectrogram into rows of this; None makes one row per file.
        chunk_count: how many rows of each file; None takes all whole ones.
        sample_rate_hz: resample all to it; None takes the files' common rate.
    """

    window_s: float = Field(default=0.08, gt=0.0)
    overlap_s: float = Field(default=0.04, ge=0.0)
    n_bands: int | None = Field(default=128, ge=1, le=4096)
    scale: Literal["htk", "slaney"] = "htk"
    channel: Channel = "mean"
    pre_emphasis: float = Field(default=0.0, ge=0.0, lt=1.0)
    remove_frame_mean: bool = False
    normaliser: Literal["segment", "fixed"] = "fixed"
    clip_below_db: float | None = None
    clip_above_db: float | None = None
    scope: Literal["file", "segment"] = "file"
    floor_db: float = FixedLevel().floor_db
    ceiling_db: float = FixedLevel().ceiling_db
    fixed_length_s: float | None = Field(default=None, gt=0.0)
    centred: bool = False
    chunk_length_s: float | None = Field(default=None, gt=0.0)
    chunk_count: int | None = Field(default=None, ge=1)
    sample_rate_hz: int | None = Field(default=None, ge=1000, le=768000)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.overlap_s >= self.window_s:
            raise ValueError(
                f"an overlap of {self.overlap_s:g} s needs a longer window than {self.window_s:g} s"
            )
        if self.centred and self.fixed_length_s is None:
            raise ValueError("--centre needs --fixed-length")
        if self.chunk_count is not None and self.chunk_length_s is None:
            raise ValueError("--chunk-count needs --chunk-length")
        below, above = self.clip_below_db, self.clip_above_db
        if below is not None and above is not None and below >= above:
            raise ValueError(f"--clip-below {below:g} must lie below --clip-above {above:g}")
        if below is not None and below >= 0.0:
            raise ValueError(
                f"--clip-below {below:g} would leave nothing; it is dB below the maximum"
            )
        return self

    def fixed_samples(self, sample_rate_hz: int) -> int | None:
        """The fixed length at a rate; None if there is none."""
        length_s = self.fixed_length_s
        return None if length_s is None else int(length_s * sample_rate_hz)

    def overlap_samples(self, sample_rate_hz: int) -> int:
        """The overlap at a rate, ``int(rate * overlap_s)``; with a fixed length perhaps one off.

        A fixed length means to give ``int((length - overlap) / (window - overlap))`` frames at every rate.
        Where truncated windows give another number, auDeep changes the overlap by one sample.
        """
        overlap = int(sample_rate_hz * self.overlap_s)
        fixed = self.fixed_samples(sample_rate_hz)
        hop = int(sample_rate_hz * self.window_s) - overlap
        if fixed is None or self.fixed_length_s is None or hop < 1:
            return overlap
        hop_s = self.window_s - self.overlap_s
        expected = int((self.fixed_length_s - self.overlap_s) / hop_s)
        found = (fixed - overlap) // hop
        return overlap + (found < expected) - (found > expected)

    def frontend(self, sample_rate_hz: int) -> FrontendConfig:
        """The engine's configuration at a rate.

        Raises:
            ConfigurationError: no such front-end can be, or cuts that leave no frame; one line.
        """
        window = int(sample_rate_hz * self.window_s)
        level: FixedLevel | SegmentLevel
        try:
            if self.normaliser == "fixed":
                level = FixedLevel(floor_db=self.floor_db, ceiling_db=self.ceiling_db)
            else:
                level = SegmentLevel(
                    clip_below_db=self.clip_below_db,
                    clip_above_db=self.clip_above_db,
                    scope=self.scope,
                )
            view = View(
                channel=self.channel,
                window_samples=window,
                scale="linear" if self.n_bands is None else self.scale,
                n_bands=self.n_bands,
                level=level,
            )
            config = FrontendConfig(
                sample_rate_hz=sample_rate_hz,
                hop_samples=window - self.overlap_samples(sample_rate_hz),
                pre_emphasis=self.pre_emphasis,
                remove_frame_mean=self.remove_frame_mean,
                views=(view,),
            )
        except ValidationError as error:
            raise ConfigurationError(
                f"at {sample_rate_hz} Hz these options cannot be: {describe(error)}"
            ) from error
        self._check_cuts(config)
        return config

    def chunk_frames(self, config: FrontendConfig) -> int | None:
        """Frames of a chunk, ``int(rate * length) // hop``; None without chunks."""
        if self.chunk_length_s is None:
            return None
        return int(config.sample_rate_hz * self.chunk_length_s) // config.hop_samples

    def _check_cuts(self, config: FrontendConfig) -> None:
        fixed, chunk = self.fixed_samples(config.sample_rate_hz), self.chunk_frames(config)
        if fixed is not None and config.n_frames(fixed) == 0:
            raise ConfigurationError(
                f"--fixed-length {self.fixed_length_s:g} is shorter than --window {self.window_s:g}"
            )
        if chunk == 0:
            raise ConfigurationError(
                f"--chunk-length {self.chunk_length_s:g} is shorter than the step between frames, "
                f"{config.hop_samples / config.sample_rate_hz:g} s"
            )
        if fixed is not None and chunk is not None:
            wanted, found = self.chunk_count or 1, config.n_frames(fixed) // chunk
            if found < wanted:
                raise ConfigurationError(
                    f"--fixed-length {self.fixed_length_s:g} holds {found} chunks of {chunk} frames and "
                    f"{wanted} are needed; make it longer or ask for fewer"
                )
