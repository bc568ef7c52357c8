"""Takes back what an MQTT broker retains of streams that will not come again.

Not here: the connection (:mod:`streamdeep.bridges.mqtt_session`).
"""

import secrets
import time
from collections.abc import Sequence

from streamdeep.bridges.broker import Broker
from streamdeep.bridges.homeassistant import Discovery
from streamdeep.bridges.mqtt_session import Session
from streamdeep.bridges.pending import Publication
from streamdeep.bridges.publications import Layout
from streamdeep.errors import ConfigurationError, WireError


def remove(broker: Broker, layout: Layout, names: Sequence[str], *, timeout_s: float = 15.0) -> int:
    """Take back all that a broker retains of some streams; how many topics that were.

    Args:
        broker: where.
        layout: its prefixes.
        names: streams; ``bridge`` stands for the bridge itself as well.
        timeout_s: for the connection and all answers.

    Raises:
        WireError: the broker cannot be reached, or did not answer in time.
        ConfigurationError: it refused the login.
    """
    # A topic of our own, published last: when it comes back, all that is retained has come.
    last = f"{layout.prefix}/bridge/removal/{secrets.token_hex(8)}"
    found: set[str] = set()
    sent: set[int] = set()
    all_found = False
    session = Session(broker, client_id=f"streamdeep-{secrets.token_hex(6)}")
    deadline_s = time.monotonic() + timeout_s
    try:
        while (left_s := deadline_s - time.monotonic()) > 0:
            event = session.event(left_s)
            if event is None:
                break
            match event.what:
                case "connected":
                    for topic in _patterns(layout, names):
                        session.subscribe(topic)
                    session.subscribe(last)
                    session.publish(Publication(last, b"", state=False))
                case "heard" if event.text == last:
                    all_found = True
                    sent = {session.publish(Publication(topic, b"", state=True)) for topic in found}
                case "heard" if event.retained and event.payload:
                    found.add(event.text)
                case "confirmed":
                    sent.discard(event.number)
                case "refused":
                    raise ConfigurationError(f"{broker}: it refused the login ({event.text})")
                case "ended":
                    raise WireError(f"no connection to {broker}: {event.text}")
            if all_found and not sent:
                return len(found)
    finally:
        session.close()
    raise WireError(f"{broker} did not answer within {timeout_s:.0f} s")


def _patterns(layout: Layout, names: Sequence[str]) -> list[str]:
    patterns = [f"{layout.prefix}/{name}/#" for name in names]
    if layout.discovery_prefix:
        discovery = Discovery(layout.prefix, layout.discovery_prefix)
        patterns += [discovery.topic(name) for name in names]
        patterns += [discovery.topic()] if "bridge" in names else []
    return patterns
