"""What belongs to an installation: the options of ``streamdeep run``, as flags, environment and TOML file."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from streamdeep.config import Strict, describe, load_toml
from streamdeep.errors import ConfigurationError
from streamdeep.frontend.gain import parse_gain
from streamdeep.providers import ProviderName
from streamdeep.wire.security import DEFAULT_AUDIO_ENDPOINT

_Gain = Annotated[float | Literal["auto"], BeforeValidator(parse_gain)]


class SourceSettings(Strict):
    """One source.

    Attributes:
        source: see :mod:`streamdeep.intake.opening`.
        stream: name on the wire; None is host and source.
        block_size: samples per block.
        format: of raw PCM.
        rate: of raw PCM, wanted of a sound card, or known of an address, in Hz.
        channels: of raw PCM or a sound card, or known of an address.
        select: channels to hear, counted from 1; None for all.
        gain_db: how much louder its samples are made, or ``auto``; None is 0, or what a recording says.
    """

    source: str
    stream: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")
    block_size: int | None = None
    format: Literal["s16le", "f32le"] | None = None
    rate: int | None = None
    channels: int | None = None
    select: tuple[int, ...] | None = Field(default=None, min_length=1)
    gain_db: _Gain | None = None


class AudioInSettings(Strict):
    """Sound that comes in over ZeroMQ, see ``docs/audio-in.md``.

    Attributes:
        bind: where senders connect to.
        most_streams: at one time.
        silent_s: a stream is ended when nothing was heard from its sender for so long.
        gain_db: how much louder every stream is made that comes; None as the source beside it.
    """

    bind: str = DEFAULT_AUDIO_ENDPOINT
    most_streams: int = Field(default=256, ge=1, le=4096)
    silent_s: float = Field(default=30.0, ge=1.0, le=86_400.0)
    gain_db: _Gain | None = None


class RunSettings(Strict):
    """All options, under the same names in TOML.

    Flags win over the environment (``STREAMDEEP_*``), the environment over the file, the file over these
    defaults.

    Attributes:
        source: as in :class:`SourceSettings`, and so are stream, block_size, format, rate, channels, select
            and gain_db.
        streams: several sources instead, each a table ``[[streams]]``.
        audio_in: also take sound that is sent here, whatever the sources; an address alone will do.
        model: model file; None is the embedded one.
        provider: what runs the model, see :mod:`streamdeep.providers`.
        bind: where to publish.
        hop_s: seconds between segments; None is the model's.
        early_s: after how many seconds a segment also gives an early embedding.
        pace: of files.
        frames: also publish log-Mel frames, for those who draw them, see ``docs/dashboard.md``.
        insecure: allow to publish, or to listen for sound, where other machines reach it, in clear text.
        identity: our ``.key_secret`` file, to publish and to take sound in encrypted.
        allow: folder with the public keys of those who may then listen and send.
        wait: start files only when somebody listens; None does so at ``pace`` max.
        record: also record every source, into a folder here; None records nothing.
        keep_hours: delete recorded segments that are older.
        keep_gb: delete the oldest recorded segments beyond so many gigabytes.
    """

    source: str | None = None
    stream: str | None = None
    block_size: int | None = None
    format: Literal["s16le", "f32le"] | None = None
    rate: int | None = None
    channels: int | None = None
    select: tuple[int, ...] | None = Field(default=None, min_length=1)
    gain_db: _Gain | None = None
    streams: tuple[SourceSettings, ...] = Field(default=(), max_length=10_000)
    audio_in: AudioInSettings | None = None
    model: Path | None = None
    provider: ProviderName = "cpu"
    bind: str = "tcp://127.0.0.1:5757"
    hop_s: float | None = Field(default=None, gt=0)
    early_s: tuple[float, ...] = ()
    pace: Literal["realtime", "max"] = "realtime"
    frames: bool = False
    insecure: bool = False
    identity: Path | None = None
    allow: Path | None = None
    wait: bool | None = None
    record: Path | None = None
    keep_hours: float | None = Field(default=None, gt=0)
    keep_gb: float | None = Field(default=None, gt=0)

    @field_validator("audio_in", mode="before")
    @classmethod
    def _an_address_will_do(cls, value: object) -> object:
        return {"bind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _sound_that_is_sent_does_not_wait(self) -> Self:
        if self.audio_in is not None and self.pace == "max":
            raise ValueError("audio_in is live, and pace max is for files: run two engines")
        return self

    @model_validator(mode="after")
    def _frames_are_looked_at(self) -> Self:
        if self.frames and self.pace == "max":
            raise ValueError("frames are to be looked at, and pace max is too fast for that")
        return self

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

    @model_validator(mode="after")
    def _nothing_to_keep(self) -> Self:
        if self.record is None and (self.keep_hours or self.keep_gb):
            raise ValueError(
                "keep_hours and keep_gb are about recordings; say where to with record"
            )
        return self

    @property
    def most_arrivals(self) -> int:
        """How many streams may be sent here."""
        return 0 if self.audio_in is None else self.audio_in.most_streams

    @property
    def sources(self) -> tuple[SourceSettings, ...]:
        """Every source.

        Raises:
            ConfigurationError: there is none, or one is described wrongly.
        """
        if self.streams:
            return self.streams
        if self.source is None and self.audio_in is not None:
            return ()
        if self.source is None:
            raise ConfigurationError(
                "no source: name a sound file, `mic`, `-` for raw samples on standard input, "
                "or --audio-in for sound that is sent here"
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
    if isinstance(base.get("audio_in"), dict) and "audio_in" in named:
        named["audio_in"] = base["audio_in"] | {"bind": named["audio_in"]}
    try:
        settings = RunSettings.model_validate(base | named)
    except ValidationError as error:
        raise ConfigurationError(describe(error)) from error
    settings.sources  # noqa: B018 - a mistake in it is said now
    return settings
