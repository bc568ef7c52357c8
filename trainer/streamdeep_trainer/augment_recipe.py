"""A recipe's ``[augment]``, and the masks that some objectives hide values with: records alone.

Not here: what they do to a crop (``augment``, ``masks``), and that some do not go together (``config``).
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from streamdeep.config import Strict

GainDb = Annotated[float, Field(ge=0.0, le=40.0)]


class MaskRecipe(Strict):
    """Stretches of a crop that the encoder is not given, after SpecAugment (Park et al., Interspeech 2019).

    Where each begins is evenly drawn, and so is how long it is, from 1 to the longest; no single stretch takes
    more than half of a crop's frames or bands.

    Attributes:
        frame_stretches: how many of consecutive frames, in all bands.
        longest_frames: of such a stretch.
        band_stretches: how many of neighbouring bands, in all frames.
        widest_bands: of such a stretch.
    """

    frame_stretches: int = Field(default=2, ge=0, le=64)
    longest_frames: int = Field(default=20, ge=1, le=10_000)
    band_stretches: int = Field(default=2, ge=0, le=64)
    widest_bands: int = Field(default=16, ge=1, le=4096)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.frame_stretches and not self.band_stretches:
            raise ValueError(
                "nothing is masked; ask for a frame_stretches or band_stretches above 0"
            )
        return self


class AugmentRecipe(Strict):
    """What is done to each crop before training sees it, in this order, drawn anew every time.

    Attributes:
        crop: part of the segment's length that a crop has, where the clip is long enough.
        speed: the crop is played faster or slower by up to this factor, evenly drawn by its logarithm; pitches and
            times change together. A clip that is too short to be played faster gives a shorter crop.
        mix: the largest share of power that a clip of the batch, any of them, has in the crop; evenly drawn from 0.
        roll: the crop is turned round in time, by any number of frames: what falls out at its end comes in again.
        shift_bands: all bands are moved up or down by up to this; what comes in repeats the outermost band.
        source_rates_hz: the crop is heard as from a source of one of these rates, which has nothing above half of
            it, or as it is; all equally likely.
        gain_db: louder or quieter by up to this, evenly drawn: the same as that of ``[fit]``.
        masks: what the encoder is not given.
    """

    crop: float = Field(default=1.0, gt=0.0, le=1.0)
    speed: float = Field(default=1.0, ge=1.0, le=4.0)
    mix: float = Field(default=0.0, ge=0.0, lt=1.0)
    roll: bool = False
    shift_bands: int = Field(default=0, ge=0, le=4096)
    source_rates_hz: tuple[Annotated[int, Field(ge=1000, le=768_000)], ...] = Field(
        default=(), max_length=16
    )
    gain_db: GainDb = 0.0
    masks: MaskRecipe | None = None

    @property
    def changes_levels(self) -> bool:
        """Whether it needs dB: levels of prepared rows are final."""
        return self.speed != 1.0 or bool(
            self.mix or self.shift_bands or self.source_rates_hz or self.gain_db
        )
