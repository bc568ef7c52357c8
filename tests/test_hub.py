"""The hub, over real sockets: bytes unchanged, joiners served at once, nobody held up, nothing miscounted."""

import contextlib
import json
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import wire_engine
import zmq
from hypothesis import given
from hypothesis import strategies as st
from wire_engine import announce, publish, report

from streamdeep.errors import ConfigurationError
from streamdeep.records import Flag
from streamdeep.wire import EmbeddingMessage, ModelMessage, StatusMessage, Subscriber
from streamdeep.wire.cache import Cache
from streamdeep.wire.gate import Guard
from streamdeep.wire.hub import Hub
from streamdeep.wire.keys import create_identity, load_identity
from streamdeep.wire.messages import (
    MessageError,
    as_repeat,
    assemble,
    envelope_of,
    pack,
    unpack,
)
from streamdeep.wire.publisher import Publisher
from streamdeep.wire.rivals import Rivals

ANY = "tcp://127.0.0.1:*"
DEADLINE_S = 20.0
GOLDEN = sorted((Path(__file__).parent / "golden" / "wire_v1").glob("*.bin"))


def frames_of(path):
    data, frames = path.read_bytes(), []
    while data:
        (length,) = struct.unpack_from("<I", data)
        frames.append(data[4 : 4 + length])
        data = data[4 + length :]
    return frames


@contextlib.contextmanager
def turning(hub):
    """A hub that works in a thread of its own."""
    stopping = threading.Event()

    def run():
        while not stopping.is_set():
            hub.turn(0.02)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield hub
    finally:
        stopping.set()
        thread.join()
        hub.close()


def until(condition, step=lambda: time.sleep(0.002)):
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        step()


def serve_until(publisher, condition):
    until(condition, lambda: (publisher.wait(0.01), publisher.service()))


def connected(publisher):
    """Until the hub has subscribed: one prefix, everything."""
    serve_until(publisher, lambda: publisher.subscriptions >= 1)


def receive(subscriber, n_wanted):
    """So many messages, or fewer after a while."""
    found = []
    while len(found) < n_wanted and (message := subscriber.receive(DEADLINE_S)) is not None:
        found.append(message)
    return found


def embeddings(messages):
    return [message for message in messages if isinstance(message, EmbeddingMessage)]


