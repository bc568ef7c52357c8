"""What the bridges make of messages, without a socket."""

import base64
import json
import struct
from dataclasses import replace
from itertools import pairwise

import pytest
from bridge_data import (
    a_label,
    a_model,
    a_status,
    an_embedding,
    an_event,
    counters_of,
)
from hypothesis import given
from hypothesis import strategies as st

from streamdeep.bridges.broker import broker_from, check_prefix, read_secret
from streamdeep.bridges.health import REMEMBERED_NS, STILL_NS, Health
from streamdeep.bridges.homeassistant import EVENTS, Discovery
from streamdeep.bridges.identifier import identifier
from streamdeep.bridges.pending import Pending, Publication
from streamdeep.bridges.publications import Layout, Publications
from streamdeep.bridges.streams import HEADS_MOST, LABELS_SILENCE_NS, SILENCE_NS, Streams
from streamdeep.bridges.text import as_json, as_line
from streamdeep.errors import ConfigurationError
from streamdeep.records import Flag, NoveltyScale, Sound
from streamdeep.wire.loss import LossStatistics
from streamdeep.wire.tally import SubscriberStatistics, TopicStatistics

S = 1_000_000_000
NAMES = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,12}", fullmatch=True)
NOTHING = SubscriberStatistics(topics={}, bad={}, held=0, unexplained={}, connections=())


def lost(name, count):
    account = LossStatistics(received=1, lost=count)
    topic = TopicStatistics(
        received=account.received, lost=count, before_join=0, repeated=0, skipped=0, epoch_changes=0,
        session_changes=0, age_s=None, clock_offset_bound_s=None,
    )  # fmt: skip
    return SubscriberStatistics(
        topics={f"embedding/{name}/": topic}, bad={}, held=0, unexplained={}, connections=()
    )


# --- text


@pytest.mark.parametrize(
    "message", [an_embedding(), a_label(), a_status(), an_event(), a_model()], ids=lambda m: type(m)
)
def test_every_kind_becomes_one_line_of_json(message):
    line = as_line(message)
    assert line.isascii()
    assert "\n" not in line
    values = json.loads(line)
    assert values["stream"] == "room"
    assert values["session"] == "000102030405060708090a0b0c0d0e0f"
    assert values["kind"] in ("embedding", "label", "status", "event", "model")


def test_maps_within_a_message_are_maps_in_its_json():
    sound = Sound("start", "Rain", 2**53, 10, 0.5)
    values = json.loads(as_line(replace(a_label(), sounds=(sound,), novel=True)))
    assert values["sounds"][0]["label"] == "Rain"
    assert values["sounds"][0]["start_sample"] == "9007199254740992"
    assert values["novel"] is True
    scale = NoveltyScale((0.5, 0.9), (1.0, 2.0))
    values = json.loads(as_line(replace(a_model(), novelty=scale)))
    assert values["novelty"] == {"probabilities": [0.5, 0.9], "quantiles": [1.0, 2.0]}
    assert json.loads(as_line(replace(an_embedding(), novelty=1.5)))["novelty"] == 1.5


def test_moments_are_texts_and_other_integers_numbers_that_javascript_can_hold():
    values = as_json(an_embedding(start_sample=2**53 - 1))
    assert values["published_utc_ns"] == "1767225600123456789"
    assert values["start_sample"] == 2**53 - 1
    assert values["latency_ns"] == 4_000_000
    assert as_json(an_embedding(start_sample=2**53))["start_sample"] == "9007199254740992"
    assert as_json(a_status())["clock"] == {
        "sample": 16_000,
        "monotonic_ns": "86400000000000",
        "utc_ns": "1767225600000000000",
        "rate_hz": 16_000,
    }


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_a_vector_comes_back_from_either_form_bit_for_bit(vector):
    message = an_embedding(vector)
    expected = message.vector.tobytes()
    assert base64.b64decode(as_json(message)["vector_base64"]) == expected
    numbers = json.loads(as_line(message, vector="list"))["vector"]
    assert struct.pack(f"<{len(numbers)}f", *numbers) == expected
    assert {"vector", "vector_base64"}.isdisjoint(as_json(message, vector="none"))


def test_flags_are_names_and_early_embeddings_a_kind_of_their_own():
    values = as_json(an_embedding(flags=Flag.EARLY | Flag.CLIPPED | Flag(1 << 20)))
    assert values["flags"] == ["clipped", "early"]
    assert values["kind"] == "early"


