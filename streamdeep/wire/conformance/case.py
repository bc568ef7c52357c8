"""What a case of the conformance test is: messages, and the lines that a correct client prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Moment:
    """What the time is, and where, for the one case that cannot do with a fixed clock.

    Attributes:
        host: as in a status.
        monotonic_ns: of this host.
    """

    host: str = "far.example/3b241101-e2bb-4255-8caf-4136c566a962"
    monotonic_ns: int = 86_400_123_456_789


@dataclass(frozen=True, slots=True)
class Line:
    """A line that a correct client prints.

    Attributes:
        values: keys that must be there, with these values.
        age_s: what ``age_s`` must be at least; None where there is no age.
        optional: the line may be missing.
    """

    values: Mapping[str, Any]
    age_s: float | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        name: also its stream.
        about: one sentence.
        messages: the frames of each, in this order.
        lines: what a correct client prints, in this order.
        refused: how many of the messages a correct client refuses.
    """

    name: str
    about: str
    messages: Sequence[Sequence[bytes]]
    lines: Sequence[Line]
    refused: int
