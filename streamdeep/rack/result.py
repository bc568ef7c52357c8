"""What comes out of a rack: embeddings, and epochs that began because samples were lost or the gain changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamdeep.records import Embedding

if TYPE_CHECKING:
    from streamdeep.rack.slot import Slot


@dataclass(frozen=True, slots=True)
class Restart:
    """A new epoch began.

    Attributes:
        reason: ``gap`` (never captured), ``overflow`` (the ring was full), ``overload`` (too little time) or
            ``gain`` (nothing was lost, but it is louder from here on).
        epoch: its number.
        start_sample: the source's index of its first sample.
        lost_samples: how many were lost before it.
        estimated: that is an estimate.
        cause: for people, what lost them; empty if the reason says it all.
    """

    reason: str
    epoch: int
    start_sample: int
    lost_samples: int
    estimated: bool = False
    cause: str = ""


@dataclass(slots=True)
class Result:
    """What a turn, or a moment's attention, gave one stream.

    Attributes:
        slot: the stream.
        restarts: epochs that began; before the embeddings.
        embeddings: in order of their end.
        stages_ns: what this took, as far as it concerned this stream.
        ended: nothing more will come of it.
    """

    slot: Slot
    restarts: list[Restart] = field(default_factory=list)
    embeddings: list[Embedding] = field(default_factory=list)
    stages_ns: dict[str, int] = field(default_factory=dict)
    ended: bool = False
