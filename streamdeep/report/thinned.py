"""So many things at most, evenly chosen from a sequence of unknown length."""

from typing import Generic, TypeVar

_Thing = TypeVar("_Thing")


class Thinned(Generic[_Thing]):
    """Every so-many-th thing; when there are too many, every other one of these goes.

    Args:
        most: how many are kept.

    Attributes:
        things: those kept, in order.
        every: which are: the first, and each ``every``-th after it.
        n_seen: how many there were.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.things: list[_Thing] = []
        self.every = 1
        self.n_seen = 0

    def add(self, thing: _Thing) -> None:
        """Take the next one."""
        if self.n_seen % self.every == 0:
            if len(self.things) == self._most:
                self.things = self.things[::2]
                self.every *= 2
            if self.n_seen % self.every == 0:
                self.things.append(thing)
        self.n_seen += 1
