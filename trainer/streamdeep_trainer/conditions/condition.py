"""Conditions by the names that users type: a kind, a colon, a number with its unit; ``clean`` is the sound as it is.

What is drawn for a clip depends on the seed, the condition and the clip's name alone: not on other clips, nor on
who works. Not here: what is done to sound (``changes``, ``codecs``).
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamdeep.errors import ConfigurationError
from streamdeep_trainer.conditions.changes import (
    at_rate,
    impulse_response,
    louder,
    noisy,
    of_length,
    pink_noise,
    reverberant,
    white_noise,
)
from streamdeep_trainer.conditions.codecs import CODECS, check_codec, through_codec
from streamdeep_trainer.conditions.sound import Sound

_CLEAN: Final = "clean"

_Change = Callable[[Sound, float, np.random.Generator], Sound]


@dataclass(frozen=True, slots=True)
class Kind:
    """Conditions that differ in a number.

    Attributes:
        unit: of the number.
        low: the least that it may be.
        high: the most.
        title: for tables, with the number in its place.
        change: what is done.
    """

    unit: str
    low: float
    high: float
    title: str
    change: _Change


def _white(sound: Sound, snr_db: float, random: np.random.Generator) -> Sound:
    return noisy(sound, snr_db, white_noise(sound.samples.shape, random))


def _pink(sound: Sound, snr_db: float, random: np.random.Generator) -> Sound:
    noise = pink_noise(sound.samples.shape, sound.sample_rate_hz, random)
    return noisy(sound, snr_db, noise)


def _reverb(sound: Sound, reverberation_s: float, random: np.random.Generator) -> Sound:
    n_channels = sound.samples.shape[1]
    return reverberant(
        sound, impulse_response(reverberation_s, sound.sample_rate_hz, n_channels, random)
    )


KINDS: Final = {
    "gain": Kind("dB", -60, 60, "gain {:+g} dB", lambda s, x, _: louder(s, x)),
    "rate": Kind("kHz", 1, 768, "source at {:g} kHz", lambda s, x, _: at_rate(s, round(1000 * x))),
    "mp3": Kind("kbps", 32, 320, "MP3, {:g} kbit/s", lambda s, x, _: through_codec(s, "mp3", x)),
    "opus": Kind("kbps", 6, 256, "Opus, {:g} kbit/s", lambda s, x, _: through_codec(s, "opus", x)),
    "white": Kind("dB", -60, 100, "white noise, SNR {:g} dB", _white),
    "pink": Kind("dB", -60, 100, "pink noise, SNR {:g} dB", _pink),
    "reverb": Kind("s", 0.01, 20, "reverberation, RT60 {:g} s", _reverb),
    "length": Kind("s", 0.01, 600, "{:g} s of sound", lambda s, x, _: of_length(s, x)),
}
DEFAULT: Final = (
    "clean,gain:-20dB,gain:-10dB,gain:+10dB,gain:+20dB,rate:8kHz,rate:16kHz,rate:48kHz,mp3:32kbps,opus:32kbps,"
    "white:20dB,white:10dB,white:0dB,pink:10dB,reverb:0.5s,reverb:1s,"
    "length:1s,length:2s,length:5s,length:10s"
)
TEACH: Final = "clean,gain:-20dB,gain:-10dB,gain:+10dB,rate:8kHz,rate:16kHz,white:20dB"


@dataclass(frozen=True, slots=True)
class Condition:
    """What is done to every clip.

    Attributes:
        kind: one of :data:`KINDS`; empty is ``clean``.
        number: in the kind's unit.
    """

    kind: str = ""
    number: float = 0.0

    @property
    def name(self) -> str:
        """What users type."""
        if not self.kind:
            return _CLEAN
        sign = "+" if self.kind == "gain" else ""
        return f"{self.kind}:{self.number:{sign}g}{KINDS[self.kind].unit}"

    @property
    def title(self) -> str:
        """For tables."""
        return KINDS[self.kind].title.format(self.number) if self.kind else _CLEAN

    def change(self, sound: Sound, *, seed: int, filename: str) -> Sound:
        """Do it.

        Args:
            sound: not written to.
            seed: of what is drawn.
            filename: of the clip in its data set, which has its own draw.

        Raises:
            SourceError: this sound cannot be changed so.
            MissingDependencyError: a codec without PyAV.
            ConfigurationError: a codec refuses the bit rate.
        """
        if not self.kind:
            return sound
        drawn = hashlib.sha256(f"{seed}\n{self.name}\n{filename}".encode()).digest()
        random = np.random.default_rng(int.from_bytes(drawn, "little"))
        return KINDS[self.kind].change(sound, self.number, random)


CLEAN: Final = Condition()
"""Sound as it is."""


def conditions_of(text: str) -> tuple[Condition, ...]:
    """Conditions from names with commas between them, in that order.

    Raises:
        ConfigurationError: a name is none, a number is out of range, one is named twice, or there is none.
        MissingDependencyError: a codec without PyAV.
    """
    found = [condition_of(word.strip()) for word in text.split(",") if word.strip()]
    if not found:
        raise ConfigurationError("no condition is named; clean is one")
    for condition in found:
        if found.count(condition) > 1:
            raise ConfigurationError(f"the condition {condition.name} is named twice; name it once")
    return tuple(found)


def condition_of(word: str) -> Condition:
    """One condition from its name.

    Raises:
        ConfigurationError: the name is none, or the number is out of range.
        MissingDependencyError: a codec without PyAV.
    """
    if word == _CLEAN:
        return CLEAN
    match = re.fullmatch(r"([a-z0-9]+):([+-]?\d+(?:\.\d+)?)([A-Za-z]+)", word)
    kind = KINDS.get(match[1]) if match else None
    if match is None or kind is None or match[3] != kind.unit:
        known = ", ".join(f"{name}:NUMBER{one.unit}" for name, one in KINDS.items())
        raise ConfigurationError(f"{word!r} is no condition; use {_CLEAN}, {known}")
    number = float(match[2])
    if not kind.low <= number <= kind.high:
        raise ConfigurationError(
            f"{word!r} is out of range; {kind.low:g} to {kind.high:g} {kind.unit} will do"
        )
    if match[1] in CODECS:
        check_codec(match[1], number)
    return Condition(match[1], number)


def titles_of(conditions: Sequence[Condition]) -> str:
    """In words, with commas between them."""
    return ", ".join(condition.title for condition in conditions)
