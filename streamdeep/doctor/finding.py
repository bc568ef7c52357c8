"""What was found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

State = Literal["ok", "look here", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: what, in a word or two.
        state: ``broken`` stops the program from doing its work, ``look here`` only some of it.
        message: one line.
        fix: the command that mends it, or a sentence where none does; empty if nothing is to be mended.
        values: for programs.
    """

    check: str
    state: State
    message: str
    fix: str = ""
    values: Mapping[str, object] = field(default_factory=dict)
