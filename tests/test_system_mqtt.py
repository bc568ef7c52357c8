"""The MQTT bridge between a real publisher and a real mosquitto."""

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict

import paho.mqtt.client as paho
import pytest
from bridge_data import Station

pytestmark = pytest.mark.system

MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
ROOM = "homeassistant/device/streamdeep__room/config"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Mosquitto:
    """A broker that can be killed and started again on the same port; it forgets everything then."""

    def __init__(self, folder, *lines):
        self.port = free_port()
        self.folder = folder
        self.path = folder / "mosquitto.conf"
        # Started by root it would become another user, who may not read this folder.
        settings = [f"user {getpass.getuser()}", f"listener {self.port} 127.0.0.1"]
        self.path.write_text("\n".join([*settings, *(lines or ["allow_anonymous true"])]) + "\n")
        self.process = None

    def start(self):
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen([MOSQUITTO, "-c", str(self.path)], stderr=log)
        deadline_s = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < deadline_s, (self.folder / "mosquitto.log").read_text()
                time.sleep(0.02)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Listener:
    """What a subscriber of everything hears: all payloads by topic, and which were retained."""

    def __init__(self, port, *, user=None, password=None):
        self.heard = defaultdict(list)
        self.retained = {}
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        if user:
            self.client.username_pw_set(user, password)
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.client.on_message = self._take
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _take(self, _client, _userdata, message):
        self.heard[message.topic].append(message.payload)
        if message.retain:
            self.retained[message.topic] = message.payload

    def newest(self, topic):
        return self.heard[topic][-1] if self.heard[topic] else None

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def broker(tmp_path):
    if MOSQUITTO is None:
        pytest.skip("needs the Debian package mosquitto")
    mosquitto = Mosquitto(tmp_path)
    mosquitto.start()
    yield mosquitto
    mosquitto.kill()


