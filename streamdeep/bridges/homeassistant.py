"""How Home Assistant learns of a stream: one discovery document per device, after its MQTT integration.

Pure: names in, topics and JSON objects out. A device is one stream, or the bridge itself. Everything of a
stream is unavailable while the stream or the bridge is away. Not here: what is published under the topics
that the documents name (:mod:`streamdeep.bridges.publications`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from streamdeep import __version__
from streamdeep.bridges.identifier import identifier
from streamdeep.wire.kinds import ModelMessage

EVENTS: Final = ("start", "stop", "gap", "overflow", "overload", "gain", "reset", "model_change")
EXPIRE_S: Final = 300
"""A label that was not confirmed for so long is no longer shown, at the least."""

_ORIGIN: Final = {"name": "streamdeep", "sw_version": __version__}
_EVENT_TEMPLATE: Final = (
    "{{ dict(value_json, event_type=value_json.event if value_json.event in ["
    + ", ".join(f"'{event}'" for event in EVENTS)
    + "] else 'other') | tojson }}"
)


@dataclass(frozen=True, slots=True)
class Discovery:
    """Where discovery documents go, and where the topics are that they speak of.

    Attributes:
        prefix: of all topics of this bridge.
        discovery_prefix: Home Assistant's; ``homeassistant`` unless changed there.
        expire_s: after how many seconds without a new one a label is no longer shown.
    """

    prefix: str
    discovery_prefix: str = "homeassistant"
    expire_s: int = EXPIRE_S

    def topic(self, *stream: str) -> str:
        """Where the document of a stream is retained; without a name, that of the bridge."""
        return f"{self.discovery_prefix}/device/{identifier(self.prefix, *stream)}/config"

    def bridge(self) -> dict[str, Any]:
        """The document of the bridge itself."""
        parts = {
            "connected": {
                "platform": "binary_sensor",
                "name": "Connected",
                "device_class": "connectivity",
                "entity_category": "diagnostic",
                "state_topic": f"{self.prefix}/bridge/state",
                "payload_on": "online",
                "payload_off": "offline",
            },
            "given_up": self._count(
                "Messages given up", f"{self.prefix}/bridge/status", "given_up", "messages"
            ),
            "lost_messages": self._count(
                "Messages lost", f"{self.prefix}/bridge/status", "lost_messages", "messages"
            ),
        }
        for name in ("given_up", "lost_messages"):
            parts[name]["availability"] = [{"topic": f"{self.prefix}/bridge/state"}]
        return {
            "device": {
                "identifiers": [identifier(self.prefix)],
                "name": f"{self.prefix} bridge",
                "manufacturer": "streamdeep",
                "model": "MQTT bridge",
                "sw_version": __version__,
            },
            "origin": _ORIGIN,
            "components": self._identified(parts),
        }

    def stream(
        self, name: str, *, model: ModelMessage | None, heads: Iterable[str]
    ) -> dict[str, Any]:
        """The document of one stream.

        Args:
            name: the stream's.
            model: what the engine said of its model, if it did.
            heads: names of the classifiers that label the stream.
        """
        bridge = {"topic": f"{self.prefix}/bridge/state"}
        mine = f"{self.prefix}/{name}"
        device: dict[str, Any] = {
            "identifiers": [identifier(self.prefix, name)],
            "name": name,
            "manufacturer": "streamdeep",
            "via_device": identifier(self.prefix),
        }
        if model is not None:
            device |= {"model": model.name[:64], "sw_version": model.version[:64]}
        parts = self._parts(mine)
        # What tells that the stream is away must not itself be unavailable then.
        parts["connected"]["availability"] = [bridge]
        for head in sorted(heads):
            parts[f"label_{identifier(head)}"] = self._label(mine, head)
        return {
            "device": device,
            "origin": _ORIGIN,
            "availability": [bridge, {"topic": f"{mine}/availability"}],
            "availability_mode": "all",
            "components": self._identified(parts, name),
        }

    def _parts(self, mine: str) -> dict[str, dict[str, Any]]:
        status = f"{mine}/status"
        return {
            "connected": {
                "platform": "binary_sensor",
                "name": "Connected",
                "device_class": "connectivity",
                "entity_category": "diagnostic",
                "state_topic": f"{mine}/availability",
                "payload_on": "online",
                "payload_off": "offline",
            },
            "problem": {
                "platform": "binary_sensor",
                "name": "Problem",
                "device_class": "problem",
                "state_topic": status,
                "value_template": "{{ 'ON' if value_json.problems else 'OFF' }}",
                "json_attributes_topic": status,
                "json_attributes_template": "{{ {'problems': value_json.problems} | tojson }}",
            },
            "level": {
                "platform": "sensor",
                "name": "Level",
                "state_topic": status,
                "value_template": "{{ value_json.level_dbfs }}",
                "unit_of_measurement": "dBFS",
                "state_class": "measurement",
                "suggested_display_precision": 1,
                "icon": "mdi:waveform",
            },
            "latency": {
                "platform": "sensor",
                "name": "Latency",
                "device_class": "duration",
                "entity_category": "diagnostic",
                "state_topic": status,
                "value_template": "{{ value_json.latency_ms }}",
                "unit_of_measurement": "ms",
                "state_class": "measurement",
                "suggested_display_precision": 1,
            },
            "lost_samples": self._count("Samples lost", status, "lost_samples", "samples"),
            "lost_messages": self._count("Messages lost", status, "lost_messages", "messages"),
            "event": {
                "platform": "event",
                "name": "Event",
                "event_types": [*EVENTS, "other"],
                "entity_category": "diagnostic",
                "state_topic": f"{mine}/event",
                "value_template": _EVENT_TEMPLATE,
            },
        }

    def _label(self, mine: str, head: str) -> dict[str, Any]:
        topic = f"{mine}/label/{head}"
        return {
            "platform": "sensor",
            "name": head,
            "icon": "mdi:ear-hearing",
            "state_topic": topic,
            "value_template": "{{ value_json.label }}",
            "json_attributes_topic": topic,
            "json_attributes_template": "{{ {'confidence': value_json.confidence, "
            "'probabilities': value_json.probabilities, 'novel': value_json.novel, "
            "'novelty_rate': value_json.novelty_rate, 'drifting': value_json.drifting} | tojson }}",
            "expire_after": self.expire_s,
        }

    @staticmethod
    def _count(name: str, topic: str, key: str, unit: str) -> dict[str, Any]:
        return {
            "platform": "sensor",
            "name": name,
            "entity_category": "diagnostic",
            "state_topic": topic,
            "value_template": f"{{{{ value_json.{key} }}}}",
            "unit_of_measurement": unit,
            "state_class": "total_increasing",
        }

    def _identified(
        self, parts: dict[str, dict[str, Any]], *stream: str
    ) -> dict[str, dict[str, Any]]:
        return {
            key: {**part, "unique_id": f"{identifier(self.prefix, *stream)}__{key}"}
            for key, part in parts.items()
        }
