"""Subscribers come back from everything that can happen to a connection, and say what it was."""

import os
import signal
import time

import pytest
import wire_engine
import zmq

from streamdeep.errors import ConfigurationError
from streamdeep.wire import Subscriber, listen
from streamdeep.wire.gate import Guard
from streamdeep.wire.keys import create_identity, load_identity, load_public_key
from streamdeep.wire.publisher import Publisher
from streamdeep.wire.security import check_bind

ANY = "tcp://127.0.0.1:*"
DEADLINE_S = 20.0


@pytest.fixture
def engine():
    """Start publishers as processes; all are gone at the end."""
    processes = []

    def run(bind=ANY, *streams, **options):
        process, endpoint = wire_engine.start(bind, *(streams or ("a",)), **options)
        processes.append(process)
        return process, endpoint

    yield run
    for process in processes:
        wire_engine.end(process)


@pytest.fixture
def keys(tmp_path):
    """Two engines and a listener with keys; the engines' allow-list knows the listener."""
    found = {name: create_identity(tmp_path / name) for name in ("engine", "other", "me")}
    allow = tmp_path / "allow"
    allow.mkdir()
    (allow / "me.key").write_bytes(found["me"][0].read_bytes())
    return {**found, "allow": allow}


def wait_for(subscriber, condition):
    """Receive until a condition holds; how long it took in seconds."""
    begin_s = time.monotonic()
    while not condition():
        assert time.monotonic() - begin_s < DEADLINE_S, subscriber.connections()
        subscriber.receive(0.02)
    return time.monotonic() - begin_s


def trouble_of(subscriber):
    return subscriber.connections()[0].trouble


def n_sessions(subscriber):
    """Publishers of which embeddings came; a status alone opens a topic's account too."""
    topic = subscriber.statistics().topics.get("embedding/a/")
    return 1 + topic.session_changes if topic and topic.received else 0


def test_a_publisher_that_is_killed_and_started_again_is_back_by_itself(engine):
    process, endpoint = engine()
    with Subscriber(endpoint) as subscriber:
        assert "nobody answers" in trouble_of(subscriber)
        wait_for(subscriber, lambda: n_sessions(subscriber) == 1)
        assert subscriber.connections()[0].up
        process.kill()
        wait_for(subscriber, lambda: trouble_of(subscriber))
        assert "lost" in trouble_of(subscriber)
        engine(endpoint)
        # How soon is measured by bench.hub.
        wait_for(subscriber, lambda: n_sessions(subscriber) == 2)
        assert trouble_of(subscriber) == ""


def test_a_connection_is_up_as_soon_as_messages_can_come_over_it():
    with Publisher(ANY) as publisher, Subscriber(publisher.endpoint) as subscriber:
        while not publisher.is_subscribed("status/a/"):
            publisher.wait(0.1)
            publisher.service()
        # Nothing was received meanwhile: the state is not that of the last look.
        assert subscriber.connections()[0].up


def test_a_publisher_that_is_stopped_for_a_while_goes_on_with_nothing_lost(engine):
    process, endpoint = engine()
    with Subscriber(endpoint) as subscriber:
        wait_for(subscriber, lambda: n_sessions(subscriber) == 1)
        os.kill(process.pid, signal.SIGSTOP)
        while subscriber.receive(0.3) is not None:
            pass
        received = subscriber.statistics().topics["embedding/a/"].received
        os.kill(process.pid, signal.SIGCONT)
        wait_for(
            subscriber,
            lambda: subscriber.statistics().topics["embedding/a/"].received > received + 5,
        )
        assert subscriber.statistics().lost == 0
        assert subscriber.statistics().renewals == 0


def test_an_encrypted_stream_arrives_at_those_who_are_allowed(engine, keys):
    _, endpoint = engine(identity=keys["engine"][1], allow=keys["allow"])
    address = f"{endpoint}?server-key={keys['engine'][0]}"
    with Subscriber(address, identity=keys["me"][1]) as subscriber:
        wait_for(subscriber, lambda: n_sessions(subscriber) == 1)
        assert subscriber.connections()[0].endpoint == endpoint


def test_a_wrong_server_key_is_said_and_heals_when_the_right_publisher_comes(engine, keys):
    process, endpoint = engine(identity=keys["other"][1], allow=keys["allow"])
    address = f"{endpoint}?server-key={keys['engine'][0]}"
    with Subscriber(address, identity=keys["me"][1]) as subscriber:
        wait_for(subscriber, lambda: "server key is wrong" in trouble_of(subscriber))
        wire_engine.end(process)
        engine(endpoint, identity=keys["engine"][1], allow=keys["allow"])
        assert wait_for(subscriber, lambda: n_sessions(subscriber) == 1) < 5
        assert trouble_of(subscriber) == ""


def test_who_is_not_in_the_allow_list_hears_so_and_is_let_in_once_it_is(engine, keys):
    (keys["allow"] / "me.key").unlink()
    _, endpoint = engine(identity=keys["engine"][1], allow=keys["allow"])
    address = f"{endpoint}?server-key={keys['engine'][0]}"
    with Subscriber(address, identity=keys["me"][1]) as subscriber:
        wait_for(subscriber, lambda: "allow-list" in trouble_of(subscriber))
        assert n_sessions(subscriber) == 0
        (keys["allow"] / "me.key").write_bytes(keys["me"][0].read_bytes())
        assert wait_for(subscriber, lambda: n_sessions(subscriber) == 1) < 5