@pytest.fixture
def processes():
    """Processes to be killed at the end."""
    started = []
    yield started
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def start_hub(processes, *arguments):
    """The command as a process: it, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streamdeep", "hub", "--bind", ANY, "--json", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    processes.append(process)
    return process, json.loads(process.stdout.readline())["endpoint"]


def start_engine(processes, *arguments, **options):
    process, endpoint = wire_engine.start(*arguments, **options)
    processes.append(process)
    return process, endpoint


def test_messages_pass_through_byte_for_byte_those_of_later_releases_too():
    # In the order of their numbers: what is older than the newest of its topic has come before, to a hub.
    golden = sorted(map(frames_of, GOLDEN), key=lambda frames: envelope_of(frames).sequence)
    later = assemble(
        "spectrum/host.mic/",
        {"v": 1, "stream": "host.mic", "session": bytes(16), "sequence": 0, "flags": 2**20,
         "later": {"a": [1, 2.5, None]}},
        b"anything",
    )  # fmt: skip
    with zmq.Context() as context, context.socket(zmq.XPUB) as raw, context.socket(zmq.SUB) as sub:
        raw.linger = sub.linger = 0
        port = raw.bind_to_random_port("tcp://127.0.0.1")
        with turning(Hub([f"tcp://127.0.0.1:{port}"], ANY)) as hub:
            sub.subscribe(b"")
            sub.connect(hub.endpoint)
            assert raw.recv() == b"\x01"
            until(lambda: hub.statistics().subscriptions == 1)
            sent = [*golden, later]
            for frames in sent:
                raw.send_multipart(frames)
            assert [sub.recv_multipart() for _ in sent] == sent
            until(lambda: hub.statistics().forwarded == len(sent))


def test_what_is_none_of_this_protocol_is_counted_and_not_passed_on():
    good = frames_of(next(path for path in GOLDEN if path.stem == "embedding"))
    with zmq.Context() as context, context.socket(zmq.XPUB) as raw:
        raw.linger = 0
        port = raw.bind_to_random_port("tcp://127.0.0.1")
        with (
            turning(Hub([f"tcp://127.0.0.1:{port}"], ANY)) as hub,
            Subscriber(hub.endpoint, hold=False) as subscriber,
        ):
            raw.recv()
            until(lambda: hub.statistics().subscriptions == 4)
            for frames in (
                [b"embedding/"],
                [b"embedding/Not Legal/", *good[1:]],
                [b"embedding/other/", *good[1:]],
                [good[0], b"\xc1", b""],
                [good[0], good[1].replace(b"\xa1v\x01", b"\xa1v\x02"), good[2]],
                good,
            ):
                raw.send_multipart(frames)
            assert subscriber.receive(DEADLINE_S).sequence == 7
            until(lambda: hub.statistics().forwarded == 1)
            found = hub.statistics()
            assert found.refused == {"frames": 1, "topic": 1, "header": 2, "version": 1}
            assert found.received == 6
            assert subscriber.statistics().bad == {}


def test_a_joiner_gets_model_history_and_status_at_once_and_then_what_is_new():
    with Publisher(ANY) as publisher, turning(Hub([publisher.endpoint], ANY, n_history=5)) as hub:
        connected(publisher)
        announce(publisher, "a")
        for number in range(20):
            publish(publisher, "a", number)
        report(publisher, "a")
        until(lambda: hub.statistics().forwarded == 22)
        for number in (20, 21):  # the second joins within a second of the first
            with Subscriber(hub.endpoint) as subscriber:
                begin_s = time.monotonic()
                found = receive(subscriber, 7)
                assert time.monotonic() - begin_s < 2
                assert all(Flag.REPEAT in message.flags for message in found)
                assert isinstance(found[0], ModelMessage)
                history = [message.sequence for message in embeddings(found)]
                assert history == list(range(number - 5, number))
                assert isinstance(found[-1], StatusMessage)
                publish(publisher, "a", number)
                (new,) = receive(subscriber, 1)
                assert (new.sequence, Flag.REPEAT in new.flags) == (number, False)
                topic = subscriber.statistics().topics["embedding/a/"]
                assert (topic.received, topic.lost, topic.before_join) == (6, 0, number - 5)
                assert subscriber.statistics().lost == 0


def test_joiners_at_any_moment_see_history_and_present_without_a_seam():
    """A fast stream, and joiners one after the other: none loses, repeats or miscounts anything."""
    stopping = threading.Event()
    with Publisher(ANY) as publisher, turning(Hub([publisher.endpoint], ANY, n_history=10)) as hub:
        connected(publisher)

        def send():
            announce(publisher, "a")
            number = 0
            while not stopping.wait(0.001):
                publish(publisher, "a", number)
                number += 1
                if number % 50 == 0:
                    report(publisher, "a")
                    publisher.service()

        sender = threading.Thread(target=send)
        sender.start()
        with contextlib.ExitStack() as stack:
            stack.callback(sender.join)
            stack.callback(stopping.set)
            until(lambda: hub.statistics().forwarded > 20)
            joiners = []
            for _ in range(6):
                joiners.append(stack.enter_context(Subscriber(hub.endpoint)))
                time.sleep(0.013)
            for subscriber in joiners:
                found = embeddings(receive(subscriber, 200))
                numbers = [message.sequence for message in found]
                assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
                n_repeated = sum(Flag.REPEAT in message.flags for message in found)
                assert n_repeated == 10
                assert all(Flag.REPEAT in message.flags for message in found[:10])
                assert subscriber.statistics().lost == 0
                assert not subscriber.statistics().bad


def test_an_engine_that_is_killed_and_started_again_is_a_new_session_for_all(processes):
    engine, endpoint = start_engine(processes, ANY, "a", period_s=0.02)
    hub, address = start_hub(processes, "--connect", endpoint, "--history", "4")
    with Subscriber(address, kinds=["embedding"]) as first:
        old = receive(first, 10)[-1]
        engine.kill()
        engine.wait()
        start_engine(processes, endpoint, "a", period_s=0.02)
        begin_s = time.monotonic()
        until(lambda: first.receive(DEADLINE_S).session != old.session, lambda: None)
        assert time.monotonic() - begin_s < 1.5
        with Subscriber(address, kinds=["embedding"]) as second:
            found = receive(second, 10)
            # Of the old session nothing is handed out: its number of messages would be a loss.
            assert old.session not in {message.session for message in found}
            assert Flag.REPEAT in found[0].flags
            assert second.statistics().lost == 0
            assert second.statistics().topics["embedding/a/"].session_changes == 0
        assert hub.poll() is None


def test_three_engines_and_three_subscribers(processes):
    n_wanted = 40
    engines = [
        start_engine(processes, ANY, f"s{index}", f"t{index}", period_s=0.005) for index in range(3)
    ]
    connect = [part for _, endpoint in engines for part in ("--connect", endpoint)]
    hub, address = start_hub(processes, *connect, "--history", "20")
    with contextlib.ExitStack() as stack:
        subscribers = [stack.enter_context(Subscriber(address)) for _ in range(3)]
        for subscriber in subscribers:
            found = {f"{letter}{index}": [] for letter in "st" for index in range(3)}
            while min(map(len, found.values())) < n_wanted:
                (message,) = receive(subscriber, 1)
                if isinstance(message, EmbeddingMessage):
                    found[message.stream].append(message.sequence)
            for numbers in found.values():
                assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert subscriber.statistics().lost == 0
    hub.send_signal(signal.SIGINT)
    assert hub.wait(DEADLINE_S) == 0
    end = json.loads(hub.stdout.readlines()[-1])
    assert end["event"] == "end"
    assert end["received"] == end["forwarded"] + end["duplicates"] + sum(end["refused"].values())
    assert end["lost"] == 0
    assert [connection["up"] for connection in end["connections"]] == [True] * 3


def test_a_subscriber_that_does_not_read_holds_up_nobody_and_knows_what_it_lost():
    n_sent = 2000
    with (
        Publisher(ANY, high_water_mark=n_sent) as publisher,
        turning(Hub([publisher.endpoint], ANY, high_water_mark=50)) as hub,
        Subscriber(hub.endpoint, hold=False, high_water_mark=4, kinds=["embedding"]) as slow,
        Subscriber(hub.endpoint, hold=False, kinds=["embedding"]) as good,
    ):
        connected(publisher)
        until(lambda: hub.statistics().subscriptions == 6)
        for number in range(n_sent):
            publish(publisher, "a", number, dim=4096)
            assert good.receive(DEADLINE_S).sequence == number
        assert hub.statistics().overflows > 0
        found = []
        while (message := slow.receive(0.5)) is not None:
            found.append(message.sequence)
        assert found == sorted(found)
        assert len(found) < n_sent
        report(publisher, "a")
        until(lambda: "status/a/" in slow.statistics().topics, lambda: slow.receive(0.05))
        topic = slow.statistics().topics["embedding/a/"]
        assert topic.received == len(found)
        assert topic.received + topic.lost + topic.before_join == n_sent
        assert good.statistics().lost == 0


def test_an_engine_reached_over_two_paths_arrives_once():
    with (
        Publisher(ANY) as publisher,
        turning(Hub([publisher.endpoint], ANY)) as near,
        turning(Hub([publisher.endpoint, near.endpoint], ANY)) as far,
        Subscriber(far.endpoint, hold=False) as subscriber,
    ):
        serve_until(publisher, lambda: publisher.subscriptions >= 2)
        until(lambda: near.statistics().subscriptions >= 1)
        until(lambda: far.statistics().subscriptions >= 4)
        for number in range(20):
            publish(publisher, "a", number)
        assert [message.sequence for message in receive(subscriber, 20)] == list(range(20))
        until(lambda: far.statistics().received == 40)
        until(lambda: far.statistics().duplicates == 20)
        assert far.statistics().forwarded == 20


def test_asking_for_the_counts_leaves_news_of_connections_to_the_hubs_own_loop():
    """Two threads that read one monitor's news would wait for each other's."""
    with Publisher(ANY) as publisher, Hub([publisher.endpoint], ANY) as hub:
        assert hub._links[0].monitor.poll(10_000)
        for _ in range(2):
            assert not hub.statistics().connections[0].up
        hub.turn(0.0)
        assert hub.statistics().connections[0].up


def test_two_engines_with_one_stream_name_are_said_and_kept_apart_by_session():
    with (
        Publisher(ANY) as one,
        Publisher(ANY) as other,
        turning(Hub([one.endpoint, other.endpoint], ANY)) as hub,
        Subscriber(hub.endpoint, hold=False) as subscriber,
    ):
        connected(one)
        connected(other)
        until(lambda: hub.statistics().subscriptions >= 4)
        for number in range(4):
            for publisher in (one, other):
                publish(publisher, "a", number)
                assert len(receive(subscriber, 1)) == 1  # so that they come in turns
        until(lambda: hub.statistics().rivals.get("a", 0) > 0)
        assert subscriber.statistics().topics["embedding/a/"].received == 8
        assert subscriber.statistics().lost == 0


def test_a_restart_is_no_rivalry():
    rivals = Rivals()
    for session in (b"1", b"1", b"2", b"2", b"3"):
        rivals.heard("a", session)
    assert rivals.found == {}
    rivals.heard("a", b"2")
    assert rivals.found == {"a": 1}


def test_keys_work_on_both_sides(tmp_path):
    files = {name: create_identity(tmp_path / name) for name in ("engine", "hub", "me")}
    for folder, allowed in (("of-engine", "hub"), ("of-hub", "me")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "it.key").write_bytes(files[allowed][0].read_bytes())
    guards = {
        name: Guard.load(files[name][1], tmp_path / f"of-{name}") for name in ("engine", "hub")
    }
    identity = load_identity(files["hub"][1])
    with Publisher(ANY, guard=guards["engine"]) as publisher:
        upstream = f"{publisher.endpoint}?server-key={files['engine'][0]}"
        with turning(Hub([upstream], ANY, identity=identity, guard=guards["hub"])) as hub:
            connected(publisher)
            announce(publisher, "a")
            address = f"{hub.endpoint}?server-key={files['hub'][0]}"
            with Subscriber(address, identity=files["me"][1]) as subscriber:
                assert isinstance(subscriber.receive(DEADLINE_S), ModelMessage)
            with Subscriber(hub.endpoint) as stranger:
                assert stranger.receive(0.3) is None
                assert "encrypted" in stranger.connections()[0].trouble


def test_wrong_settings_of_a_hub_are_refused_in_words(command):
    with pytest.raises(ConfigurationError, match="without engines"):
        Hub([], ANY)
    with pytest.raises(ConfigurationError, match="--identity and --allow"):
        Hub(["tcp://127.0.0.1:9"], "tcp://0.0.0.0:5858")
    with pytest.raises(ConfigurationError, match="cannot connect"):
        Hub(["nonsense"], ANY)
    with Publisher(ANY) as publisher:
        code, _, err = command("hub", "--bind", publisher.endpoint)
    assert code == 69
    assert "in use" in err


def test_the_streams_of_a_hub_are_listed(command):
    with Publisher(ANY) as publisher, turning(Hub([publisher.endpoint], ANY)) as hub:
        connected(publisher)
        announce(publisher, "mic")
        report(publisher, "mic")
        announce(publisher, "yard")
        until(lambda: hub.statistics().streams == 2)
        code, out, _ = command("streams", "--connect", hub.endpoint, "--wait-s", "0.6", "--json")
        mic, yard = map(json.loads, out.splitlines())
        assert code == 0
        assert (mic["stream"], mic["model"], mic["dim"], mic["rate_hz"]) == (
            "mic",
            "scene",
            4,
            48000,
        )
        assert mic["per_second"] == pytest.approx(16000 / (62 * 640), abs=1e-3)
        assert mic["age_s"] > 0
        assert yard["age_s"] is None
        code, out, _ = command("streams", "--connect", hub.endpoint, "--wait-s", "0.6")
        assert "mic" in out
        assert "yard" in out
    code, _, err = command("streams", "--connect", "tcp://127.0.0.1:9", "--wait-s", "0.1")
    assert code == 1
    assert "nobody answers" in err


def test_a_repeat_is_the_message_with_one_flag_more():
    for path in GOLDEN:
        frames = frames_of(path)
        again, message = unpack(as_repeat(frames)), unpack(frames)
        assert again.flags == message.flags | Flag.REPEAT
        assert envelope_of(as_repeat(frames)).repeat
        assert pack(again)[2] == frames[2]
        assert as_repeat(as_repeat(frames)) == as_repeat(frames)


@given(st.lists(st.binary(max_size=64), max_size=4))
def test_an_envelope_is_read_or_refused_whatever_comes(frames):
    with contextlib.suppress(MessageError):
        envelope_of(frames)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["embedding", "model", "status", "event"]),
            st.sampled_from("ab"),
            st.integers(0, 2),  # session
            st.integers(0, 1),  # source
            st.integers(0, 400),  # bytes
            st.integers(0, 8_000_000_000),  # time that passes
        ),
        max_size=60,
    )
)
def test_the_cache_keeps_its_bounds_and_its_order(steps):
    cache = Cache(n_history=3, history_bytes=1500, topics_most=5)
    now_ns, numbers, sent = 0, {}, {}
    for kind, stream, session, source, n_bytes, passed_ns in steps:
        now_ns += passed_ns
        topic, number = f"{kind}/{stream}/", numbers.get((kind, stream, session), 0)
        numbers[kind, stream, session] = number + 1
        header = {
            "v": 1, "stream": stream, "session": bytes([session]) * 16, "sequence": number, "flags": 0,
        }  # fmt: skip
        frames = assemble(topic, header, bytes(n_bytes))
        cache.keep(envelope_of(frames), frames, source=source, now_ns=now_ns)
        cache.sweep(now_ns=now_ns)
        sent.setdefault((topic, bytes([session]) * 16), []).append(frames)
        keys = cache.matching([b""])
        assert len(keys) == len(cache._entries) <= 5
        kept = {key: cache.messages(key) for key in keys}
        assert cache.n_bytes == sum(len(b"".join(each)) for of in kept.values() for each in of)
        assert cache.n_bytes <= 1500 or not any(kept[k] for k in keys if k[0].startswith("emb"))
        for key, messages in kept.items():
            assert len(messages) <= (3 if key[0].startswith("embedding/") else 1)
            assert not messages or sent[key][-len(messages) :] == messages
        kinds = [key[0].partition("/")[0] for key in keys]
        assert kinds == sorted(kinds, key=["model", "embedding", "status"].index)
    cache.sweep(now_ns=now_ns + 601_000_000_000)
    assert (cache.n_bytes, cache.n_streams, cache._ages, cache._entries) == (0, 0, {}, {})


def test_a_new_session_of_a_stream_ends_the_former_one_from_the_same_engine_only():
    cache = Cache(n_history=5)

    def keep(kind, session, source):
        header = {"v": 1, "stream": "a", "session": session * 16, "sequence": 0, "flags": 0}
        frames = assemble(f"{kind}/a/", header, b"")
        cache.keep(envelope_of(frames), frames, source=source, now_ns=0)

    for kind in ("model", "embedding", "status"):
        keep(kind, b"1", 0)
        keep(kind, b"2", 1)
    keep("model", b"3", 0)
    assert {session[:1] for _, session in cache.matching([b""])} == {b"2", b"3"}
    assert len(cache.matching([b"embedding/"])) == 1
    # The other source falls silent; the one that speaks is its successor.
    keep_ns = 11_000_000_000
    header = {"v": 1, "stream": "a", "session": b"3" * 16, "sequence": 1, "flags": 0}
    frames = assemble("model/a/", header, b"")
    cache.keep(envelope_of(frames), frames, source=0, now_ns=keep_ns)
    cache.sweep(now_ns=keep_ns)
    assert {session[:1] for _, session in cache.matching([b""])} == {b"3"}


def test_without_history_embeddings_are_not_kept():
    cache = Cache(n_history=0)
    frames = frames_of(next(path for path in GOLDEN if path.stem == "embedding"))
    cache.keep(envelope_of(frames), frames, source=0, now_ns=0)
    assert cache.matching([b""]) == []
    assert cache.n_bytes == 0
