"""What the numbers mean: the front-end and segment contracts, validated once and then trusted.

These travel inside the model file, and no flag can override them. Everything is frozen, unknown keys are
errors. Not here: what belongs to an installation (devices, addresses, queue lengths), which lives with
whoever uses it, and the rest of the model file's contract (``encoder.contract``).
"""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streamdeep.errors import ConfigurationError

Channel = Literal["mean", "left", "right", "difference"]


class Strict(BaseModel):
    """A frozen record that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FixedLevel(Strict):
    """dB between a floor and a ceiling, affinely to [-1, 1], clipped; causal and absolute.

    Attributes:
        floor_db: what becomes -1; 0 dB is a full-scale sine in its bin.
        ceiling_db: what becomes +1.
    """

    kind: Literal["fixed"] = "fixed"
    floor_db: float = -100.0
    ceiling_db: float = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.floor_db < self.ceiling_db:
            raise ValueError(
                f"floor_db {self.floor_db} must lie below ceiling_db {self.ceiling_db}"
            )
        return self


class SegmentLevel(Strict):
    """auDeep's level treatment: dB below the maximum, clipped, then stretched to [-1, 1]; not causal.

    Attributes:
        clip_below_db: values below are set to it; None leaves them.
        clip_above_db: values above are set to it; None leaves them.
        scope: where maximum and smallest positive power are taken: the whole file or the segment. The
            stretch to [-1, 1] is always the segment's.
    """

    kind: Literal["segment"] = "segment"
    clip_below_db: float | None = None
    clip_above_db: float | None = None
    scope: Literal["file", "segment"] = "segment"


Level = Annotated[FixedLevel | SegmentLevel, Field(discriminator="kind")]


class View(Strict):
    """One channel fusion, window, filter bank and level treatment.

    Attributes:
        channel: what is made of the source's channels.
        window_samples: length of the periodic Hann window.
        fft_samples: length of the transform, zero-padded; None is exactly the window's.
        scale: ``htk`` (triangles on integer bins, peak 1, as auDeep), ``slaney`` (unit area), or ``linear``
            (the power spectrum itself).
        n_bands: number of bands; None for ``linear``, which has ``fft_samples // 2 + 1``.
        level: how power becomes the encoder's input.
    """

    channel: Channel = "mean"
    window_samples: int = Field(default=3528, ge=16, le=1 << 17)
    fft_samples: int | None = Field(default=None, ge=16, le=1 << 18)
    scale: Literal["htk", "slaney", "linear"] = "htk"
    n_bands: int | None = Field(default=128, ge=1, le=4096)
    level: Level = FixedLevel()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.fft_samples is not None and self.fft_samples < self.window_samples:
            raise ValueError(
                f"fft_samples {self.fft_samples} is shorter than window_samples {self.window_samples}"
            )
        if (self.n_bands is None) != (self.scale == "linear"):
            raise ValueError(
                "n_bands belongs to the scales htk and slaney; a linear scale has every bin"
            )
        return self

    @property
    def transform_samples(self) -> int:
        """Length of the FFT."""
        return self.fft_samples or self.window_samples

    @property
    def width(self) -> int:
        """How many features this view contributes to a frame."""
        return self.n_bands if self.n_bands is not None else self.transform_samples // 2 + 1


class FrontendConfig(Strict):
    """From samples to frames; frame ``t`` of every view ends at the same sample.

    Attributes:
        sample_rate_hz: the model's rate; other sources are resampled to it.
        hop_samples: step between frames, common to all views.
        pre_emphasis: ``y[n] = x[n] - pre_emphasis * x[n-1]``; 0 is off, auDeep has 0.95.
        remove_frame_mean: subtract each frame's mean before the window, as auDeep does.
        fusion: channel views are sums of samples or of spectra. The two differ in the last bits, so the
            file says which; more than one channel view needs ``spectra``, which shares the FFTs.
        views: the features of a frame, side by side in this order.
    """

    sample_rate_hz: int = Field(default=44100, ge=1000, le=768000)
    hop_samples: int = Field(default=1764, ge=1)
    pre_emphasis: float = Field(default=0.0, ge=0.0, lt=1.0)
    remove_frame_mean: bool = False
    fusion: Literal["samples", "spectra"] = "samples"
    views: tuple[View, ...] = Field(default=(View(),), min_length=1, max_length=16)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.hop_samples > self.longest_window_samples:
            raise ValueError(
                f"hop_samples {self.hop_samples} is longer than the window {self.longest_window_samples}: "
                "samples between frames would be lost"
            )
        if len({view.channel for view in self.views}) > 1 and self.fusion != "spectra":
            raise ValueError('views of several channels need fusion = "spectra"')
        return self

    @property
    def n_features(self) -> int:
        """Width of a frame."""
        return sum(view.width for view in self.views)

    @property
    def longest_window_samples(self) -> int:
        """What the first frame waits for."""
        return max(view.window_samples for view in self.views)

    @property
    def causal(self) -> bool:
        """Whether a frame's final values depend on nothing after it."""
        return all(view.level.kind == "fixed" for view in self.views)

    @property
    def needs_whole_file(self) -> bool:
        """Whether the level treatment looks at the whole file; such a model cannot run live."""
        return any(
            view.level.kind == "segment" and view.level.scope == "file" for view in self.views
        )

    def n_frames(self, n_samples: int) -> int:
        """How many frames ``n_samples`` samples make: ``(n - window) // hop + 1``, or 0."""
        surplus = n_samples - self.longest_window_samples
        return surplus // self.hop_samples + 1 if surplus >= 0 else 0

    def span_samples(self, n_frames: int) -> int:
        """How many samples ``n_frames`` consecutive frames cover."""
        return (n_frames - 1) * self.hop_samples + self.longest_window_samples if n_frames else 0


