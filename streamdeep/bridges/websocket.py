"""The WebSocket bridge at work.

The caller's thread reads the wire and hands messages over to the server's thread. Each client has a mailbox of its
own, so a slow one costs nobody else. What clients send is read and ignored. Not here: the server
(:mod:`streamdeep.bridges.serving`), who may connect (:mod:`streamdeep.bridges.access`), what they get
(:mod:`streamdeep.bridges.fanout`).
"""

import socket
import threading
from typing import TYPE_CHECKING, Final

from streamdeep.bridges.access import Access
from streamdeep.bridges.fanout import Fanout
from streamdeep.bridges.reading import ended_lines
from streamdeep.bridges.reading import lines as found_lines
from streamdeep.bridges.request import wanted_from
from streamdeep.bridges.serving import Serving, carry, guarded, require_server
from streamdeep.wire.kinds import Message
from streamdeep.wire.subscriber import Subscriber

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp
    from starlette.websockets import WebSocket

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
        require_server()
        self._subscriber = subscriber
        self._stopping = threading.Event()
        self._fanout = Fanout()
        self._serving = Serving(_application(self._fanout, access), listener, self._deliver)

    def stop(self) -> None:
        """End soon; from any thread or signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Serve until stopped; once only."""
        self._serving.start()
        try:
            while not self._stopping.is_set() and self._serving.running:
                message = self._subscriber.receive(0.1)
                if message is not None:
                    self._serving.hand_over(message)
        finally:
            self._serving.close(self._fanout.close)

    def _deliver(self, messages: list[Message], missed: int) -> None:
        if missed:
            self._fanout.miss(missed)
        for message in messages:
            self._fanout.take(message)


def _application(fanout: Fanout, access: Access) -> "ASGIApp":
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse, StreamingResponse
    from starlette.routing import Route, WebSocketRoute

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
        await carry(websocket, found_lines(fanout, wanted))

    inner = Starlette(
        routes=[Route("/", usage), Route("/lines", lines), WebSocketRoute("/", messages)]
    )
    return guarded(inner, access, refusal)
