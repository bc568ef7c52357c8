"""Plays the cases to whoever has subscribed; never drops a message for a slow client.

Not here: which cases there are, and what is made of a client's answer.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Self

from streamdeep.wire.conformance.case import Case
from streamdeep.wire.conformance.cases import LAST
from streamdeep.wire.outbox import Outbox
from streamdeep.wire.security import check_bind

_LOOK_S: Final = 0.1
_QUEUE: Final = 64


class Player:
    """A socket that clients connect to.

    Args:
        bind: where; ``tcp://127.0.0.1:*`` takes any free port.

    Raises:
        ConfigurationError: the address is malformed, or not local.
        BindError: the address cannot be had.
    """

    def __init__(self, bind: str) -> None:
        check_bind(bind, insecure=False)
        self._outbox = Outbox(bind, high_water_mark=_QUEUE, lossless=True, patience_s=15.0)
        self.endpoint: Final = self._outbox.endpoint

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def wait_for_client(self, timeout_s: float | None, given_up: Callable[[], bool]) -> bool:
        """Wait until somebody has subscribed to statuses, which come last of all subscriptions.

        Args:
            timeout_s: how long at most; None for ever.
            given_up: asked again and again; True ends the waiting.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._outbox.is_subscribed(f"status/{LAST}/"):
            if given_up() or (deadline_s is not None and time.monotonic() > deadline_s):
                return False
            self._outbox.wait(_LOOK_S, None)
            self._outbox.joins()
        return True

    def play(self, cases: Iterable[Case]) -> int:
        """Send all messages of all cases, in order.

        Returns:
            How many a client did not take within 15 s.
        """
        for case in cases:
            for frames in case.messages:
                self._send(frames)
        return self._outbox.given_up

    def close(self) -> None:
        """Close the socket once everything has been taken."""
        self._outbox.close()

    def _send(self, frames: Sequence[bytes]) -> None:
        self._outbox.send(list(frames))
