"""Answers scrapes: a small HTTP server for one page.

A few at a time, each in a thread of its own, none for longer than ten seconds. Not here: what is on the page
(:mod:`streamdeep.bridges.prometheus`), who may connect (:mod:`streamdeep.bridges.access`).
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from streamdeep.bridges.access import Access

SCRAPES_MOST: Final = 8
_PATIENCE_S: Final = 10.0
_HELP: Final = "Prometheus metrics are under /metrics; docs/bridges.md says what they mean.\n"

Render = Callable[[str, Sequence[str]], tuple[bytes, str]]


class ScrapeServer(ThreadingHTTPServer):
    """Answers a few requests at a time, each within ten seconds; more are turned away.

    Args:
        listener: a listening socket; it is closed with the server.
        access: who may connect.
        render: what ``/metrics`` is, from ``Accept`` and the names wanted: content and its type.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, access: Access, render: Render) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.access = access
        self.render = render
        self._free = threading.BoundedSemaphore(SCRAPES_MOST)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, or turn away."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, in the thread."""
        # However slowly a client sends, it does not hold its place for longer.
        end = threading.Timer(_PATIENCE_S, lambda: _shut(request))
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    """One connection; it is closed after its answer."""

    server: ScrapeServer
    timeout = _PATIENCE_S
    server_version = "streamdeep"
    sys_version = ""

    def do_GET(self) -> None:
        refused = self.server.access.refuse(
            host=self.headers.get("Host"),
            origin=self.headers.get("Origin"),
            authorization=self.headers.get("Authorization"),
        )
        if refused is not None:
            self._answer(refused.status, f"{refused.text}\n".encode())
            return
        target = urlsplit(self.path)
        if target.path == "/metrics":
            names = parse_qs(target.query).get("name[]", [])
            body, content_type = self.server.render(self.headers.get("Accept", ""), names)
            self._answer(200, body, content_type)
        elif target.path == "/":
            self._answer(200, _HELP.encode())
        else:
            self._answer(404, b"there is nothing here; see /metrics\n")

    def _answer(self, status: int, body: bytes, content_type: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are no news."""


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is over already
        connection.shutdown(socket.SHUT_RDWR)
