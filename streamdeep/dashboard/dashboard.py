"""Subscriber, scene and server at work: the caller's thread hears, the server's thread tells.

What a browser asks for is done in the caller's thread, between two messages. Not here: what is shown
(:mod:`streamdeep.dashboard.scene`), how it is served (:mod:`streamdeep.dashboard.server`).
"""

import contextlib
import queue
import socket
import threading
import time
from typing import Final

from streamdeep.bridges.access import Access
from streamdeep.bridges.serving import Serving, require_server
from streamdeep.dashboard.audience import Audience
from streamdeep.dashboard.desk import Desk
from streamdeep.dashboard.packets import Packet
from streamdeep.dashboard.scene import Scene
from streamdeep.dashboard.server import application
from streamdeep.wire.kinds import Message
from streamdeep.wire.subscriber import Subscriber

KINDS: Final = ("embedding", "event", "status", "model", "label", "frames")
_BOARD_S: Final = 1.0
_LOOK_S: Final = 0.1
_ORDERS_MOST: Final = 64


class Dashboard:
    """Serves a page to browsers until it is stopped.

    Args:
        subscriber: of :data:`KINDS`; used from the thread that calls ``run`` only.
        listener: a listening socket.
        access: who may look.
        scene: what is shown.
        desk: where browsers may teach; None: they may only look.

    Raises:
        MissingDependencyError: starlette, uvicorn or websockets is not installed.
    """

    def __init__(
        self,
        subscriber: Subscriber,
        listener: socket.socket,
        access: Access,
        scene: Scene,
        desk: Desk | None = None,
    ) -> None:
        require_server()
        self._subscriber = subscriber
        self._scene = scene
        self._desk = desk
        self._orders: queue.Queue[tuple[str, int]] = queue.Queue(_ORDERS_MOST)
        self._stopping = threading.Event()
        self._audience = Audience()
        app = application(self._audience, access, self._note_order)
        self._serving: Serving[list[Packet]] = Serving(app, listener, self._deliver)

    def stop(self) -> None:
        """End soon; from any thread or signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Serve until stopped; once only."""
        self._serving.start()
        try:
            self._serving.hand_over([self._scene.introduction()])
            next_board_s = 0.0
            while not self._stopping.is_set() and self._serving.running:
                message = self._subscriber.receive(_LOOK_S)
                now_ns = time.monotonic_ns()
                packets = [] if message is None else self._scene.push(message, now_ns=now_ns)
                if self._desk is not None:
                    packets += self._teach(self._desk, message, now_ns)
                if now_ns / 1e9 >= next_board_s:
                    next_board_s = now_ns / 1e9 + _BOARD_S
                    packets += self._scene.tick(now_ns)
                    found = self._subscriber.statistics()
                    packets.append(
                        self._scene.board(found.topics, found.connections, now_ns=now_ns)
                    )
                if packets:
                    self._serving.hand_over(packets)
        finally:
            self._serving.close(self._audience.close)
            if self._desk is not None:
                self._desk.close()

    def _note_order(self, order: str) -> None:
        """In the server's thread; who asks for more than can be done is not heard."""
        if self._desk is not None:
            with contextlib.suppress(queue.Full):
                self._orders.put_nowait((order, time.monotonic_ns()))

    def _teach(self, desk: Desk, message: Message | None, now_ns: int) -> list[Packet]:
        if message is not None:
            desk.push(message, now_ns=now_ns)
        while not self._orders.empty():
            order, came_ns = self._orders.get_nowait()
            desk.obey(order, now_ns=came_ns)
        packets = desk.step(now_ns)
        if desk.head is not None and desk.head is not self._scene.head and packets:
            packets += self._scene.change_head(desk.head, now_ns=now_ns)
        return packets

    def _deliver(self, batches: list[list[Packet]], missed: int) -> None:
        self._audience.take([packet for batch in batches for packet in batch], missed)
