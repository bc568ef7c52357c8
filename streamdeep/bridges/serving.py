"""A small server of pages and WebSockets; the only module that configures starlette and uvicorn.

It serves an application over a listening socket in a thread of its own, and lets nobody through to it whom
:mod:`streamdeep.bridges.access` refuses. What another thread has for its clients is handed over through a bounded
queue. Not here: what is served.
"""

import asyncio
import contextlib
import socket
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from streamdeep.bridges.access import Access
from streamdeep.errors import MissingDependencyError

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send
    from starlette.websockets import WebSocket

HANDED_OVER_MOST: Final = 1024
_SEND_BUFFER_BYTES: Final = 65_536
_Item = TypeVar("_Item")


class Serving(Generic[_Item]):
    """Serves an application until it is told to stop.

    Args:
        app: what to serve.
        listener: a listening socket.
        deliver: called in the server's thread with what was handed over, and how much of it was dropped.
        message_bytes: the largest message that a client may send.

    Raises:
        MissingDependencyError: starlette, uvicorn or websockets is not installed.
    """

    def __init__(
        self,
        app: "ASGIApp",
        listener: socket.socket,
        deliver: Callable[[list[_Item], int], None],
        *,
        message_bytes: int = 4096,
    ) -> None:
        import uvicorn

        self._listener = listener
        self._deliver_to = deliver
        self._lock = threading.Lock()
        self._handed_over: deque[_Item] = deque()
        self._missed = 0
        # What the kernel holds for a slow client is neither counted nor current: little of it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="server")
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="h11",
                ws="websockets-sansio",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                limit_concurrency=256,
                server_header=False,
                proxy_headers=False,
                ws_max_size=message_bytes,
                ws_per_message_deflate=False,
                ws_ping_interval=20.0,
                ws_ping_timeout=20.0,
                h11_max_incomplete_event_size=16_384,
                timeout_graceful_shutdown=2,
            )
        )

    def start(self) -> None:
        """Begin to serve; once only."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return self._thread.is_alive()

    def hand_over(self, item: _Item) -> None:
        """Give something to the server's thread; the oldest goes if it does not keep up."""
        with self._lock:
            asleep = not self._handed_over
            self._handed_over.append(item)
            if len(self._handed_over) > HANDED_OVER_MOST:
                self._handed_over.popleft()
                self._missed += 1
        if asleep:
            self._loop.call_soon_threadsafe(self._deliver)

    def close(self, dismiss: Callable[[], None]) -> None:
        """End; ``dismiss`` is called in the server's thread, and must make every client's connection end."""
        self._loop.call_soon_threadsafe(dismiss)
        self._server.should_exit = True
        self._thread.join()
        self._loop.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve(sockets=[self._listener]))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    def _deliver(self) -> None:
        with self._lock:
            items = list(self._handed_over)
            self._handed_over.clear()
            missed, self._missed = self._missed, 0
        self._deliver_to(items, missed)


def require_server() -> None:
    """Say what is missing before anything begins.

    Raises:
        MissingDependencyError: starlette, uvicorn or websockets is not installed.
    """
    try:
        import starlette
        import uvicorn
        import websockets
    except ImportError as error:
        raise MissingDependencyError(
            f"the package {error.name} is not installed; do: pip install 'streamdeep[dashboard]'"
        ) from error
    del starlette, uvicorn, websockets


def guarded(
    inner: "ASGIApp", access: Access, refusal: "Callable[[int, str], Response]", *, cookie: str = ""
) -> "ASGIApp":
    """An application behind a door.

    Args:
        inner: what those get who may.
        access: who may.
        refusal: the answer for the others, of a status and a text.
        cookie: a token may also stand in this cookie; empty: it may not.
    """
    from starlette.datastructures import QueryParams
    from starlette.websockets import WebSocket

    async def app(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] not in ("http", "websocket"):
            await inner(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        token = QueryParams(scope["query_string"]).get("token")
        refused = access.refuse(
            host=headers.get("host"),
            origin=headers.get("origin"),
            authorization=headers.get("authorization"),
            token=token or (_cookie(headers, cookie) if cookie else None),
        )
        if refused is None:
            await inner(scope, receive, send)
        elif scope["type"] == "http":
            await refusal(refused.status, refused.text)(scope, receive, send)
        else:
            response = refusal(refused.status, refused.text)
            await WebSocket(scope, receive, send).send_denial_response(response)

    return app


def _cookie(headers: Mapping[str, str], name: str) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return None if found is None else found.value


async def carry(
    websocket: "WebSocket",
    found: "AsyncGenerator[str] | AsyncGenerator[str | bytes]",
    heard: Callable[[str], None] = lambda text: None,
) -> None:
    """Send what comes until either side has enough.

    Args:
        websocket: accepted.
        found: texts and bytes to send.
        heard: called with each text that the client sends.
    """

    async def send() -> None:
        async with contextlib.aclosing(found):
            async for line in found:
                if isinstance(line, bytes):
                    await websocket.send_bytes(line)
                else:
                    await websocket.send_text(line)
        await websocket.close(1001)

    async def listen() -> None:
        while (message := await websocket.receive())["type"] != "websocket.disconnect":
            heard(message.get("text") or "")

    tasks = [asyncio.create_task(send()), asyncio.create_task(listen())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            # The client may go at any moment, which sending to it finds out.
            if isinstance(outcome, Exception) and not _is_departure(outcome):
                raise outcome


def _is_departure(error: Exception) -> bool:
    from starlette.websockets import WebSocketDisconnect

    return isinstance(error, WebSocketDisconnect | RuntimeError)