# --- identifier


@given(st.lists(st.text(), min_size=1, max_size=3), st.lists(st.text(), min_size=1, max_size=3))
def test_no_two_names_share_an_identifier(one, other):
    assert (identifier(*one) == identifier(*other)) == (one == other)
    assert set(identifier(*one)) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
    )


# --- streams


def test_a_stream_is_online_from_its_first_fresh_word_until_silence():
    streams = Streams()
    stream = streams.take(a_status(flags=Flag.REPEAT), 0)
    assert not stream.online
    streams.take(a_status(), 1 * S)
    assert stream.online
    assert streams.silent(1 * S + SILENCE_NS) == []
    assert streams.silent(1 * S + SILENCE_NS + 1) == [stream]
    assert streams.silent(1 * S + SILENCE_NS + 2) == []
    streams.take(an_embedding(), 20 * S)
    assert stream.online


def test_the_status_after_a_stop_does_not_bring_a_stream_back_but_a_new_session_does():
    streams = Streams()
    stream = streams.take(a_status(), 0)
    streams.take(an_event("stop"), 1)
    streams.take(a_status(), 2)
    streams.take(a_label(session=bytes(16)), 3)
    assert not stream.online
    streams.take(a_status(session=bytes(16)), 4)
    assert stream.online


def test_a_source_that_starts_again_in_the_same_session_is_back():
    streams = Streams()
    for message in (a_status(), an_event("stop"), an_event("start"), a_status()):
        stream = streams.take(message, 0)
    assert stream.online


def test_labels_alone_keep_a_stream_longer():
    streams = Streams()
    stream = streams.take(a_label(), 0)
    assert streams.silent(LABELS_SILENCE_NS) == []
    assert streams.silent(LABELS_SILENCE_NS + 1) == [stream]


def test_the_number_of_streams_and_heads_is_bounded_and_what_is_ignored_counted():
    streams = Streams(most=2)
    streams.take(a_status(stream="a"), 0)
    streams.take(a_status(stream="b"), 1)
    assert streams.take(a_status(stream="c"), 2) is None
    assert streams.ignored == 1
    streams.take(an_event("stop", stream="b"), 3)
    assert streams.take(a_status(stream="c"), 4) is not None
    assert sorted(stream.name for stream in streams) == ["a", "c"]
    for number in range(HEADS_MOST + 2):
        streams.take(a_label(stream="a", head=f"h{number}"), 5)
    assert len(streams.get("a").labels) == HEADS_MOST
    assert streams.ignored == 3


def test_streams_that_are_offline_for_long_are_forgotten():
    streams = Streams()
    streams.take(a_status(stream="a"), 0)
    streams.take(a_status(stream="b"), 0)
    streams.take(an_event("stop", stream="b"), 1)
    assert [stream.name for stream in streams.forget(100 * S, 60 * S)] == ["b"]
    assert [stream.name for stream in streams] == ["a"]


# --- health


def test_lost_sound_is_a_problem_for_a_minute():
    health = Health()
    health.take(a_status(1, counters=counters_of(dropped={"overflow": 5})), 0)
    assert health.problems(0) == []  # before we came
    health.take(a_status(2, counters=counters_of(dropped={"overflow": 5}, gap_samples=1)), 1 * S)
    assert health.problems(1 * S) == ["samples lost"]
    assert health.problems(1 * S + REMEMBERED_NS) == []


def test_what_a_restarted_engine_lost_since_its_start_counts():
    health = Health()
    health.take(a_status(counters=counters_of(gap_samples=50)), 0)
    health.take(a_status(counters=counters_of(gap_samples=3), session=bytes(16)), 1)
    assert health.problems(1) == ["samples lost"]


def test_messages_lost_on_the_wire_are_a_problem():
    health = Health()
    health.take_lost_messages(7, 0)
    assert health.problems(0) == []
    health.take_lost_messages(8, 1)
    assert health.problems(1) == ["messages lost"]


def test_a_live_source_that_stands_still_is_a_problem_until_it_moves():
    health = Health()
    for second in range(7):
        health.take(a_status(1000), second * S)
    assert STILL_NS <= 6 * S
    assert health.problems(6 * S) == ["no new sound"]
    health.take(a_status(1001), 7 * S)
    assert health.problems(7 * S) == []
    for second in range(8, 16):
        health.take(a_status(1001, live=False), second * S)
    assert health.problems(16 * S) == []


