"""A recipe's ``[frontend]`` and ``[segment]``: from samples to frames, and which make an embedding.

Not here: what views have instead (``view_recipe``), and the rest of a recipe (``config``).
"""

from typing import Annotated, Literal

from pydantic import Field

from streamdeep.config import (
    Channel,
    FixedLevel,
    FrontendConfig,
    Level,
    SegmentConfig,
    SegmentLevel,
    Strict,
    View,
    hop_frames_from_seconds,
    length_frames_from_seconds,
)
from streamdeep.errors import ConfigurationError

STORED_FLOOR_DB = -160.0
STORED_CEILING_DB = 40.0
"""Spectrograms are kept between these; wide enough that no gain of the augmentation runs into them."""

Db = Annotated[float, Field(ge=-120.0, le=20.0)]


class FrontendRecipe(Strict):
    """From samples to frames.

    Attributes:
        sample_rate_hz: the model's rate.
        window_s: length of the window; a whole number of samples.
        hop_s: step between frames; a whole number of samples.
        scale: Mel bank, see :class:`streamdeep.config.View`.
        bands: how many.
        channel: what is made of several channels.
        fusion: see :class:`streamdeep.config.FrontendConfig`; ``spectra`` for a model that is to be fused with
            models of other channels.
        pre_emphasis: 0 is off; auDeep has 0.95.
        remove_frame_mean: as auDeep does.
        level: ``fixed`` is causal and streams; ``segment`` is auDeep's, relative to the segment's maximum.
        clip_below_db: for ``segment``; the range below the maximum that is kept.
        clip_above_db: for ``segment``.
        floor_db: for ``fixed``, what becomes -1, or ``auto``: learnt from the training data (``levels``).
        ceiling_db: what becomes +1, or ``auto``.
    """

    sample_rate_hz: int = 44100
    window_s: float = Field(default=0.08, gt=0.0)
    hop_s: float = Field(default=0.04, gt=0.0)
    scale: Literal["htk", "slaney"] = "htk"
    bands: int = 128
    channel: Channel = "mean"
    fusion: Literal["samples", "spectra"] = "samples"
    pre_emphasis: float = Field(default=0.0, ge=0.0, lt=1.0)
    remove_frame_mean: bool = False
    level: Literal["fixed", "segment"] = "fixed"
    clip_below_db: float | None = Field(default=None, lt=0.0)
    clip_above_db: float | None = Field(default=None, le=0.0)
    floor_db: Db | Literal["auto"] = "auto"
    ceiling_db: Db | Literal["auto"] = "auto"

    def config(self, floor_db: float, ceiling_db: float) -> FrontendConfig:
        """The engine's configuration, with these levels where they are fixed.

        Raises:
            ConfigurationError: window or hop is no whole number of samples.
        """
        if self.level == "segment":
            level: Level = SegmentLevel(
                clip_below_db=self.clip_below_db, clip_above_db=self.clip_above_db
            )
        else:
            level = FixedLevel(floor_db=floor_db, ceiling_db=ceiling_db)
        return self._with(level)

    def stored(self) -> FrontendConfig:
        """As :meth:`config`, over the range in which spectrograms are kept."""
        return self._with(FixedLevel(floor_db=STORED_FLOOR_DB, ceiling_db=STORED_CEILING_DB))

    def _with(self, level: Level) -> FrontendConfig:
        view = View(
            channel=self.channel,
            window_samples=self._samples(self.window_s, "window_s"),
            scale=self.scale,
            n_bands=self.bands,
            level=level,
        )
        return FrontendConfig(
            sample_rate_hz=self.sample_rate_hz,
            hop_samples=self._samples(self.hop_s, "hop_s"),
            pre_emphasis=self.pre_emphasis,
            remove_frame_mean=self.remove_frame_mean,
            fusion=self.fusion,
            views=(view,),
        )

    def _samples(self, seconds: float, key: str) -> int:
        samples = seconds * self.sample_rate_hz
        if abs(samples - round(samples)) > 1e-6 * samples:
            raise ConfigurationError(
                f"frontend.{key} = {seconds:g} is no whole number of samples at {self.sample_rate_hz} Hz; "
                f"use {int(samples) / self.sample_rate_hz:.9g} or {(int(samples) + 1) / self.sample_rate_hz:.9g}"
            )
        return round(samples)


class SegmentRecipe(Strict):
    """Which frames make one embedding.

    Attributes:
        length_s: length of a segment; training crops are as long.
        hop_s: the model's default step between segments.
    """

    length_s: float = Field(default=5.0, gt=0.0)
    hop_s: float = Field(default=1.0, gt=0.0)

    def config(self, frontend: FrontendConfig) -> SegmentConfig:
        """In whole frames; refuses a time that is none."""
        return SegmentConfig(
            length_frames=length_frames_from_seconds(self.length_s, frontend),
            hop_frames=hop_frames_from_seconds(self.hop_s, frontend),
        )
