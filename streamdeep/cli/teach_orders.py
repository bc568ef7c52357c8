"""What ``streamdeep teach`` can be told, by keys or by lines of JSON: one order at a time."""

import json
from typing import Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from streamdeep.config import Strict, describe
from streamdeep.errors import ConfigurationError
from streamdeep.teaching.example import Meaning

LINE_LETTERS_MOST = 4096

Deed = Literal[
    "class",
    "begin",
    "end",
    "last",
    "stretch",
    "relabel",
    "remove",
    "undo",
    "stream",
    "save",
    "quit",
]
_NAMING = ("class", "begin", "last", "stretch", "relabel")


class Order(Strict):
    """One order.

    Attributes:
        do: ``class`` (there is such a class), ``begin`` and ``end`` (what is heard now is one), ``last`` (the last
            seconds were), ``stretch`` (these samples are), ``relabel``, ``remove`` (the last naming), ``undo``,
            ``stream`` (listen to this one, or the next), ``save``, ``quit`` (and save).
        label: the class, where one is needed.
        negative: ``not`` in JSON: it is not of this class.
        seconds: of ``last``.
        start_sample: of ``stretch``.
        n_samples: of ``stretch``.
        stream: which; None is the one that is listened to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    do: Deed
    label: str | None = None
    negative: bool = Field(default=False, alias="not")
    seconds: float = Field(default=3.0, gt=0.0, le=86_400.0)
    start_sample: int | None = Field(default=None, ge=0, lt=1 << 62)
    n_samples: int | None = Field(default=None, ge=1, lt=1 << 62)
    stream: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.do in _NAMING and self.label is None:
            raise ValueError(f"{self.do} needs a label")
        if self.do == "stretch" and (self.start_sample is None or self.n_samples is None):
            raise ValueError("stretch needs start_sample and n_samples")
        return self

    @property
    def meaning(self) -> Meaning:
        """What it says of a sound.

        Raises:
            ConfigurationError: the label is no name for a class.
        """
        return Meaning(self.label or "", self.negative)


def parse_order(line: str) -> Order:
    """A line of JSON as an order.

    Raises:
        ConfigurationError: it is none; one line.
    """
    try:
        if len(line) > LINE_LETTERS_MOST:
            raise ValueError(f"it is longer than {LINE_LETTERS_MOST} letters")
        return Order.model_validate(json.loads(line))
    except ValidationError as error:
        raise ConfigurationError(f"{line.strip()[:80]}: {describe(error)}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            f'{line.strip()[:80]!r} is no order, like {{"do": "last", "label": "kettle", "seconds": 3}}: {error}'
        ) from error