# --- pending


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 3), st.integers(0, 2), st.booleans()),
        st.tuples(st.sampled_from(["send", "confirm", "disconnect", "connect"])),
    ),
    max_size=60,
)


@given(ACTIONS)
def test_every_publication_ends_in_exactly_one_place_and_the_newest_state_wins(actions):
    pending = Pending(most=4)
    number = 0
    told, wanted = {}, {}  # what the broker retains, and what it should
    on_the_way = {}
    for action in actions:
        match action:
            case ("put", topic, value, state):
                publication = Publication(f"{topic}{state}", bytes([value + 1]), state)
                pending.put(publication)
                if state:
                    wanted[publication.topic] = publication.payload
            case ("send",):
                publication = pending.next()
                if publication is not None:
                    number += 1
                    pending.sent(number, publication)
                    on_the_way[number] = publication
            case ("confirm",) if on_the_way:
                first = min(on_the_way)
                publication = on_the_way.pop(first)
                pending.confirm(first)
                if publication.state:
                    told[publication.topic] = publication.payload
            case ("disconnect",):
                pending.disconnected()
                on_the_way.clear()
            case ("connect",):
                pending.connected()
        ends = pending.confirmed + pending.superseded + pending.given_up
        assert pending.taken == ends + len(pending) + pending.unconfirmed
        assert len(pending) <= 4 + 4
    while (publication := pending.next()) is not None:
        number += 1
        pending.sent(number, publication)
        on_the_way[number] = publication
    for first in sorted(on_the_way):
        publication = on_the_way[first]
        if publication.state:
            told[publication.topic] = publication.payload
    assert told == wanted


def test_events_keep_their_order_and_the_oldest_is_given_up():
    pending = Pending(most=3)
    for value in range(5):
        pending.put(Publication("event", bytes([value]), state=False))
        pending.put(Publication("state", bytes([value]), state=True))
    seen = []
    while (publication := pending.next()) is not None:
        seen.append((publication.topic, publication.payload[0]))
    assert seen == [("state", 4), ("event", 2), ("event", 3), ("event", 4)]
    assert (pending.given_up, pending.superseded) == (2, 4)


# --- broker


def test_a_broker_is_a_url_with_the_usual_ports():
    plain = broker_from("mqtt://house@[::1]")
    assert (plain.host, plain.port, plain.user, plain.tls) == ("::1", 1883, "house", False)
    assert str(plain) == "mqtt://[::1]:1883"
    assert broker_from("mqtts://host").port == 8883
    assert broker_from("mqtt://host:1", tls=True).tls


@pytest.mark.parametrize(
    "url",
    ["host:1883", "http://host", "mqtt://", "mqtt://host:99999", "mqtt://host:0", "mqtt://host/topic",
     "mqtt://host?x=1", "mqtt://[::1", "mqtt://user:secret@host"],
)  # fmt: skip
def test_what_is_no_broker_is_refused_and_no_password_is_repeated(url):
    with pytest.raises(ConfigurationError) as failure:
        broker_from(url)
    assert "secret" not in str(failure.value)


def test_a_password_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes("schlüssel\r\nmore\n".encode())
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_secret(path)
    path.chmod(0o600)
    assert read_secret(path) == "schlüssel"
    broker = broker_from("mqtt://user@host", password_file=path)
    assert broker.password == "schlüssel"
    assert "schlüssel" not in repr(broker)
    path.write_bytes(b"\n")
    with pytest.raises(ConfigurationError, match="one line"):
        read_secret(path)
    with pytest.raises(ConfigurationError, match="needs a user"):
        broker_from("mqtt://host", password_file=path)


@pytest.mark.parametrize(
    "prefix", ["", "/a", "a/", "a//b", "a+", "#", "$SYS", "a\0b", "a\nb", "x" * 129]
)
def test_what_cannot_begin_a_topic_is_refused(prefix):
    with pytest.raises(ConfigurationError, match="--prefix"):
        check_prefix("--prefix", prefix)


# --- publications


def topics(publications):
    return [publication.topic for publication in publications]


def payload(publications, topic):
    (found,) = [each.payload for each in publications if each.topic == topic]
    return json.loads(found)