@pytest.fixture
def start():
    """Start bridges; those that are left are killed."""
    processes = []

    def run(port, *arguments):
        command = [sys.executable, "-m", "streamdeep", "bridge", "mqtt", "--json"]
        target = ["--broker", f"mqtt://127.0.0.1:{port}"]
        process = subprocess.Popen(
            [*command, *target, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def listen():
    listeners = []

    def connect(port, **login):
        listeners.append(Listener(port, **login))
        return listeners[-1]

    yield connect
    for listener in listeners:
        listener.close()


def label_of(payload):
    return None if payload is None else json.loads(payload)["label"]


def test_home_assistant_finds_the_stream_and_labels_arrive(broker, start, listen):
    listener = listen(broker.port)
    with Station() as station:
        start(broker.port, *station.addresses, "--every-s", 0)
        station.until(station.listened_to, "the bridge's start")
        station.event("start")
        station.embedding()
        for label in ("Rain", "Dog"):
            station.label(label)
            station.until(
                lambda label=label: (
                    label_of(listener.newest("streamdeep/room/label/scene")) == label
                ),
                f"the label {label}",
            )
        station.until(lambda: listener.newest("streamdeep/room/event"), "the event")
        station.until(
            lambda: json.loads(listener.newest("streamdeep/room/status") or "{}").get("level_dbfs"),
            "a status with a level",
        )
        # Who comes later finds the documents, the states, and no event.
        late = listen(broker.port)
        station.until(lambda: "streamdeep/room/status" in late.retained, "what is retained")
        station.until(
            lambda: "label_scene" in json.loads(late.retained[ROOM])["components"], "head"
        )
    assert late.retained["streamdeep/bridge/state"] == b"online"
    assert late.retained["streamdeep/room/availability"] == b"online"
    assert label_of(late.retained["streamdeep/room/label/scene"]) == "Dog"
    assert "streamdeep/room/event" not in late.retained
    assert "streamdeep/room/embedding" not in listener.heard
    document = json.loads(late.retained[ROOM])
    for part in document["components"].values():
        assert part["state_topic"] in {*listener.heard, "streamdeep/room/event"}
    assert "homeassistant/device/streamdeep/config" in late.retained


def test_a_broker_that_restarts_has_everything_again_and_events_wait_for_it(broker, start, listen):
    with Station() as station:
        bridge = start(broker.port, *station.addresses, "--every-s", 0)
        station.until(station.listened_to, "the bridge's start")
        first = listen(broker.port)
        station.until(lambda: first.newest("streamdeep/room/status"), "a status")
        broker.kill()
        station.event("gap", n_samples=160)
        station.label("Thunder")
        assert json.loads(bridge.stdout.readline())["event"] == "connected"
        assert json.loads(bridge.stdout.readline())["event"] == "disconnected"
        broker.start()
        second = listen(broker.port)
        station.until(lambda: second.newest("streamdeep/room/event"), "the event that waited", 40)
        station.until(lambda: second.newest(ROOM), "discovery")
        station.until(
            lambda: label_of(second.newest("streamdeep/room/label/scene")) == "Thunder", "the label"
        )
        station.until(lambda: second.newest("streamdeep/bridge/state") == b"online", "the state")
    assert [json.loads(event)["event"] for event in second.heard["streamdeep/room/event"]] == [
        "gap"
    ]


def test_a_bridge_that_is_killed_is_offline_by_its_will(broker, start, listen):
    listener = listen(broker.port)
    with Station() as station:
        bridge = start(broker.port, *station.addresses)
        station.until(
            lambda: listener.newest("streamdeep/room/availability") == b"online", "online"
        )
        bridge.kill()
        station.until(lambda: listener.newest("streamdeep/bridge/state") == b"offline", "the will")


def test_a_bridge_that_is_told_to_stop_says_goodbye(broker, start, listen):
    listener = listen(broker.port)
    with Station() as station:
        bridge = start(broker.port, *station.addresses)
        station.until(
            lambda: listener.newest("streamdeep/room/availability") == b"online", "online"
        )
        bridge.send_signal(signal.SIGTERM)
        station.until(lambda: listener.newest("streamdeep/bridge/state") == b"offline", "goodbye")
        assert bridge.wait(timeout=10) == 0
    assert bridge.stderr.read() == ""


def test_a_stream_that_stops_is_unavailable_and_one_that_vanished_unseen_as_well(
    broker, start, listen
):
    listener = listen(broker.port)
    availability = "streamdeep/room/availability"
    with Station() as station:
        bridge = start(broker.port, *station.addresses)
        station.until(lambda: listener.newest(availability) == b"online", "online")
        station.event("stop")
        station.until(lambda: listener.newest(availability) == b"offline", "offline at the stop")
        station.event("start")
        station.until(lambda: listener.newest(availability) == b"online", "online again")
        bridge.kill()
        bridge.wait()
    # The engine is gone as well, while nobody looked: the broker still says online.
    with Station("yard") as other:
        start(broker.port, *other.addresses)
        other.until(lambda: listener.newest(availability) == b"offline", "the correction")
        other.until(lambda: listener.newest("streamdeep/yard/availability") == b"online", "yard")


def test_what_is_retained_of_a_stream_can_be_taken_back(broker, start, listen):
    with Station() as station, Station("yard") as other:
        listener = listen(broker.port)
        bridge = start(broker.port, *station.addresses, *other.addresses)
        station.until(station.listened_to, "the bridge's start")
        station.label("Rain")
        for name in ("room", "yard"):
            topic = f"streamdeep/{name}/status"
            station.until(lambda topic=topic: other.service() or listener.newest(topic), topic)
        station.until(lambda: listener.newest("streamdeep/room/label/scene"), "a label")
        bridge.kill()
        bridge.wait()
    removal = start(broker.port, "--remove", "room")
    out, err = removal.communicate(timeout=20)
    assert removal.returncode == 0, err
    assert json.loads(out)["topics"] == 4  # discovery, availability, status, label
    late = listen(broker.port)
    with Station("end") as station:
        station.until(lambda: "streamdeep/yard/status" in late.retained, "what is retained")
    assert [topic for topic in late.retained if "room" in topic] == []


@pytest.mark.parametrize(("form", "size"), [("raw", 12), ("json", None)])
def test_embeddings_are_published_if_asked_for(broker, start, listen, form, size):
    listener = listen(broker.port)
    with Station() as station:
        start(broker.port, *station.addresses, "--embeddings", form)
        station.until(station.listened_to, "the bridge's start")
        station.embedding((0.5, -1.0, 3.0))
        payload = station.until(lambda: listener.newest("streamdeep/room/embedding"), "embedding")
    if size:
        assert payload == b"\x00\x00\x00\x3f\x00\x00\x80\xbf\x00\x00\x40\x40"
    else:
        assert json.loads(payload)["vector_base64"] == "AAAAPwAAgL8AAEBA"


def test_a_login_is_needed_and_a_wrong_one_ends_with_a_line(tmp_path, start, listen):
    if MOSQUITTO is None or shutil.which("mosquitto_passwd") is None:
        pytest.skip("needs the Debian package mosquitto")
    passwords = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", passwords, "house", "right"],
        check=True,
        capture_output=True,
    )
    broker = Mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}")
    broker.start()
    try:
        secret = tmp_path / "secret"
        secret.touch(mode=0o600)
        target = ["--broker", f"mqtt://house@127.0.0.1:{broker.port}", "--password-file", secret]
        with Station() as station:
            secret.write_text("wrong\n")
            refused = start(broker.port, *station.addresses, *target)
            _, err = refused.communicate(timeout=20)
            assert refused.returncode == 78
            assert "refused the login" in err
            assert "Traceback" not in err
            secret.write_text("right\n")
            start(broker.port, *station.addresses, *target)
            listener = listen(broker.port, user="house", password="right")
            station.until(lambda: listener.newest(ROOM), "discovery")
    finally:
        broker.kill()


def test_tls_is_checked_against_the_given_certificates(tmp_path, start):
    if MOSQUITTO is None or shutil.which("openssl") is None:
        pytest.skip("needs the Debian packages mosquitto, openssl")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate,
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    broker = Mosquitto(
        tmp_path, "allow_anonymous true", f"certfile {certificate}", f"keyfile {key}"
    )
    broker.start()
    try:
        with Station() as station:
            target = ["--broker", f"mqtts://localhost:{broker.port}"]
            trusting = start(broker.port, *station.addresses, *target, "--ca", certificate)
            assert json.loads(trusting.stdout.readline())["event"] == "connected"
            doubting = start(broker.port, *station.addresses, *target)
            said = json.loads(doubting.stdout.readline())
            assert said["event"] == "disconnected"
            assert "certificate verify failed" in said["message"]
    finally:
        broker.kill()
