"""All browsers, and the recent past for those who join.

Everything is to be called from one thread, and nothing waits. A browser that reads too slowly loses the oldest of
what waits for it and is told how much. Not here: how packets leave (:mod:`streamdeep.dashboard.server`).
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Final

from streamdeep.bridges.mailbox import Mailbox
from streamdeep.dashboard.packets import Packet

VIEWERS_MOST: Final = 16
WAITING_MOST: Final = 1024
_TOPICS_MOST: Final = 512


class Viewer:
    """One browser.

    Attributes:
        mailbox: what waits for it.
        wake: called when something came, or when it is over.
    """

    def __init__(self, past: Iterable[str | bytes], wake: Callable[[], None]) -> None:
        found = list(past)
        self.mailbox: Mailbox[str | bytes] = Mailbox(len(found) + WAITING_MOST)
        for content in found:
            self.mailbox.put(content)
        self.wake = wake


class Audience:
    """Hands every packet to all browsers."""

    def __init__(self) -> None:
        self._viewers: list[Viewer] = []
        self._past: dict[str, deque[str | bytes]] = {}
        self.closed = False

    @property
    def full(self) -> bool:
        """There is no room for one more browser."""
        return len(self._viewers) >= VIEWERS_MOST

    def take(self, packets: list[Packet], missed: int = 0) -> None:
        """Hand packets out, and remember them for those who join; so many were dropped before them."""
        for packet in packets:
            past = self._past.get(packet.topic)
            if past is None or past.maxlen != packet.keep:
                past = self._past[packet.topic] = deque(maxlen=packet.keep)
                if len(self._past) > _TOPICS_MOST:
                    del self._past[next(iter(self._past))]
            past.append(packet.content)
        for viewer in self._viewers:
            if missed:
                viewer.mailbox.miss(missed)
            for packet in packets:
                viewer.mailbox.put(packet.content)
            viewer.wake()

    def close(self) -> None:
        """It is over: everybody is to leave."""
        self.closed = True
        for viewer in self._viewers:
            viewer.wake()

    async def watch(self) -> AsyncGenerator[str | bytes]:
        """What one browser is sent, the past first, until it is over; nothing if there is no room."""
        if self.full or self.closed:
            return
        news = asyncio.Event()
        news.set()  # the past is there before anything new comes
        viewer = Viewer((one for past in self._past.values() for one in past), news.set)
        self._viewers.append(viewer)
        try:
            while not self.closed:
                await news.wait()
                news.clear()
                while (content := viewer.mailbox.next()) is not None:
                    yield content
        finally:
            self._viewers.remove(viewer)
