"""What a listener receives through in an event loop: messages one after the other, while other tasks run.

There is no task in the background: messages are taken from the socket when somebody asks for one, and wait in its
bounded queue until then. A cancelled wait loses nothing, since a message is taken only to be returned at once.
To be used from one event loop, by one task at a time. Not here: what is done with messages on the way
(:mod:`streamdeep.wire.reception`), the same for threads (:mod:`streamdeep.wire.subscriber`).
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Self

from streamdeep.wire.kinds import Message
from streamdeep.wire.reception import Reception


class AsyncSubscriber(Reception):
    """Messages of one or more publishers; an asynchronous iterator, and a context manager.

    The event loop must be able to watch file descriptors, as all do but Windows' default one. Arguments, and what is
    received: see :class:`~streamdeep.wire.reception.Reception`.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *reason: object) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        message = await self.receive(self.timeout_s)
        if message is None:
            raise StopAsyncIteration
        return message

    async def receive(self, timeout_s: float | None = None) -> Message | None:
        """The next message; None if none came in time. Other tasks get a turn at every call.

        Args:
            timeout_s: how long to wait; 0 not at all, None for ever.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            await asyncio.sleep(0)  # or a sender that is always ahead would keep the loop to itself
            # Before reading: what is done to a connection may use up the descriptor's sign of a message.
            tend_s = self._connection.tend()
            message = self._at_hand()
            if message is not None:
                return message
            left_s = None if deadline_s is None else deadline_s - time.monotonic()
            waits_s = [wait for wait in (left_s, tend_s) if wait is not None]
            if left_s is not None and left_s <= 0:
                return None
            if self._all_read:
                await _readable(self._connection.descriptors, min(waits_s, default=None))


async def _readable(descriptors: Sequence[int], timeout_s: float | None) -> None:
    """Sleep until one of the descriptors is readable, or for ``timeout_s``; None for ever."""
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    for descriptor in descriptors:
        loop.add_reader(descriptor, woken.set)
    try:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(woken.wait(), timeout_s)
    finally:
        # Watched only while somebody waits: they stay readable until somebody reads.
        for descriptor in descriptors:
            loop.remove_reader(descriptor)