def test_a_new_stream_is_described_before_it_is_online_and_before_what_it_says():
    publications = Publications(Layout(prefix="house/sound"))
    assert topics(publications.take(a_status(), 0)) == [
        "homeassistant/device/house_2fsound__room/config",
        "house/sound/room/availability",
        "house/sound/room/status",
    ]
    assert topics(publications.take(a_status(), 1 * S)) == []
    assert topics(publications.take(a_status(), 10 * S)) == ["house/sound/room/status"]


def test_a_model_and_a_head_are_added_to_the_description_once():
    publications = Publications(Layout())
    publications.take(a_status(), 0)
    document = "homeassistant/device/streamdeep__room/config"
    assert topics(publications.take(a_model(flags=Flag.REPEAT), 1)) == [document]
    said = publications.take(a_label(), 2)
    assert topics(said) == [document, "streamdeep/room/label/scene"]
    assert payload(said, document)["device"]["model"] == "scene"
    assert "label_scene" in payload(said, document)["components"]
    assert topics(publications.take(a_label("Dog"), 3)) == ["streamdeep/room/label/scene"]


def test_labels_are_said_when_they_change_and_else_every_ten_seconds():
    publications = Publications(Layout(discovery_prefix=""))
    publications.take(a_status(), 0)
    said = [
        bool(publications.take(a_label(label), second * S))
        for second, label in enumerate(["Rain"] * 12 + ["Dog", "Rain", "Rain"])
    ]
    assert [second for second, each in enumerate(said) if each] == [0, 10, 12, 13]


def test_a_problem_is_said_at_once():
    publications = Publications(Layout(discovery_prefix=""))
    publications.take(a_status(1), 0)
    publications.tick(0, lost("room", 0))
    publications.tick(1 * S, lost("room", 3))
    status = payload(publications.take(a_status(2), 1 * S), "streamdeep/room/status")
    assert status["problems"] == ["messages lost"]
    assert status["lost_messages"] == 3
    loss = a_status(3, counters=counters_of(dropped={"overflow": 4, "gap": 1}, gap_samples=10))
    status = payload(publications.take(loss, 2 * S), "streamdeep/room/status")
    assert status["problems"] == ["messages lost", "samples lost"]
    assert status["lost_samples"] == 15


def test_level_and_latency_are_those_of_the_newest_embedding():
    publications = Publications(Layout(discovery_prefix="", every_s=0))
    status = payload(publications.take(a_status(), 0), "streamdeep/room/status")
    assert (status["level_dbfs"], status["latency_ms"]) == (None, None)
    publications.take(an_embedding(), 1)
    status = payload(publications.take(a_status(), 2), "streamdeep/room/status")
    assert (status["level_dbfs"], status["latency_ms"]) == (-20.5, 4.0)
    publications.take(an_embedding(flags=Flag.OFFLINE), 3)
    assert payload(publications.take(a_status(), 4), "streamdeep/room/status")["latency_ms"] is None


def test_a_silent_stream_is_offline_and_so_is_one_that_the_broker_remembers():
    publications = Publications(Layout())
    publications.take(a_status(), 0)
    (gone,) = publications.tick(SILENCE_NS + 1, NOTHING)
    assert (gone.topic, gone.payload, gone.state) == (
        "streamdeep/room/availability",
        b"offline",
        True,
    )
    assert topics(publications.found("streamdeep/yard/availability", b"online")) == [
        "streamdeep/yard/availability"
    ]
    assert publications.found("streamdeep/yard/availability", b"offline") == []
    assert publications.found("other/yard/availability", b"online") == []
    publications.take(a_status(stream="yard"), 0)
    assert publications.found("streamdeep/yard/availability", b"online") == []


def test_what_becomes_novel_is_said_at_once_though_the_label_stays():
    publications = Publications(Layout())
    label = replace(a_label(), novel=False, drifting=False)
    said = [publications.take(one, 1) for one in (label, label, replace(label, novel=True))]
    assert [topics(each)[-1:] for each in said] == [["streamdeep/room/label/scene"], [], ["streamdeep/room/label/scene"]]  # fmt: skip


def test_only_what_happens_once_is_not_retained():
    publications = Publications(Layout(embeddings="raw"))
    messages = [a_status(), a_label(), an_event("gap"), an_embedding(), a_model()]
    said = [each for message in messages for each in publications.take(message, 0)]
    said += publications.bridge({})
    once = {each.topic for each in said if not each.state}
    assert once == {"streamdeep/room/event", "streamdeep/room/embedding"}