def test_a_publisher_in_clear_text_is_refused_until_it_encrypts(engine, keys):
    process, endpoint = engine()
    address = f"{endpoint}?server-key={keys['engine'][0]}"
    with Subscriber(address, identity=keys["me"][1]) as subscriber:
        wait_for(subscriber, lambda: "does not encrypt, and" in trouble_of(subscriber))
        assert n_sessions(subscriber) == 0
        wire_engine.end(process)
        engine(endpoint, identity=keys["engine"][1], allow=keys["allow"])
        assert wait_for(subscriber, lambda: n_sessions(subscriber) == 1) < 5


def test_a_reader_without_keys_hears_what_it_needs_and_is_served_once_the_publisher_is_open(
    engine, keys
):
    process, endpoint = engine(identity=keys["engine"][1], allow=keys["allow"])
    with Subscriber(endpoint) as subscriber:
        wait_for(subscriber, lambda: "?server-key=FILE" in trouble_of(subscriber))
        wire_engine.end(process)
        engine(endpoint)
        assert wait_for(subscriber, lambda: n_sessions(subscriber) == 1) < 5


def test_one_publisher_comes_back_while_another_keeps_the_reader_busy(engine):
    _, endpoint = engine()
    _, busy = engine(ANY, "busy", period_s=0.001)
    with zmq.Context() as context, context.socket(zmq.XPUB) as raw:
        raw.linger = 0
        port = raw.bind_to_random_port("tcp://127.0.0.1")
        ends = [endpoint, busy, f"tcp://127.0.0.1:{port}"]
        with Subscriber(ends) as subscriber:
            for _ in range(4):
                raw.recv()
            raw.send_multipart([b"event/a/", b"", bytes(1024 * 1024 + 1)])
            wait_for(subscriber, lambda: subscriber.connections()[2].renewals >= 1)
            assert [state.up for state in subscriber.connections()[:2]] == [True, True]


def test_a_program_with_callbacks_is_told_why_a_connection_is_down(engine, keys):
    (keys["allow"] / "me.key").unlink()
    _, endpoint = engine(identity=keys["engine"][1], allow=keys["allow"])
    address = f"{endpoint}?server-key={keys['engine'][0]}"
    told = []
    with listen(address, on_connection=told.append, identity=keys["me"][1]):
        deadline_s = time.monotonic() + DEADLINE_S
        while not any("allow-list" in state.trouble for state in told):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        (keys["allow"] / "me.key").write_bytes(keys["me"][0].read_bytes())
        while not told[-1].up:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)


def test_key_files_are_checked(tmp_path, keys):
    public, secret = keys["engine"]
    assert secret.stat().st_mode & 0o777 == 0o600
    identity = load_identity(secret)
    assert load_public_key(public) == load_public_key(secret) == identity.public
    assert identity.secret.decode() not in repr(identity)
    with pytest.raises(ConfigurationError, match="never overwritten"):
        create_identity(tmp_path / "engine")
    with pytest.raises(ConfigurationError, match="no secret key"):
        load_identity(public)
    with pytest.raises(ConfigurationError, match="cannot read"):
        load_identity(tmp_path / "nothing")
    (tmp_path / "text.key").write_text("a shopping list\n")
    (tmp_path / "large.key").write_text(f'public-key = "{"#" * 40}"\n')
    for name in ("text.key", "large.key"):
        with pytest.raises(ConfigurationError, match="no key file"):
            load_public_key(tmp_path / name)
    mixed = secret.read_text().replace(
        identity.public.decode(), load_public_key(keys["me"][0]).decode()
    )
    (tmp_path / "mixed.key_secret").write_text(mixed)
    with pytest.raises(ConfigurationError, match="do not belong together"):
        load_identity(tmp_path / "mixed.key_secret")
    secret.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        load_identity(secret)


def test_encryption_needs_both_halves_of_its_settings(keys):
    with pytest.raises(ConfigurationError, match="both"):
        Guard.load(keys["engine"][1], None)
    with pytest.raises(ConfigurationError, match="no folder"):
        Guard.load(keys["engine"][1], keys["engine"][1])
    (keys["allow"] / "bad.key").write_text("nothing")
    with pytest.raises(ConfigurationError, match="no key file"):
        Guard.load(keys["engine"][1], keys["allow"])
    with pytest.raises(ConfigurationError, match="identity"):
        Subscriber(f"tcp://127.0.0.1:9?server-key={keys['engine'][0]}")
    assert Guard.load(None, None) is None


def test_other_machines_may_listen_only_if_encrypted_or_asked_for(keys):
    guard = Guard(load_identity(keys["engine"][1]), keys["allow"])
    with pytest.raises(ConfigurationError, match="--identity and --allow"):
        check_bind("tcp://0.0.0.0:5757", insecure=False)
    check_bind("tcp://0.0.0.0:5757", insecure=False, guarded=True)
    with pytest.raises(ConfigurationError, match="cannot be encrypted"):
        check_bind("inproc://x", insecure=False, guarded=True)
    with Publisher("tcp://0.0.0.0:*", guard=guard) as publisher:
        assert publisher.endpoint.startswith("tcp://0.0.0.0:")


def test_the_command_makes_keys_and_never_overwrites_them(command, tmp_path):
    code, out, _ = command("keys", tmp_path / "new" / "me")
    assert code == 0
    assert "me.key_secret" in out
    load_identity(tmp_path / "new" / "me.key_secret")
    code, _, err = command("keys", tmp_path / "new" / "me")
    assert code == 78
    assert "never overwritten" in err
