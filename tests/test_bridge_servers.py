"""The WebSocket and Prometheus bridges: real publishers, real servers, real clients."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from bridge_data import (
    Station,
    a_label,
    a_model,
    a_status,
    an_embedding,
    an_event,
    counters_of,
)
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from streamdeep.bridges.access import Access, Bind, bind_from
from streamdeep.bridges.fanout import Fanout
from streamdeep.bridges.gauges import REASONS_MOST, SERIES_MOST, Gauges, dropped
from streamdeep.bridges.mailbox import Mailbox
from streamdeep.bridges.prometheus import Exposition
from streamdeep.bridges.prometheus_bridge import PrometheusBridge
from streamdeep.bridges.request import DEFAULT_KINDS, Wanted, wanted_from
from streamdeep.bridges.websocket import WebSocketBridge
from streamdeep.errors import BindError, ConfigurationError
from streamdeep.records import Flag
from streamdeep.wire.subscriber import Subscriber
from streamdeep.wire.tally import SubscriberStatistics
from streamdeep.wire.topics import KINDS
from streamdeep.wire.trouble import ConnectionState

S = 1_000_000_000
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "bridges.md"
BIND = Bind("127.0.0.1", 8080)

# --- who may connect


@pytest.mark.parametrize(
    "host", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST:8080"]
)
def test_this_machine_is_known_by_its_loopback_names(host):
    assert Access(BIND).refuse(host=host) is None


@pytest.mark.parametrize(
    "host", [None, "", "evil.example", "evil.example:8080", "localhost", "127.0.0.1:81"]
)
def test_any_other_name_is_misdirected(host):
    assert Access(BIND).refuse(host=host).status == 421


def test_further_names_are_known_with_and_without_the_port():
    access = Access(BIND, hosts=["House.local", "proxy:443"])
    for host in ("house.local", "house.local:8080", "proxy:443"):
        assert access.refuse(host=host) is None
    assert access.refuse(host="proxy:8080").status == 421


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [(None, True), ("http://127.0.0.1:8080", True), ("https://localhost:8080", True), ("null", False),
     ("http://evil.example", False), ("http://127.0.0.1:9999", False), ("file://127.0.0.1:8080", False),
     ("http://[", False), ("https://house.example", True)],
)  # fmt: skip
def test_only_pages_of_known_origins_may_connect(origin, allowed):
    access = Access(BIND, origins=["https://house.example/"])
    refused = access.refuse(host="localhost:8080", origin=origin)
    assert refused is None if allowed else refused.status == 403


def test_a_token_is_taken_from_the_header_or_the_query():
    access = Access(BIND, token="s3cret")
    host = "localhost:8080"
    assert access.refuse(host=host).status == 401
    assert access.refuse(host=host, authorization="Bearer wrong", token="s3cret").status == 401
    assert access.refuse(host=host, authorization="Basic s3cret").status == 401
    assert access.refuse(host=host, authorization="bearer s3cret") is None
    assert access.refuse(host=host, token="s3cret") is None
    assert access.refuse(host=host, token="ü").status == 401


@pytest.mark.parametrize(
    "text", ["8080", "localhost", ":8080", "*:8080", "house:8080", "127.0.0.1:99999", "[x]:1"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ConfigurationError, match="must be like"):
        bind_from(text, guarded=True, advice="")


def test_a_bind_that_other_machines_reach_must_be_answered_for():
    for text in ("0.0.0.0:80", "[::]:80", "192.0.2.1:80"):
        with pytest.raises(ConfigurationError, match="refusing"):
            bind_from(text, guarded=False, advice="")
        assert str(bind_from(text, guarded=True, advice="")) == text
    assert bind_from("localhost:0", guarded=False, advice="") == Bind("127.0.0.1", 0)


def test_an_address_that_is_taken_is_said():
    listener, bound = Bind("127.0.0.1", 0).open()
    with listener, pytest.raises(BindError, match=f"127.0.0.1:{bound.port}"):
        bound.open()


# --- what is asked for


def test_a_query_names_streams_kinds_and_a_form():
    assert wanted_from([]) == Wanted(frozenset(), frozenset(DEFAULT_KINDS), "base64")
    wanted = wanted_from(
        [("stream", "a,b"), ("stream", "c"), ("kinds", "label"), ("vector", "list")]
    )
    assert wanted == Wanted(frozenset("abc"), frozenset({"label"}), "list")
    assert wanted.takes("label", "a")
    assert not wanted.takes("label", "d")
    assert not wanted.takes("status", "a")


@given(
    st.lists(st.tuples(st.sampled_from(["stream", "kinds", "vector", "x"]), st.text(max_size=8)))
)
def test_any_query_is_understood_or_refused(query):
    try:
        wanted = wanted_from(query)
    except ValueError:
        return
    assert wanted.kinds <= set(KINDS)


# --- what waits


@given(st.lists(st.one_of(st.just("put"), st.just("take"), st.integers(1, 3)), max_size=40))
def test_every_line_is_taken_or_told_to_be_dropped(actions):
    mailbox = Mailbox(most=3)
    n_put = n_taken = n_told = 0

    def take():
        nonlocal n_taken, n_told
        line = mailbox.next()
        if line is not None and line.startswith("{"):
            n_told += json.loads(line)["n_messages"]
        else:
            n_taken += line is not None
        return line

    for action in actions:
        if action == "put":
            mailbox.put(str(n_put))
            n_put += 1
        elif action == "take":
            take()
        else:
            mailbox.miss(action)
            n_put += action
        assert len(mailbox) <= 3
    while take() is not None:
        pass
    assert n_put == n_taken + n_told
    assert n_told == mailbox.dropped


def test_who_joins_is_given_the_last_states_as_repeats():
    fanout = Fanout()
    for message in (
        a_model(),
        a_status(1),
        a_status(2),
        an_event(),
        a_label(),
        a_label(stream="yard"),
    ):
        fanout.take(message)
    client = fanout.join(wanted_from([("stream", "room")]), lambda: None)
    lines = []
    while (line := client.mailbox.next()) is not None:
        lines.append(json.loads(line))
    assert [line["kind"] for line in lines] == ["model", "status", "label"]
    assert all(line["flags"] == ["repeat"] for line in lines)
    assert lines[1]["clock"]["sample"] == 2


def test_a_client_gets_what_it_asked_for_in_the_form_it_asked_for():
    fanout = Fanout()
    listing = fanout.join(wanted_from([("kinds", "embedding"), ("vector", "list")]), lambda: None)
    labels = fanout.join(wanted_from([("kinds", "label")]), lambda: None)
    fanout.take(an_embedding((0.5, 1.0, 2.0)))
    fanout.take(an_embedding(flags=Flag.EARLY))
    assert json.loads(listing.mailbox.next())["vector"] == [0.5, 1.0, 2.0]
    assert listing.mailbox.next() is None
    assert labels.mailbox.next() is None


def test_there_is_room_for_so_many_clients():
    fanout = Fanout(clients_most=1)
    client = fanout.join(Wanted(), lambda: None)
    assert fanout.full
    assert fanout.join(Wanted(), lambda: None) is None
    fanout.leave(client)
    assert fanout.join(Wanted(), lambda: None) is not None


# --- over real sockets


@contextlib.contextmanager
def running(bridge):
    thread = threading.Thread(target=bridge.run)
    thread.start()
    try:
        yield
    finally:
        bridge.stop()
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def station():
    with Station() as found:
        yield found


@pytest.fixture
def served(station, request):
    """A WebSocket bridge that listens to the station: its address."""
    options = getattr(request, "param", {})
    listener, bound = Bind("127.0.0.1", 0).open()
    endpoints = [station.engine.endpoint, station.classifier.endpoint]
    with listener, Subscriber(endpoints, kinds=KINDS) as subscriber:
        bridge = WebSocketBridge(subscriber, listener, Access(bound, **options))
        with running(bridge):
            station.until(station.listened_to, "the bridge's subscription")
            yield str(bound)


def receive(websocket, station, condition):
    """Messages until one that is wanted, which is returned."""

    def one():
        with contextlib.suppress(TimeoutError):
            found = json.loads(websocket.recv(timeout=0.02))
            return found if condition(found) else None
        return None

    return station.until(one, "a message")


def test_a_browser_gets_labels_live_and_the_last_state_at_once(served, station):
    with connect(f"ws://{served}/?stream=room&kinds=label,status,model") as first:
        receive(first, station, lambda line: line["kind"] == "status")
        station.label("Rain", 0.9)
        label = receive(first, station, lambda line: line["kind"] == "label")
        assert (label["label"], label["confidence"], label["flags"]) == ("Rain", 0.9, [])
    with connect(f"ws://{served}/?kinds=label,model") as late:
        found = [json.loads(late.recv(timeout=5)) for _ in range(2)]
    assert {line["kind"] for line in found} == {"label", "model"}
    assert all(line["flags"] == ["repeat"] for line in found)


def test_embeddings_come_if_asked_for(served, station):
    with connect(f"ws://{served}/?kinds=embedding&vector=list") as websocket:
        # The first message of a state shows that we have joined.
        with connect(f"ws://{served}/?kinds=status") as other:
            receive(other, station, lambda line: line["kind"] == "status")
        station.embedding((0.5, -1.0, 0.25))
        line = receive(websocket, station, lambda line: line["kind"] == "embedding")
    assert line["vector"] == [0.5, -1.0, 0.25]
    assert isinstance(line["captured_utc_ns"], str)


def test_a_client_that_does_not_read_costs_the_others_nothing_and_is_told(served, station):
    n_sent = 1500
    long = "x" * 150
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = served.split(":")
    narrow.connect((host, int(port)))
    with (
        connect(f"ws://{served}/?kinds=label", max_queue=1, sock=narrow) as slow,
        connect(f"ws://{served}/?kinds=label") as quick,
    ):
        for websocket in (slow, quick):
            station.label("begin")
            receive(websocket, station, lambda line: line["kind"] == "label")
        seen = dropped_quick = 0
        for number in range(n_sent):
            station.label(f"{number}-{long}")
            # Never far ahead of the quick one, so that nothing is lost on the wire.
            while seen + dropped_quick < number - 20:
                line = json.loads(quick.recv(timeout=10))
                seen += line["kind"] == "label" and line["label"] != "begin"
                dropped_quick += line.get("n_messages", 0)
        station.label("end")
        receive(quick, station, lambda line: line.get("label") == "end")
        told = received = 0
        while True:
            line = json.loads(slow.recv(timeout=10))
            told += line.get("n_messages", 0)
            if line["kind"] == "label":
                if line["label"] == "end":
                    break
                received += line["label"] != "begin"
    assert dropped_quick == 0
    assert told > 0
    assert received + told >= n_sent


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Host": "evil.example"}, 421), ({"Origin": "http://evil.example"}, 403)],
    ids=["rebinding", "origin"],
)
def test_other_names_and_origins_are_refused(served, headers, status):
    for path in ("/", "/lines"):
        with pytest.raises(urllib.error.HTTPError) as failure:
            urllib.request.urlopen(
                urllib.request.Request(f"http://{served}{path}", headers=headers), timeout=5
            )
        failure.value.close()
        assert failure.value.code == status
    if "Origin" in headers:
        with (
            pytest.raises(InvalidStatus) as refused,
            connect(f"ws://{served}/", origin=headers["Origin"]),
        ):
            pass
        assert refused.value.response.status_code == status
    else:
        assert f"HTTP/1.1 {status}" in upgrade(served, host=headers["Host"])


def upgrade(address, *, host):
    """The first line of the answer to a WebSocket's request under a name of our choice."""
    with socket.create_connection(address.split(":"), timeout=5) as connection:
        connection.sendall(
            f"GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        return connection.recv(4096).decode().splitlines()[0]


def test_a_page_of_the_server_itself_may_connect(served):
    with connect(f"ws://{served}/", origin=f"http://{served}"):
        pass


@pytest.mark.parametrize("served", [{"token": "s3cret"}], indirect=True)
def test_without_the_token_there_is_nothing(served, station):
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://{served}/"):
        pass
    assert refused.value.response.status_code == 401
    with connect(f"ws://{served}/?token=s3cret&kinds=status") as websocket:
        receive(websocket, station, lambda line: line["kind"] == "status")
    with connect(f"ws://{served}/", additional_headers={"Authorization": "Bearer s3cret"}):
        pass


def test_a_wrong_query_is_refused_with_a_reason(served):
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://{served}/?kinds=smell"):
        pass
    assert refused.value.response.status_code == 400
    assert b"embedding, early" in refused.value.response.body
    with pytest.raises(urllib.error.HTTPError) as failure:
        urllib.request.urlopen(f"http://{served}/lines?speed=9", timeout=5)
    failure.value.close()
    assert failure.value.code == 400


def test_lines_come_over_plain_http(served, station):
    station.status()
    with urllib.request.urlopen(f"http://{served}/lines?kinds=model", timeout=10) as answer:
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        assert json.loads(answer.readline())["name"] == "scene"


def test_the_front_page_says_how(served):
    with urllib.request.urlopen(f"http://{served}/", timeout=5) as answer:
        text = answer.read().decode()
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
    assert f"ws://{served}/?stream=room" in text


def test_clients_are_told_when_the_server_ends(station):
    listener, bound = Bind("127.0.0.1", 0).open()
    with listener, Subscriber(station.engine.endpoint, kinds=KINDS) as subscriber:
        bridge = WebSocketBridge(subscriber, listener, Access(bound))
        with running(bridge):
            websocket = connect(f"ws://{bound}/?kinds=event")
        with websocket, pytest.raises(ConnectionClosed) as end:
            websocket.recv(timeout=10)
    assert end.value.rcvd.code in (1001, 1012)


# --- metrics


def statistics_of(**topics):
    return SubscriberStatistics(
        topics=topics,
        bad={"header": 2},
        held=0,
        unexplained={},
        connections=[ConnectionState("tcp://127.0.0.1:5757", True, "", renewals=1)],
    )


def rendered(gauges):
    text, _ = Exposition(gauges, threading.Lock()).render("")
    return values_of(parse_text(text.decode()))


def values_of(families):
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_engines_counters_are_reported_as_they_are_a_restart_included():
    gauges = Gauges()
    gauges.take(
        a_status(
            counters=counters_of(captured=900, dropped={"overflow": 4, "gap": 1}, gap_samples=7)
        ),
        0,
    )
    values = rendered(gauges)
    assert values["streamdeep_samples_captured_total", "room"] == 900
    assert values["streamdeep_samples_embedded_total", "room"] == 895
    assert values["streamdeep_samples_dropped_total", "overflow", "room"] == 4
    assert values["streamdeep_gap_samples_total", "room"] == 7
    assert values["streamdeep_stream_up", "room"] == 1
    gauges.take(a_status(counters=counters_of(captured=10), session=bytes(16)), 1)
    values = rendered(gauges)
    assert values["streamdeep_samples_captured_total", "room"] == 10
    assert ("streamdeep_samples_dropped_total", "overflow", "room") not in values


def test_latencies_of_live_embeddings_are_counted_by_stage():
    gauges = Gauges()
    gauges.take(an_embedding(latency_ns=4_000_000), 0)
    gauges.take(an_embedding(latency_ns=30_000_000_000), 0)
    gauges.take(an_embedding(flags=Flag.OFFLINE), 0)
    gauges.take(an_embedding(flags=Flag.EARLY), 0)
    values = rendered(gauges)
    name = "streamdeep_latency_seconds"
    assert values[f"{name}_count", "total"] == values[f"{name}_count", "capture"] == 2
    assert values[f"{name}_bucket", "0.0025", "total"] == 0
    assert values[f"{name}_bucket", "0.005", "total"] == 1
    assert values[f"{name}_bucket", "10.0", "total"] == 1
    assert values[f"{name}_bucket", "+Inf", "total"] == 2
    assert values[f"{name}_sum", "total"] == pytest.approx(30.004)
    assert values[f"{name}_count", "resample"] == 0


def test_streams_go_down_and_are_forgotten():
    gauges = Gauges(forget_after_s=60)
    gauges.take(a_status(), 0)
    gauges.take(an_event("stop"), 1 * S)
    assert rendered(gauges)["streamdeep_stream_up", "room"] == 0
    gauges.tick(50 * S, statistics_of())
    assert rendered(gauges)["streamdeep_bridge_streams",] == 1
    gauges.tick(70 * S, statistics_of())
    assert rendered(gauges)["streamdeep_bridge_streams",] == 0
    assert not any("room" in key for key in rendered(gauges))


def test_a_counter_of_loss_does_not_fall_when_a_message_comes_after_all(station):
    gauges = Gauges()
    with Subscriber(station.engine.endpoint, kinds=KINDS) as subscriber:
        topic = "embedding/room/"
        gauges.take(a_status(), 0)
        counted = subscriber._tally._counter(topic, "room", utc_ns=0)
        counted.take(session=bytes(16), sequence=0)
        counted.announce(session=bytes(16), last_sequence=3)
        gauges.tick(0, subscriber.statistics())
        assert rendered(gauges)["streamdeep_wire_messages_lost_total", "room"] == 3
        counted.take(session=bytes(16), sequence=2)
        assert counted.statistics().lost == 2
        gauges.tick(1, subscriber.statistics())
    assert rendered(gauges)["streamdeep_wire_messages_lost_total", "room"] == 3


def test_the_number_of_series_is_bounded():
    gauges = Gauges()
    many = {f"reason{number:02}": 1 for number in range(30)}
    assert sum(dropped(gauges_stream(many)).values()) == 30
    assert len(dropped(gauges_stream(many))) == REASONS_MOST
    for number in range(1000):
        gauges.take(a_status(stream=f"s{number}", counters=counters_of(dropped=many)), 0)
        gauges.take(an_embedding(stream=f"s{number}"), 0)
    values = rendered(gauges)
    assert (
        sum(any(part.startswith("s") and part[1:].isdigit() for part in key) for key in values)
        > 5_000
    )
    assert len(values) <= SERIES_MOST + 200
    assert values["streamdeep_bridge_messages_ignored_total",] > 0


def gauges_stream(many):
    gauges = Gauges()
    gauges.take(a_status(counters=counters_of(dropped=many)), 0)
    return gauges.streams.get("room")


def test_every_metric_is_documented():
    gauges = Gauges()
    gauges.bad = {"header": 1}
    gauges.take(a_status(counters=counters_of(dropped={"gap": 1})), 0)
    gauges.take(replace(an_embedding(), novelty=1.5), 0)
    text, _ = Exposition(gauges, threading.Lock()).render("")
    documented = set(re.findall(r"`(streamdeep_[a-z_]+)`", DOCUMENT.read_text()))
    found = {
        family.name + "_total" * (family.type == "counter")
        for family in parse_text(text.decode())
        if family.samples
    }
    found |= {"streamdeep_last_embedding_age_seconds"}  # told once the subscriber's books are there
    assert found == documented


@pytest.fixture
def scraped(station):
    listener, bound = Bind("127.0.0.1", 0).open()
    with Subscriber(
        [station.engine.endpoint], kinds=("embedding", "event", "status")
    ) as subscriber:
        bridge = PrometheusBridge(subscriber, listener, Access(bound))
        with running(bridge):
            station.until(lambda: station.engine.is_subscribed("embedding/room/"), "subscription")
            yield str(bound)


def scrape(address, accept="text/plain"):
    request = urllib.request.Request(f"http://{address}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read().decode(), answer.headers["Content-Type"]


def test_a_scrape_over_http_has_what_the_engine_said(scraped, station):
    station.embedding()

    def complete():
        values = values_of(parse_text(scrape(scraped)[0]))
        age = values.get(("streamdeep_last_embedding_age_seconds", "room"))
        return values if age is not None and ("streamdeep_stream_up", "room") in values else None

    values = station.until(complete, "a scrape with an age")
    assert values["streamdeep_stream_up", "room"] == 1
    assert 0 <= values["streamdeep_last_embedding_age_seconds", "room"] < 20
    assert values["streamdeep_level_dbfs", "room"] == -20.5
    assert values["streamdeep_latency_seconds_count", "total"] == 1
    assert values["streamdeep_wire_messages_lost_total", "room"] == 0
    assert values["streamdeep_samples_captured_total", "room"] > 0


def test_both_formats_are_spoken(scraped, station):
    station.until(lambda: "streamdeep_stream_up{" in scrape(scraped)[0], "a status")
    text, kind = scrape(scraped, "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    families = {family.name: family for family in parse_openmetrics(text)}
    assert families["streamdeep_samples_captured"].type == "counter"
    assert families["streamdeep_latency_seconds"].type == "histogram"
    assert scrape(scraped)[1].startswith("text/plain")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [("/metrics", {"Host": "evil.example"}, 421), ("/metrics", {"Origin": "http://evil.example"}, 403),
     ("/etc", {}, 404)],
)  # fmt: skip
def test_scrapes_under_other_names_and_other_pages_are_refused(scraped, path, headers, status):
    with pytest.raises(urllib.error.HTTPError) as failure:
        urllib.request.urlopen(
            urllib.request.Request(f"http://{scraped}{path}", headers=headers), timeout=5
        )
    failure.value.close()
    assert failure.value.code == status


def test_clients_that_hang_do_not_keep_prometheus_out_for_ever(scraped, station, monkeypatch):
    monkeypatch.setattr("streamdeep.bridges.scrapes._PATIENCE_S", 0.5)
    with contextlib.ExitStack() as idle:
        for _ in range(20):
            idle.enter_context(socket.create_connection(scraped.split(":"), timeout=5))

        def answered():
            try:
                return scrape(scraped)
            except (OSError, urllib.error.URLError):
                return None

        station.until(answered, "an answer")


# --- commands


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["websocket", "--bind", "0.0.0.0:8080"], 78, "--token-file"),
        (["prometheus", "--bind", "0.0.0.0:9400"], 78, "--insecure"),
        (["websocket", "--bind", "nowhere"], 78, "must be like"),
        (["websocket", "--token-file", "/no/such/file"], 78, "cannot read"),
        (["prometheus", "--series-most", "1"], 78, "--series-most"),
        (["mqtt", "--broker", "http://host"], 78, "must be like"),
        (["mqtt", "--prefix", "a/#"], 78, "--prefix"),
        (["mqtt", "--embeddings", "some"], 78, "off, raw or json"),
        (["mqtt", "--remove", "A+"], 78, "no stream name"),
        (["mqtt", "--every-s", "-1"], 78, "--every-s"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(command, arguments, code, said):
    found, _, err = command("bridge", *arguments)
    assert found == code
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["mqtt", "websocket", "prometheus"])
def test_every_bridge_has_help_with_an_example(command, name):
    code, out, _ = command("bridge", name, "--help")
    assert code == 0
    assert f"Example: streamdeep bridge {name}" in out


@pytest.mark.parametrize(("name", "path"), [("websocket", "/lines"), ("prometheus", "/metrics")])
def test_a_server_that_is_told_to_stop_ends_well_though_a_client_is_connected(name, path):
    command = [
        sys.executable,
        "-m",
        "streamdeep",
        "bridge",
        name,
        "--bind",
        "127.0.0.1:0",
        "--json",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            address = json.loads(process.stdout.readline())["address"]
            with urllib.request.urlopen(f"http://{address}{path}", timeout=10):
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=10) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()


def test_a_library_that_is_missing_is_named_with_what_to_install(command, monkeypatch):
    for module, name, extra in (
        ("paho.mqtt.client", "mqtt", "network"),
        ("uvicorn", "websocket", "dashboard"),
        ("prometheus_client", "prometheus", "metrics"),
    ):
        monkeypatch.setitem(sys.modules, module, None)
        arguments = [] if name == "mqtt" else ["--bind", "127.0.0.1:0"]
        code, _, err = command("bridge", name, *arguments)
        assert code == 69
        assert f"pip install 'streamdeep[{extra}]'" in err