@given(NAMES, NAMES)
def test_no_name_on_the_wire_can_reach_beyond_its_topic(stream, head):
    publications = Publications(Layout(embeddings="json"))
    messages = [
        a_status(stream=stream),
        a_label(stream=stream, head=head),
        an_embedding(stream=stream),
    ]
    said = [each for message in messages for each in publications.take(message, 0)]
    for publication in said:
        assert not set("+#\0") & set(publication.topic)
        mine = publication.topic.startswith(f"streamdeep/{stream}/")
        assert mine or publication.topic == Discovery("streamdeep").topic(stream)
    own = {each.topic for each in publications.bridge({})}
    assert own.isdisjoint(each.topic for each in said)


# --- Home Assistant


def render(template, value):
    """As Home Assistant does: in Jinja's sandbox, with the payload as value_json."""
    sandbox = pytest.importorskip("jinja2.sandbox", reason="jinja2 comes with torch")
    environment = sandbox.ImmutableSandboxedEnvironment()
    return environment.from_string(template).render(value_json=value)


@pytest.fixture
def described():
    """A stream's document, and the newest payload under each topic."""
    publications = Publications(Layout(every_s=0))
    said = {}
    for message in (
        a_status(), a_model(), an_embedding(), a_label("Rain", probabilities={"Rain": 0.9, "It's": 0.1}),
        a_status(2, counters=counters_of(dropped={"overflow": 3})), an_event("overflow"),
    ):  # fmt: skip
        for publication in publications.take(message, 0):
            said[publication.topic] = publication.payload
    return json.loads(said["homeassistant/device/streamdeep__room/config"]), said


def test_a_document_has_what_home_assistant_demands(described):
    document, _ = described
    # The keys that its MQTT integration allows beside each other in a device's document.
    assert set(document) == {"device", "origin", "availability", "availability_mode", "components"}
    assert document["origin"]["name"] == "streamdeep"
    assert document["device"]["identifiers"] == ["streamdeep__room"]
    parts = document["components"]
    assert all(part["platform"] in ("sensor", "binary_sensor", "event") for part in parts.values())
    identities = [part["unique_id"] for part in parts.values()]
    bridge = Discovery("streamdeep").bridge()["components"]
    identities += [part["unique_id"] for part in bridge.values()]
    assert len(set(identities)) == len(identities)
    assert (
        document["device"]["via_device"]
        in Discovery("streamdeep").bridge()["device"]["identifiers"]
    )


def test_its_templates_give_the_states_that_the_payloads_hold(described):
    document, said = described
    found = {}
    for name, part in document["components"].items():
        if "value_template" in part:
            found[name] = render(part["value_template"], json.loads(said[part["state_topic"]]))
    event = json.loads(found.pop("event"))
    assert found == {
        "level": "-20.5",
        "latency": "4.0",
        "lost_samples": "3",
        "lost_messages": "0",
        "problem": "ON",
        "label_scene": "Rain",
    }
    assert (event["event_type"], event["kind"]) == ("overflow", "event")
    label = document["components"]["label_scene"]
    attributes = render(
        label["json_attributes_template"], json.loads(said[label["json_attributes_topic"]])
    )
    assert json.loads(attributes) == {
        "confidence": 0.9,
        "probabilities": {"Rain": 0.9, "It's": 0.1},
        "novel": None,
        "novelty_rate": None,
        "drifting": None,
    }
    connected = document["components"]["connected"]
    assert said[connected["state_topic"]].decode() == connected["payload_on"]


def test_an_event_of_a_later_version_is_one_that_home_assistant_accepts(described):
    part = described[0]["components"]["event"]
    later = json.loads(render(part["value_template"], as_json(an_event("eclipse"))))
    assert (later["event_type"], later["event"]) == ("other", "eclipse")
    assert set(part["event_types"]) == {*EVENTS, "other"}


def test_what_tells_that_a_stream_is_away_is_not_itself_unavailable_then(described):
    document, _ = described
    assert {each["topic"] for each in document["availability"]} == {
        "streamdeep/bridge/state",
        "streamdeep/room/availability",
    }
    own = document["components"]["connected"]["availability"]
    assert [each["topic"] for each in own] == ["streamdeep/bridge/state"]


def test_documents_of_different_streams_have_different_topics():
    names = ["a.b", "a_b", "a-b", "a_2eb", "a"]
    found = [Discovery("p").topic(name) for name in names]
    assert all(one != other for one, other in pairwise(sorted(found)))
