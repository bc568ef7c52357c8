"""The MQTT bridge at work: a subscriber of the wire on one side, a broker on the other.

One thread, the caller's, does everything. Either side may be away: the wire comes back by itself, the broker is
tried again with back-off. Every publication has quality of service 1, and only so many are on the way at a
time, so nothing piles up. Not here: what is published (:mod:`streamdeep.bridges.publications`), what waits
meanwhile (:mod:`streamdeep.bridges.pending`), bytes (:mod:`streamdeep.bridges.mqtt_session`).
"""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from streamdeep import __version__
from streamdeep.bridges.broker import Broker
from streamdeep.bridges.mqtt_session import UNCONFIRMED_MOST, Session
from streamdeep.bridges.pending import Pending, Publication
from streamdeep.bridges.publications import Layout, Publications
from streamdeep.errors import ConfigurationError
from streamdeep.wire.subscriber import Subscriber

BACK_OFF_S: Final = (1.0, 30.0)
STEADY_S: Final = 10.0
"""After a connection that lasted so long the next is tried soon."""
_LEAVING_S: Final = 2.0

Note = Callable[[str, str], None]
"""Called with what happened, in a word and in a sentence."""


class MqttBridge:
    """Carries the wire to a broker until it is stopped.

    Args:
        subscriber: of every kind that is to be published; used from the thread that calls ``run`` only.
        broker: where to publish.
        layout: under which topics, how often.
        note: told what people should know.
        waiting_most: events and embeddings that wait for the broker at a time.
    """

    def __init__(
        self,
        subscriber: Subscriber,
        broker: Broker,
        layout: Layout,
        *,
        note: Note,
        waiting_most: int = 1_000,
    ) -> None:
        self._subscriber = subscriber
        self._broker = broker
        self._layout = layout
        self._note = note
        self._publications = Publications(layout)
        self._pending = Pending(waiting_most)
        self._stopping = threading.Event()
        self._began_s = time.monotonic()
        self._session: Session | None = None
        self._connected_s: float | None = None
        self._ever_connected = False
        self._away_since_s = self._began_s
        self._given_up_before = 0
        self._retry_s = BACK_OFF_S[0]
        self._next_attempt_s = 0.0
        self._next_tick_s = 0.0
        self._next_status_s = 0.0
        self._failure = ""

    def stop(self) -> None:
        """End soon; from any thread or signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Carry messages until stopped.

        Raises:
            MissingDependencyError: paho is not installed.
            ConfigurationError: the broker refused the very first login.
        """
        try:
            while not self._stopping.is_set():
                now_s = time.monotonic()
                if self._session is None and now_s >= self._next_attempt_s:
                    self._session = self._open()
                if now_s >= self._next_tick_s:
                    self._next_tick_s = now_s + 1.0
                    self._tick(now_s)
                self._work()
                # Confirmations are looked for more often while something waits for them.
                busy = self._connected_s is not None and len(self._pending) > 0
                message = self._subscriber.receive(0.005 if busy else 0.1)
                if message is not None:
                    self._put(self._publications.take(message, time.monotonic_ns()))
        finally:
            self._leave()

    def ledger(self) -> dict[str, int]:
        """Where all publications are: ``taken`` is the sum of the others."""
        pending = self._pending
        return {
            "taken": pending.taken,
            "confirmed": pending.confirmed,
            "superseded": pending.superseded,
            "given_up": pending.given_up,
            "waiting": len(pending),
            "unconfirmed": pending.unconfirmed,
        }

    def _open(self) -> Session:
        client_id = _client_id(self._layout.prefix)
        return Session(self._broker, client_id=client_id, will=_offline(self._layout))

    def _tick(self, now_s: float) -> None:
        statistics = self._subscriber.statistics()
        self._put(self._publications.tick(time.monotonic_ns(), statistics))
        if now_s >= self._next_status_s:
            self._next_status_s = now_s + self._layout.every_s
            self._put(self._publications.bridge(self._status(statistics.lost, statistics.bad)))

    def _status(self, lost: int, bad: Mapping[str, int]) -> dict[str, Any]:
        pending = self._pending
        return {
            "version": __version__,
            "uptime_s": round(time.monotonic() - self._began_s, 1),
            "streams": len(self._publications.streams),
            "streams_online": sum(stream.online for stream in self._publications.streams),
            "lost_messages": lost,
            "bad_messages": sum(bad.values()),
            "ignored_messages": self._publications.streams.ignored,
            "confirmed": pending.confirmed,
            "superseded": pending.superseded,
            "given_up": pending.given_up,
        }

    def _put(self, publications: list[Publication]) -> None:
        for publication in publications:
            self._pending.put(publication)

    def _work(self) -> None:
        """Hear what the broker says, then send what there is room for."""
        session = self._session
        while session is not None and (event := session.event()) is not None:
            match event.what:
                case "connected":
                    self._connected(session)
                case "confirmed":
                    self._pending.confirm(event.number)
                case "heard" if event.retained:
                    self._put(self._publications.found(event.text, event.payload))
                case "refused":
                    self._failure = f"it refused the login ({event.text})"
                    if not self._ever_connected:
                        raise ConfigurationError(
                            f"{self._broker}: {self._failure}; see --broker and --password-file"
                        )
                case "ended":
                    self._ended(self._failure or event.text)
                    session = None
        if session is not None and self._connected_s is not None:
            self._send(session)

    def _send(self, session: Session) -> None:
        while self._pending.unconfirmed < UNCONFIRMED_MOST:
            publication = self._pending.next()
            if publication is None:
                return
            self._pending.sent(session.publish(publication), publication)

    def _connected(self, session: Session) -> None:
        self._connected_s = time.monotonic()
        self._failure = ""
        self._pending.connected()
        # Streams that ended while nobody listened are still online there.
        session.subscribe(f"{self._layout.prefix}/+/availability")
        lost = self._pending.given_up - self._given_up_before
        self._given_up_before = self._pending.given_up
        again = (
            f" after {self._connected_s - self._away_since_s:.0f} s" if self._ever_connected else ""
        )
        gave_up = f"; {lost} events and embeddings were given up meanwhile" if lost else ""
        self._note("connected", f"connected to {self._broker}{again}{gave_up}")
        self._ever_connected = True

    def _ended(self, why: str) -> None:
        now_s = time.monotonic()
        if self._connected_s is not None:
            if now_s - self._connected_s >= STEADY_S:
                self._retry_s = BACK_OFF_S[0]
            self._away_since_s = now_s
        self._pending.disconnected()
        self._note(
            "disconnected",
            f"no connection to {self._broker}: {why}; next try in {self._retry_s:.0f} s",
        )
        self._session, self._connected_s = None, None
        self._next_attempt_s = now_s + self._retry_s
        self._retry_s = min(2 * self._retry_s, BACK_OFF_S[1])

    def _leave(self) -> None:
        session = self._session
        if session is None or self._connected_s is None:
            return
        self._put([_offline(self._layout)])
        deadline_s = time.monotonic() + _LEAVING_S
        while len(self._pending) + self._pending.unconfirmed and time.monotonic() < deadline_s:
            self._send(session)
            event = session.event(0.05)
            if event is not None and event.what == "confirmed":
                self._pending.confirm(event.number)
            elif event is not None and event.what == "ended":
                return
        session.close()


def _offline(layout: Layout) -> Publication:
    return Publication(f"{layout.prefix}/bridge/state", b"offline", state=True)


def _client_id(prefix: str) -> str:
    # One bridge per prefix: the second takes the first one's place. 23 characters, which every broker takes.
    return f"streamdeep-{hashlib.sha256(prefix.encode()).hexdigest()[:12]}"
