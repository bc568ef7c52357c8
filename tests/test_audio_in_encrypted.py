"""Sound comes in encrypted: from devices that the engine knows, and they know the engine."""

import json
import signal

import pytest
import soundfile
from test_audio_in_processes import (
    DEADLINE_S,
    a_free_address,
    finished,
    line_with,
    started_programs,
)
from test_audio_in_processes import program as program
from tiny import noise, tiny_content

from streamdeep.wire.audiosockets import AudioLink, AudioListener
from streamdeep.wire.gate import Guard
from streamdeep.wire.keys import create_identity, load_identity
from streamdeep.wire.messages import HEADER_BYTES, PAYLOAD_BYTES


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Keys of an engine, of a device that it knows, and of a stranger."""
    folder = tmp_path_factory.mktemp("keys")
    found = {name: create_identity(folder / name) for name in ("engine", "device", "stranger")}
    allow = folder / "allow"
    allow.mkdir()
    (allow / "device.key").write_bytes(found["device"][0].read_bytes())
    return {**found, "allow": allow}


@pytest.fixture(scope="module")
def address(tmp_path_factory, keys):
    """Where an engine takes sound in that other machines could reach."""
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    path.write_bytes(tiny_content())
    programs = started_programs()
    process = next(programs)(
        "run", "--audio-in", "tcp://0.0.0.0:*", "--model", path, "--bind", "tcp://127.0.0.1:*", "--json",
        "--identity", keys["engine"][1], "--allow", keys["allow"],
    )  # fmt: skip
    port = line_with(process, "ready")["audio_in"].rpartition(":")[2]
    yield f"tcp://127.0.0.1:{port}"
    process.send_signal(signal.SIGTERM)
    assert set(finished(process)) <= {"allowed"}  # nobody else had a stream here
    next(programs, None)


@pytest.fixture
def sending(program, tmp_path):
    """Send a second of sound, and give up soon."""
    path = tmp_path / "sound.wav"
    soundfile.write(path, noise(8_000), 8000)

    def send(connect, *options):
        process = program(
            "send", path, "--connect", connect, "--pace", "max", "--linger-s", "1.5", "--json", *options
        )  # fmt: skip
        out, err = process.communicate(timeout=DEADLINE_S)
        return process.returncode, [json.loads(line) for line in out.splitlines()], err

    return send


def test_a_device_that_is_allowed_is_heard_and_its_sound_is_all_taken(address, keys, sending):
    code, lines, err = sending(
        f"{address}?server-key={keys['engine'][0]}", "--identity", keys["device"][1],
        "--stream", "allowed",
    )  # fmt: skip
    assert code == 0, err
    assert (lines[-1]["captured"], lines[-1]["taken"]) == (8_000, 8_000)


@pytest.mark.parametrize(
    ("server", "who", "words"),
    [
        ("engine", "stranger", "refused by the engine's allow-list: our public key is not in it"),
        ("stranger", "device", "the server key is wrong"),
        (None, None, "encrypted"),
    ],
    ids=["stranger", "wrong-server-key", "clear-text"],
)
def test_who_is_not_let_in_is_told_why_and_keeps_the_sound(
    address, keys, sending, server, who, words
):
    connect = address if server is None else f"{address}?server-key={keys[server][0]}"
    options = () if who is None else ("--identity", keys[who][1])
    code, lines, err = sending(connect, *options)
    assert code == 69
    assert "no engine took the last 8,000 samples; " in err
    assert len(err.strip().splitlines()) == 1
    assert (lines[-1]["taken"], lines[-1]["waiting"]) == (0, 8_000)
    assert any(line["event"] == "away" and words in line["message"] for line in lines)


def test_a_device_with_keys_does_not_speak_to_an_engine_without(keys):
    listener = AudioListener("tcp://127.0.0.1:*", insecure=False)
    link = AudioLink(
        f"{listener.endpoint}?server-key={keys['engine'][0]}",
        identity=load_identity(keys["device"][1]),
    )
    try:
        until(lambda: link.trouble, link, listener)
        assert "does not encrypt" in link.trouble  # which end says so first is chance
        assert not link.up
    finally:
        link.close()
        listener.close()


def until(condition, link, listener):
    """Turn both ends until it holds."""
    for _ in range(round(DEADLINE_S / 0.01)):
        link.step()
        if (found := condition()) or (found := listener.receive()):
            return found
        listener.wait(0.01)
    raise AssertionError(link.trouble)


def test_the_longest_messages_are_not_too_long_when_they_are_encrypted(keys):
    guard = Guard(load_identity(keys["engine"][1]), keys["allow"])
    listener = AudioListener("tcp://127.0.0.1:*", insecure=False, guard=guard)
    link = AudioLink(
        f"{listener.endpoint}?server-key={keys['engine'][0]}",
        identity=load_identity(keys["device"][1]),
    )
    try:
        until(lambda: link.up, link, listener)
        assert link.send([bytes(PAYLOAD_BYTES)])
        route, frames = until(lambda: None, link, listener)
        assert len(frames[0]) == PAYLOAD_BYTES
        listener.send(route, [bytes(HEADER_BYTES)])
        answer = until(link.receive, link, listener)
        assert len(answer[0]) == HEADER_BYTES
        assert link.connections == 1
    finally:
        link.close()
        listener.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--identity", "SECRET"), "both"),
        (("--allow", "FOLDER"), "both"),
        ((), "--identity and --allow"),
    ],
    ids=["no-list", "no-identity", "neither"],
)
def test_an_engine_that_others_reach_needs_both_halves_of_its_settings(
    command, keys, model_path, options, words
):
    places = {"SECRET": keys["engine"][1], "FOLDER": keys["allow"]}
    code, _, err = command(
        "run", "--audio-in", "tcp://0.0.0.0:*", "--model", model_path, "--bind", "tcp://127.0.0.1:*",
        *(places.get(option, option) for option in options),
    )  # fmt: skip
    assert code == 78
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_a_server_key_without_an_identity_is_a_mistake_in_one_line(command, keys, sound_path):
    code, _, err = command(
        "send", sound_path, "--connect", f"{a_free_address()}?server-key={keys['engine'][0]}"
    )
    assert code == 78
    assert "--identity" in err
    assert len(err.strip().splitlines()) == 1
