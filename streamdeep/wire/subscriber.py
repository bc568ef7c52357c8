"""What a listener receives through: messages one after the other, waiting in its thread.

To be used from one thread. Not here: what is done with messages on the way (:mod:`streamdeep.wire.reception`),
the same for event loops (:mod:`streamdeep.wire.async_subscriber`).
"""

import time
from collections.abc import Iterator
from typing import Self

from streamdeep.wire.kinds import Message
from streamdeep.wire.reception import DEFAULT_KINDS, Reception

__all__ = ["DEFAULT_KINDS", "Subscriber"]


class Subscriber(Reception):
    """Messages of one or more publishers; an iterator, and a context manager.

    Arguments, and what is received: see :class:`~streamdeep.wire.reception.Reception`.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Message]:
        while (message := self.receive(self.timeout_s)) is not None:
            yield message

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """The next message; None if none came in time.

        Args:
            timeout_s: how long to wait; 0 not at all, None for ever.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            message = self._at_hand()
            if message is not None:
                return message
            left_s = None if deadline_s is None else deadline_s - time.monotonic()
            waits_s = [wait for wait in (left_s, self._connection.tend()) if wait is not None]
            if left_s is not None and left_s <= 0:
                return None
            if self._all_read:
                self._connection.wait(min(waits_s, default=None))
