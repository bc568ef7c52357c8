"""One client's lines as they come: what a connection iterates over.

Of asyncio, and of no server: not here is how a line leaves (:mod:`streamdeep.bridges.websocket`).
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from streamdeep.bridges.fanout import Fanout
from streamdeep.bridges.request import Wanted


async def lines(fanout: Fanout, wanted: Wanted) -> AsyncGenerator[str]:
    """What a client wants, until the server closes; nothing if it has no room for one more."""
    news = asyncio.Event()
    news.set()  # what is there before anything new comes
    client = fanout.join(wanted, news.set)
    if client is None:
        return
    try:
        while not fanout.closed:
            await news.wait()
            news.clear()
            while (line := client.mailbox.next()) is not None:
                yield line
    finally:
        fanout.leave(client)


async def ended_lines(fanout: Fanout, wanted: Wanted) -> AsyncGenerator[str]:
    """The same, each with the end of a line."""
    async with aclosing(lines(fanout, wanted)) as found:
        async for line in found:
            yield line + "\n"
