"""One connection to an MQTT broker; the only module that knows paho.

paho's own thread moves bytes and puts what happened into a queue, from which the bridge's thread takes it. A
session is never used again once it ended: what paho had queued ends with it, and the bridge knows what was not
confirmed. Not here: when to try again, and what to send (:mod:`streamdeep.bridges.mqtt_bridge`).
"""

import ssl
import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any, Final

from streamdeep.bridges.broker import Broker
from streamdeep.bridges.pending import Publication
from streamdeep.errors import ConfigurationError, MissingDependencyError

UNCONFIRMED_MOST: Final = 128
"""Publications that may be on the way at a time."""
_QOS: Final = 1
_KEEPALIVE_S: Final = 15
_CONNECT_S: Final = 10.0
_CLOSING_S: Final = 2.0


def _paho() -> ModuleType:
    try:
        import paho.mqtt.client as client
    except ImportError as error:
        raise MissingDependencyError(
            "the package paho-mqtt is not installed; do: pip install 'streamdeep[network]'"
        ) from error
    return client


@dataclass(frozen=True, slots=True)
class Event:
    """What happened.

    Attributes:
        what: ``connected``, ``refused`` (the login), ``confirmed`` (a publication), ``heard`` (a message under
            a topic that was subscribed to) or ``ended``, always the last.
        number: of the publication that is confirmed.
        text: the topic heard, or why it was refused or ended.
        payload: heard.
        retained: the broker had kept what was heard.
    """

    what: str
    number: int = 0
    text: str = ""
    payload: bytes = b""
    retained: bool = False


class Session:
    """One connection to a broker, from the attempt to its end; never used again.

    Args:
        broker: where.
        client_id: a second client with the same one takes the first one's place.
        will: what the broker publishes should we vanish.

    Raises:
        MissingDependencyError: paho is not installed.
        ConfigurationError: the certificates cannot be used.
    """

    def __init__(self, broker: Broker, *, client_id: str, will: Publication | None = None) -> None:
        paho = _paho()
        self._broker = broker
        self._client: Any = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=True,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
        )
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._client.connect_timeout = _CONNECT_S
        self._client.max_inflight_messages_set(UNCONFIRMED_MOST)
        self._client.max_queued_messages_set(2 * UNCONFIRMED_MOST)
        if broker.user is not None:
            self._client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            try:
                context = ssl.create_default_context(cafile=broker.ca)
            except OSError as error:
                raise ConfigurationError(f"--ca {broker.ca}: {error}") from error
            self._client.tls_set_context(context)
        if will is not None:
            self._client.will_set(will.topic, will.payload, qos=_QOS, retain=will.state)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        threading.Thread(target=self._connect, name="broker", daemon=True).start()

    def event(self, timeout_s: float = 0.0) -> Event | None:
        """What happened next, if anything did in time."""
        try:
            return self._events.get(timeout=timeout_s) if timeout_s else self._events.get_nowait()
        except Empty:
            return None

    def publish(self, publication: Publication) -> int:
        """Send; the number under which it will be confirmed."""
        done = self._client.publish(
            publication.topic, publication.payload, qos=_QOS, retain=publication.state
        )
        return int(done.mid)

    def subscribe(self, pattern: str) -> None:
        """Have what is and was published under a pattern told as events ``heard``."""
        self._client.subscribe(pattern, qos=_QOS)

    def close(self) -> None:
        """Leave in good order, without the will, if the broker takes it within two seconds."""
        self._client.disconnect()
        deadline_s = time.monotonic() + _CLOSING_S
        while (left_s := deadline_s - time.monotonic()) > 0:
            event = self.event(left_s)
            if event is not None and event.what == "ended":
                return

    def _connect(self) -> None:
        try:
            self._client.connect(self._broker.host, self._broker.port, keepalive=_KEEPALIVE_S)
        except (OSError, ValueError) as error:
            self._events.put(Event("ended", text=str(error)))
            return
        self._client.loop_start()

    def _on_connect(self, *arguments: Any) -> None:
        reason = arguments[3]
        if reason.is_failure:
            self._events.put(Event("refused", text=str(reason)))
        else:
            self._events.put(Event("connected"))

    def _on_disconnect(self, *arguments: Any) -> None:
        self._events.put(Event("ended", text=str(arguments[3])))

    def _on_publish(self, _client: Any, _userdata: Any, number: int, *_: Any) -> None:
        self._events.put(Event("confirmed", number))

    def _on_message(self, _client: Any, _userdata: Any, message: Any) -> None:
        payload = bytes(message.payload)
        self._events.put(
            Event("heard", text=message.topic, payload=payload, retained=message.retain)
        )