class SegmentConfig(Strict):
    """Segment ``k`` covers frames ``[k * hop_frames, k * hop_frames + length_frames)`` of its epoch.

    Attributes:
        length_frames: frames per embedding; belongs to the model.
        hop_frames: frames between segments; the model's default, an installation may choose another.
    """

    length_frames: int = Field(ge=1, le=100_000)
    hop_frames: int = Field(ge=1, le=1_000_000)


def hop_frames_from_seconds(seconds: float, config: FrontendConfig) -> int:
    """The segment hop of ``seconds`` in whole frames.

    Raises:
        ConfigurationError: the time is no whole number of frames; names the two nearest that are.
    """
    frames = seconds * config.sample_rate_hz / config.hop_samples
    return _whole(frames, seconds, config.hop_samples / config.sample_rate_hz, 0.0, "segment hop")


def length_frames_from_seconds(seconds: float, config: FrontendConfig) -> int:
    """How many frames a segment of ``seconds`` has: ``(samples - window) / hop + 1``.

    Raises:
        ConfigurationError: the time is no whole number of frames; names the two nearest that are.
    """
    surplus_s = (config.longest_window_samples - config.hop_samples) / config.sample_rate_hz
    hop_s = config.hop_samples / config.sample_rate_hz
    return _whole((seconds - surplus_s) / hop_s, seconds, hop_s, surplus_s, "segment length")


def _whole(frames: float, seconds: float, hop_s: float, offset_s: float, what: str) -> int:
    nearest = round(frames)
    if nearest >= 1 and abs(frames - nearest) < 1e-6 * max(1.0, frames):
        return nearest
    below = max(1, int(frames // 1)) if frames > 0 else 1
    times = " or ".join(
        f"{count * hop_s + offset_s:.6g} s" for count in dict.fromkeys((below, below + 1))
    )
    raise ConfigurationError(
        f"a {what} of {seconds:g} s is no whole number of {1000 * hop_s:g} ms frames; use {times}"
    )


_Settings = TypeVar("_Settings", bound=Strict)


def describe(error: ValidationError) -> str:
    """A validation failure in one line: where, and what is wrong."""
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'value'}: {item['msg'].removeprefix('Value error, ')}"
        if item["type"] != "extra_forbidden"
        else f"unknown key {'.'.join(str(part) for part in item['loc'])!r}"
        for item in error.errors()
    )


def load_toml(path: Path, kind: type[_Settings]) -> _Settings:
    """Read a TOML file into a validated record.

    Raises:
        ConfigurationError: unreadable, not TOML, an unknown key, a value out of range; one line.
    """
    try:
        text = path.read_bytes().decode()
        return kind.model_validate(tomllib.loads(text))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {describe(error)}") from error
