"""The WebSocket bridge at work; the only module that knows starlette and uvicorn.

The caller's thread reads the wire and hands messages over to the server's thread through a bounded queue. Each
client has a mailbox of its own, so a slow one costs nobody else. What clients send is read and ignored. Not
here: who may connect (:mod:`streamdeep.bridges.access`), what they get (:mod:`streamdeep.bridges.fanout`).
"""

import asyncio
import contextlib
import socket
import threading
from collections import deque
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final

from streamdeep.bridges.access import Access
from streamdeep.bridges.fanout import Fanout
from streamdeep.bridges.reading import ended_lines
from streamdeep.bridges.reading import lines as found_lines
from streamdeep.bridges.request import wanted_from
from streamdeep.errors import MissingDependencyError
from streamdeep.wire.kinds import Message
from streamdeep.wire.subscriber import Subscriber

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send
    from starlette.websockets import WebSocket

HANDED_OVER_MOST: Final = 1024
_SEND_BUFFER_BYTES: Final = 65_536
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
    "Cache-Control": "no-store",
}
_USAGE: Final = """streamdeep: what an engine publishes, as JSON, one object per message.

  new WebSocket("ws://HOST/?stream=room&kinds=label,status")   in a page
  curl -N 'http://HOST/lines?kinds=label'                      one line per message

stream  names, repeated or between commas; all if not given
kinds   embedding early event status model label; without: label,event,status,model
vector  of embeddings: base64 (little-endian float32), list or none

docs/bridges.md says more.
"""


class WebSocketBridge:
    """Serves messages to browsers until it is stopped.

    Args:
        subscriber: of every kind; used from the thread that calls ``run`` only.
        listener: a listening socket.
        access: who may connect.

    Raises:
        MissingDependencyError: starlette, uvicorn or websockets is not installed.
    """

    def __init__(self, subscriber: Subscriber, listener: socket.socket, access: Access) -> None:
        try:
            import starlette
            import uvicorn
            import websockets
        except ImportError as error:
            raise MissingDependencyError(
                f"the package {error.name} is not installed; do: pip install 'streamdeep[dashboard]'"
            ) from error
        del starlette, websockets
        self._subscriber = subscriber
        self._listener = listener
        self._stopping = threading.Event()
        self._fanout = Fanout()
        self._lock = threading.Lock()
        self._handed_over: deque[Message] = deque()
        self._missed = 0
        # What the kernel holds for a slow client is neither counted nor current: little of it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self._loop = asyncio.new_event_loop()
        self._server = uvicorn.Server(
            uvicorn.Config(
                _application(self._fanout, access),
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
                ws_max_size=4096,
                ws_per_message_deflate=False,
                ws_ping_interval=20.0,
                ws_ping_timeout=20.0,
                h11_max_incomplete_event_size=16_384,
                timeout_graceful_shutdown=2,
            )
        )

    def stop(self) -> None:
        """End soon; from any thread or signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Serve until stopped; once only."""
        thread = threading.Thread(target=self._serve, name="server")
        thread.start()
        try:
            while not self._stopping.is_set() and thread.is_alive():
                message = self._subscriber.receive(0.1)
                if message is not None:
                    self._hand_over(message)
        finally:
            self._loop.call_soon_threadsafe(self._fanout.close)
            self._server.should_exit = True
            thread.join()
            self._loop.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve(sockets=[self._listener]))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    def _hand_over(self, message: Message) -> None:
        with self._lock:
            asleep = not self._handed_over
            self._handed_over.append(message)
            if len(self._handed_over) > HANDED_OVER_MOST:
                self._handed_over.popleft()
                self._missed += 1
        if asleep:
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            messages = list(self._handed_over)
            self._handed_over.clear()
            missed, self._missed = self._missed, 0
        if missed:
            self._fanout.miss(missed)
        for message in messages:
            self._fanout.take(message)


def _application(fanout: Fanout, access: Access) -> "ASGIApp":
    from starlette.applications import Starlette
    from starlette.datastructures import QueryParams
    from starlette.responses import PlainTextResponse, StreamingResponse
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocket

    def refusal(status: int, text: str) -> "Response":
        return PlainTextResponse(f"{text}\n", status, headers=_HEADERS)

    async def usage(request: "Request") -> "Response":
        text = _USAGE.replace("HOST", request.headers["host"])
        return PlainTextResponse(text, headers=_HEADERS)

    async def lines(request: "Request") -> "Response":
        try:
            wanted = wanted_from(request.query_params.multi_items())
        except ValueError as error:
            return refusal(400, str(error))
        if fanout.full:
            return refusal(503, "there are too many clients")
        return StreamingResponse(
            ended_lines(fanout, wanted), media_type="application/x-ndjson", headers=_HEADERS
        )

    async def messages(websocket: "WebSocket") -> None:
        try:
            wanted = wanted_from(websocket.query_params.multi_items())
        except ValueError as error:
            await websocket.send_denial_response(refusal(400, str(error)))
            return
        if fanout.full:
            await websocket.send_denial_response(refusal(503, "there are too many clients"))
            return
        await websocket.accept()
        await _carry(websocket, found_lines(fanout, wanted))

    async def guarded(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] in ("http", "websocket"):
            headers = {
                name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
            }
            query = QueryParams(scope["query_string"])
            refused = access.refuse(
                host=headers.get("host"),
                origin=headers.get("origin"),
                authorization=headers.get("authorization"),
                token=query.get("token"),
            )
            if refused is not None and scope["type"] == "http":
                await refusal(refused.status, refused.text)(scope, receive, send)
                return
            if refused is not None:
                response = refusal(refused.status, refused.text)
                await WebSocket(scope, receive, send).send_denial_response(response)
                return
        await inner(scope, receive, send)

    inner = Starlette(
        routes=[Route("/", usage), Route("/lines", lines), WebSocketRoute("/", messages)]
    )
    return guarded


async def _carry(websocket: "WebSocket", found: AsyncGenerator[str]) -> None:
    """Send what comes until either side has enough."""

    async def send() -> None:
        async with contextlib.aclosing(found):
            async for line in found:
                await websocket.send_text(line)
        await websocket.close(1001)

    async def listen() -> None:
        while (await websocket.receive())["type"] != "websocket.disconnect":
            pass

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
