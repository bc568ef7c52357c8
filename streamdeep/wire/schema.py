"""Checks on maps that came from strangers: is the key there, of its type, in its range.

A :class:`Fields` reads one map, never deeper than it is asked to, so nesting costs nothing. Booleans are
not integers here, integers are numbers, and numbers are finite. Every error begins with the place it was
found in and a colon, so that errors can be counted by place. Not here: which keys belong to which kind of
message.
"""

import math
import re
from collections.abc import Mapping
from typing import Final

from streamdeep.errors import MessageError
from streamdeep.wire.topics import is_name

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
TEXT_MOST: Final = 32_768
"""Characters of the longest text of all, a front-end's configuration."""
_WORD = re.compile(r"[a-z][a-z_]{0,31}")


def _shown(value: object) -> str:
    """A value for an error message, short whatever it is."""
    if isinstance(value, (dict, list)):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value[:40] if isinstance(value, (str, bytes)) else value)
    return f"{type(value).__name__} {text}"


class Fields:
    """One map of unchecked values.

    Args:
        values: the map; keys that nobody asks for are ignored.
        place: where it stands (``header`` ...): every error begins with it.
    """

    def __init__(self, values: Mapping[str, object], place: str) -> None:
        self._values = values
        self._place = place

    def error(self, key: str, wanted: str) -> MessageError:
        """The error that says what was wanted of a key and what was found."""
        found = _shown(self._values[key]) if key in self._values else "nothing"
        return MessageError(f"{self._place}: {key} must be {wanted}, found {found}")

    def has(self, key: str) -> bool:
        """Whether the key is there and not nil."""
        return self._values.get(key) is not None

    def integer(self, key: str, *, low: int = 0, high: int = INT64_MAX) -> int:
        """An integer in ``[low, high]``; a boolean is none."""
        value = self._values.get(key)
        if type(value) is not int or not low <= value <= high:
            raise self.error(key, f"an integer in [{low}, {high}]")
        return value

    def counts(self, *keys: str) -> dict[str, int]:
        """Several integers in ``[0, 2^63 - 1]``, by their keys; in one go, since embeddings have many."""
        values = self._values
        found: dict[str, int] = {}
        for key in keys:
            value = values.get(key)
            if type(value) is not int or not 0 <= value <= INT64_MAX:
                raise self.error(key, f"an integer in [0, {INT64_MAX}]")
            found[key] = value
        return found

    def number(self, key: str, *, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number in ``[low, high]``; writers in other languages send 0.0 as the integer 0."""
        value = self._values.get(key)
        # Comparing first keeps a 64-bit integer exact and refuses NaN; infinities fail isfinite.
        if (
            (type(value) is float or type(value) is int)
            and low <= value <= high
            and math.isfinite(value)
        ):
            return float(value)
        raise self.error(key, f"a finite number in [{low}, {high}]")

    def boolean(self, key: str) -> bool:
        """True or False, not 0 or 1."""
        value = self._values.get(key)
        if type(value) is not bool:
            raise self.error(key, "true or false")
        return value

    def text(self, key: str, *, longest: int = 256) -> str:
        """A text of at most ``longest`` characters."""
        value = self._values.get(key)
        if type(value) is not str or len(value) > longest:
            raise self.error(key, f"a text of at most {longest} characters")
        return value

    def name(self, key: str) -> str:
        """A text that may name a stream or a head."""
        value = self._values.get(key)
        if type(value) is not str or not is_name(value):
            raise self.error(key, "a name [a-z0-9][a-z0-9_.-]{0,63}")
        return value

    def word(self, key: str) -> str:
        """A text that says one of several things, of which later versions may know more."""
        value = self.text(key, longest=32)
        if not _WORD.fullmatch(value):
            raise self.error(key, "a word [a-z][a-z_]*")
        return value

    def binary(self, key: str, *, n_bytes: int) -> bytes:
        """Exactly ``n_bytes`` bytes."""
        value = self._values.get(key)
        if type(value) is not bytes or len(value) != n_bytes:
            raise self.error(key, f"{n_bytes} bytes")
        return value

    def integers(self, key: str) -> list[int]:
        """An array of non-negative integers."""
        value = self._values.get(key)
        if type(value) is not list or any(type(item) is not int or item < 0 for item in value):
            raise self.error(key, "an array of non-negative integers")
        return value

    def numbers(self, key: str, *, most: int) -> list[float]:
        """An array of at most ``most`` finite numbers."""
        value = self._values.get(key)
        wanted = f"an array of at most {most} finite numbers"
        if type(value) is not list or len(value) > most:
            raise self.error(key, wanted)
        for item in value:
            if (type(item) is not float and type(item) is not int) or not math.isfinite(item):
                raise self.error(key, wanted)
        return [float(item) for item in value]

    def section(self, key: str, *, most: int) -> "Fields":
        """A map inside the map, of at most ``most`` keys, each a text of at most 160 characters."""
        value = self._values.get(key)
        if type(value) is not dict or len(value) > most:
            raise self.error(key, f"a map of at most {most} keys")
        if any(type(name) is not str or len(name) > 160 for name in value):
            raise self.error(key, "a map whose keys are texts of at most 160 characters")
        return Fields(value, f"{self._place}: {key}")

    def sections(self, key: str, *, most: int) -> "list[Fields]":
        """An array of at most ``most`` maps whose keys are texts."""
        value = self._values.get(key)
        if type(value) is not list or len(value) > most:
            raise self.error(key, f"an array of at most {most} maps")
        place = f"{self._place}: {key}"
        return [Fields({"each": item}, place).section("each", most=64) for item in value]

    def names(self) -> list[str]:
        """All keys there are; safe after :meth:`section`, which has checked them."""
        return list(self._values)

    def is_map(self, key: str) -> bool:
        """Whether the value is itself a map."""
        return type(self._values.get(key)) is dict
