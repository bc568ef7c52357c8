"""A mosquitto that can be killed and started again, and somebody who hears what the bridge publishes."""

import getpass
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho

from bench.endurance.programs import wait_until
from bench.endurance.sounds import free_port

MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")


class Broker:
    """One broker on one port; it forgets everything when it is killed.

    Attributes:
        heard: embeddings that came over MQTT, by stream: their sequence numbers.
        twice: embeddings that came once more.
        away_s: from when to when nobody could hear it, by the monotonic clock.
    """

    def __init__(self, folder: Path) -> None:
        if MOSQUITTO is None:
            raise FileNotFoundError("needs the Debian package mosquitto")
        self.port = free_port()
        self._path, self._folder = folder / "mosquitto.conf", folder
        settings = (
            f"user {getpass.getuser()}",
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
        )
        self._path.write_text("\n".join(settings) + "\n")
        self.heard: dict[str, set[int]] = {}
        self.twice = 0
        self.away_s: list[tuple[float, float]] = []
        self._killed_s = 0.0
        self.start()

    def start(self) -> None:
        """Start it; when this returns we listen."""
        assert MOSQUITTO is not None
        with (self._folder / "mosquitto.stderr").open("ab") as log:
            self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._path)], stderr=log)
        wait_until(self._listen, 20, "mosquitto's start")
        if self._killed_s:
            self.away_s.append((self._killed_s, time.monotonic()))

    def kill(self) -> None:
        """End it without a word."""
        self._killed_s = time.monotonic()
        self._process.kill()
        self._process.wait()
        self._client.loop_stop()

    def close(self) -> None:
        """End it, if it runs."""
        self._client.disconnect()
        self._client.loop_stop()
        self._process.terminate()
        self._process.wait()

    def _listen(self) -> bool:
        ready: list[object] = []
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        client.on_message = self._take
        client.on_subscribe = lambda *_: ready.append(True)
        try:
            client.connect("127.0.0.1", self.port)
        except OSError:
            return False
        client.loop_start()
        client.subscribe("streamdeep/+/embedding", qos=1)
        wait_until(lambda: ready, 10, "mosquitto's answer")
        self._client = client
        return True

    def _take(self, _client: Any, _data: Any, message: Any) -> None:
        found = json.loads(message.payload)
        sequences = self.heard.setdefault(found["stream"], set())
        self.twice += found["sequence"] in sequences
        sequences.add(found["sequence"])
