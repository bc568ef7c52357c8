"""The Prometheus bridge at work: the caller's thread reads the wire, the server's answers.

Not here: numbers (:mod:`streamdeep.bridges.gauges`), the page (:mod:`streamdeep.bridges.prometheus`), the server
(:mod:`streamdeep.bridges.scrapes`).
"""

import socket
import threading
import time

from streamdeep.bridges.access import Access
from streamdeep.bridges.gauges import SERIES_MOST, Gauges
from streamdeep.bridges.prometheus import Exposition
from streamdeep.bridges.scrapes import ScrapeServer
from streamdeep.wire.subscriber import Subscriber


class PrometheusBridge:
    """Serves metrics until it is stopped.

    Args:
        subscriber: of embeddings, events and statuses; used from the thread that calls ``run`` only.
        listener: a listening socket.
        access: who may connect.
        forget_after_s: streams that are offline for so long are left out.
        series_most: time series of streams; streams beyond are ignored and counted.

    Raises:
        MissingDependencyError: prometheus-client is not installed.
    """

    def __init__(
        self,
        subscriber: Subscriber,
        listener: socket.socket,
        access: Access,
        *,
        forget_after_s: float = 3600.0,
        series_most: int = SERIES_MOST,
    ) -> None:
        self._subscriber = subscriber
        self._gauges = Gauges(forget_after_s=forget_after_s, series_most=series_most)
        self._lock = threading.Lock()
        exposition = Exposition(self._gauges, self._lock)
        self._server = ScrapeServer(listener, access, exposition.render)
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End soon; from any thread or signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Serve until stopped."""
        serve = self._server.serve_forever
        thread = threading.Thread(target=serve, args=(0.1,), name="server", daemon=True)
        thread.start()
        next_tick_s = 0.0
        try:
            while not self._stopping.is_set():
                now_s = time.monotonic()
                if now_s >= next_tick_s:
                    next_tick_s = now_s + 1.0
                    statistics = self._subscriber.statistics()
                    with self._lock:
                        self._gauges.tick(time.monotonic_ns(), statistics)
                message = self._subscriber.receive(0.1)
                if message is not None:
                    with self._lock:
                        self._gauges.take(message, time.monotonic_ns())
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()
