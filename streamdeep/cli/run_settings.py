"""What belongs to an installation: the options of ``streamdeep run``, as flags, environment and TOML file."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from streamdeep.config import Strict, describe, load_toml
from streamdeep.errors import ConfigurationError
from streamdeep.providers import ProviderName


class SourceSettings(Strict):
    """One source.

    Attributes:
        source: see :mod:`streamdeep.intake.opening`.
        stream: name on the wire; None is host and source.
        block_size: samples per block.
        format: of raw PCM.
        rate: of raw PCM, or wanted of a sound card, in Hz.
        channels: of raw PCM or a sound card.
        select: channels to hear, counted from 1; None for all.
    """

    source: str
    stream: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")
    block_size: int | None = None
    format: Literal["s16le", "f32le"] | None = None
    rate: int | None = None
    channels: int | None = None
    select: tuple[int, ...] | None = Field(default=None, min_length=1)


class RunSettings(Strict):
    """All options, under the same names in TOML.

    Flags win over the environment (``STREAMDEEP_*``), the environment over the file, the file over these
    defaults.

    Attributes:
        source: as in :class:`SourceSettings`, and so are stream, block_size, format, rate, channels and select.
        streams: several sources instead, each a table ``[[streams]]``.
        model: model file; None is the embedded one.
        provider: what runs the model, see :mod:`streamdeep.providers`.
        bind: where to publish.
        hop_s: seconds between segments; None is the model's.
        early_s: after how many seconds a segment also gives an early embedding.
        pace: of files.
        insecure: allow a bind that other machines can reach, in clear text.
        wait: start files only when somebody listens; None does so at ``pace`` max.
    """

    source: str | None = None
    stream: str | None = None
    block_size: int | None = None
    format: Literal["s16le", "f32le"] | None = None
    rate: int | None = None
    channels: int | None = None
    select: tuple[int, ...] | None = Field(default=None, min_length=1)
    streams: tuple[SourceSettings, ...] = Field(default=(), max_length=10_000)
    model: Path | None = None
    provider: ProviderName = "cpu"
    bind: str = "tcp://127.0.0.1:5757"
    hop_s: float | None = Field(default=None, gt=0)
    early_s: tuple[float, ...] = ()
    pace: Literal["realtime", "max"] = "realtime"
    insecure: bool = False
    wait: bool | None = None

    @model_validator(mode="after")
    def _one_way_to_name_sources(self) -> Self:
        named = [key for key in SourceSettings.model_fields if getattr(self, key) is not None]
        if self.streams and named:
            raise ValueError(
                f"{named[0]} stands beside [[streams]]; put it into one of those tables, or leave them out"
            )
        if sum(stream.source == "-" for stream in self.streams) > 1:
            raise ValueError("standard input can be the source of one stream only")
        return self

    @property
    def sources(self) -> tuple[SourceSettings, ...]:
        """Every source.

        Raises:
            ConfigurationError: there is none, or one is described wrongly.
        """
        if self.streams:
            return self.streams
        if self.source is None:
            raise ConfigurationError(
                "no source: name a sound file, `mic`, or `-` for raw samples on standard input"
            )
        given = {key: getattr(self, key) for key in SourceSettings.model_fields}
        try:
            return (SourceSettings.model_validate(given),)
        except ValidationError as error:
            raise ConfigurationError(describe(error)) from error


def settings_from(config: Path | None, given: dict[str, Any]) -> RunSettings:
    """Merge flags and environment over a TOML file.

    Raises:
        ConfigurationError: an unknown key, a value out of range, or no source at all; one line.
    """
    base = load_toml(config, RunSettings).model_dump(exclude_unset=True) if config else {}
    named = {name: value for name, value in given.items() if value is not None}
    try:
        settings = RunSettings.model_validate(base | named)
    except ValidationError as error:
        raise ConfigurationError(describe(error)) from error
    settings.sources  # noqa: B018 - a mistake in it is said now
    return settings
