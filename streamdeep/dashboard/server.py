"""The page, its files, and what it is sent, over HTTP and WebSocket; the only module here that knows starlette.

Nothing is loaded from elsewhere, and no script is in the page itself: the browser is told to refuse both. Where a
token is asked for, the first request brings it in the address, and a cookie that no script can read keeps it. Not
here: who may connect (:mod:`streamdeep.bridges.access`), what is sent (:mod:`streamdeep.dashboard.audience`).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from streamdeep.bridges.access import Access
from streamdeep.bridges.serving import carry, guarded
from streamdeep.dashboard.audience import Audience
from streamdeep.dashboard.pages import ENTRY, read_pages

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp
    from starlette.websockets import WebSocket

TOKEN_COOKIE: Final = "streamdeep-token"  # noqa: S105 - its name, not a token
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {sockets}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def application(audience: Audience, access: Access, heard: Callable[[str], None]) -> "ASGIApp":
    """What is served.

    Args:
        audience: where browsers join.
        access: who may.
        heard: called, in the server's thread, with each text that a browser sends.
    """
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route, WebSocketRoute

    files = read_pages()

    def headers(host: str) -> dict[str, str]:
        # Older browsers do not take 'self' for WebSockets. The guard has checked the host.
        policy = _POLICY.format(sockets=f"ws://{host} wss://{host}")
        return _HEADERS | {"Content-Security-Policy": policy}

    def refusal(status: int, text: str) -> "Response":
        return PlainTextResponse(f"{text}\n", status, headers=headers("localhost"))

    async def page(request: "Request") -> "Response":
        file = files[ENTRY]
        answer = Response(
            file.content, media_type=file.media_type, headers=headers(request.headers["host"])
        )
        token = request.query_params.get("token")
        if token is not None:
            answer.set_cookie(TOKEN_COOKIE, token, httponly=True, samesite="strict")
        return answer

    async def page_file(request: "Request") -> "Response":
        file = files.get(request.path_params["name"])
        if file is None:
            return refusal(404, "there is no such file")
        return Response(
            file.content, media_type=file.media_type, headers=headers(request.headers["host"])
        )

    async def live(websocket: "WebSocket") -> None:
        if audience.full:
            await websocket.send_denial_response(refusal(503, "there are too many browsers"))
            return
        await websocket.accept()
        await carry(websocket, audience.watch(), heard)

    inner = Starlette(
        routes=[
            Route("/", page),
            Route("/page/{name}", page_file),
            WebSocketRoute("/live", live),
        ]
    )
    return guarded(inner, access, refusal, cookie=TOKEN_COOKIE)
