"""A recipe: everything that decides what a training run gives, as one TOML file.

Frozen records; unknown keys are errors. A recipe travels whole into the checkpoint and into the model
file's provenance. Not here: where data and results lie, which are the command line's.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

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
from streamdeep_trainer.model_recipe import ModelRecipe, TimeModel

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


class FitRecipe(Strict):
    """The loop.

    Attributes:
        epochs: each sees one random crop of every clip.
        batch_size: crops per step.
        learning_rate: Adam's.
        gradient_clip: gradients are clipped to this magnitude, value by value, as auDeep does.
        dropout: between layers.
        frame_dropout: of whole frames of the decoder's input.
        gain_db: each crop is made louder or quieter by up to this, evenly drawn.
        validation_fraction: part of the clips that is held out to measure the loss on.
        seed: of initial weights, held-out part, crops, gains and dropouts.
        threads: torch's.
        accelerator: what Fabric runs on; a run is repeatable to the bit on ``cpu``.
        patience: stop when so many epochs brought no lower loss on the held-out clips; the last epoch's
            weights are kept. None runs all epochs.
        tensorboard: also write losses, embeddings and reconstructions for TensorBoard.
    """

    epochs: int = Field(default=40, ge=0)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0.0)
    gradient_clip: float = Field(default=2.0, gt=0.0)
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    frame_dropout: float = Field(default=0.0, ge=0.0, le=1.0)
    gain_db: float = Field(default=0.0, ge=0.0, le=40.0)
    validation_fraction: float = Field(default=0.05, ge=0.0, lt=1.0)
    seed: int = Field(default=0, ge=0, lt=1 << 32)
    threads: int = Field(default=1, ge=1, le=256)
    accelerator: Literal["cpu", "cuda", "auto"] = "cpu"
    patience: int | None = Field(default=None, ge=1)
    tensorboard: bool = False


class EvaluateRecipe(Strict):
    """How good the embeddings are.

    Attributes:
        classifier: ``linear-svm``.
        c_grid: regularisations to choose from, by inner folds of the training part alone.
        n_folds: how many to make where the data has none.
        seeds: of made folds and of the classifier; results are means over them.
        quoted: published figures to show beside one's own.
    """

    classifier: Literal["linear-svm"] = "linear-svm"
    c_grid: tuple[Annotated[float, Field(gt=0.0)], ...] = Field(
        default=(1e-4, 1e-3, 1e-2, 1e-1), min_length=1
    )
    n_folds: int = Field(default=5, ge=2)
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    quoted: Literal["esc10"] | None = None


class HeadRecipe(Strict):
    """A classifier to run live.

    Attributes:
        name: what the head calls itself on the wire.
        gains_db: each clip is also learnt this much louder, so that another microphone works.
        c_grid: regularisations of the logistic regression to choose from.
    """

    name: str = Field(default="scene", min_length=1, max_length=64)
    gains_db: tuple[float, ...] = (10.0, -10.0, -20.0)
    c_grid: tuple[Annotated[float, Field(gt=0.0)], ...] = Field(
        default=(1e-3, 1e-2, 1e-1), min_length=1
    )


class Recipe(Strict):
    """One experiment.

    Attributes:
        description: one line for people.
        data: name and origin of the data, for provenance.
        licence: of the data, for provenance.
        frontend: from samples to frames.
        segment: which frames make one embedding.
        model: the network.
        fit: the loop.
        evaluate: how good the embeddings are.
        head: a classifier to run live.
    """

    description: str = ""
    data: str = ""
    licence: str = ""
    frontend: FrontendRecipe = FrontendRecipe()
    segment: SegmentRecipe = SegmentRecipe()
    model: ModelRecipe = TimeModel()
    fit: FitRecipe = FitRecipe()
    evaluate: EvaluateRecipe = EvaluateRecipe()
    head: HeadRecipe = HeadRecipe()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        try:
            self.segment.config(self.frontend.stored())
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return self

    def with_seed(self, seed: int | None) -> Self:
        """The same experiment with another seed."""
        if seed is None:
            return self
        return self.model_copy(update={"fit": self.fit.model_copy(update={"seed": seed})})
