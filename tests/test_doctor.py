"""The doctor finds what is wrong, says how to mend it, and is content with what is right."""

import json
import resource
import socket
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import cuttings
from tiny import LEVEL, noise, tiny_content, tiny_model

from streamdeep.doctor import installation
from streamdeep.doctor.hearing import Advice, Hearing
from streamdeep.doctor.listening import advice_for, listen
from streamdeep.doctor.sound_cards import sound_cards
from streamdeep.errors import MissingDependencyError, SourceError
from streamdeep.wire.kinds import ClockPoint
from streamdeep.wire.publisher import Publisher

RATE_HZ = 8000
ADVICE = Advice("streamdeep run mic", "turn it up", "turn it down", "unmute it")
TIME = np.arange(10 * RATE_HZ)[:, None] / RATE_HZ


def at_level(dbfs, n_channels=1):
    return np.random.default_rng(1).standard_normal((len(TIME), n_channels)) * 10 ** (dbfs / 20)


def heard(samples, contract=None):
    samples = samples.astype(np.float32)
    hearing = Hearing(RATE_HZ, samples.shape[1])
    hearing.push(samples)
    found = hearing.findings(contract or tiny_model(level=LEVEL).contract, ADVICE)
    return {one.check: one for one in found}


def test_sound_that_fits_the_model_is_left_alone():
    found = heard(at_level(-30.0))
    assert {one.state for one in found.values()} == {"ok"}
    assert not any(one.fix for one in found.values())
    assert found["level"].values["level_dbfs"] == pytest.approx(-30.0, abs=0.5)


@pytest.mark.parametrize(("dbfs", "gain_db"), [(-45.0, 10), (-10.0, -15)])
def test_too_quiet_or_too_loud_sound_gets_a_gain_to_type(dbfs, gain_db):
    level = heard(at_level(dbfs))["level"]
    assert level.state == "look here"
    assert level.values["gain_db"] == pytest.approx(gain_db, abs=1)
    assert level.fix == f"streamdeep run mic --gain-db {level.values['gain_db']:g}"


def test_what_is_far_too_quiet_is_turned_up_first_where_it_is_captured():
    assert heard(at_level(-75.0))["level"].fix.startswith("turn it up; and then")


def test_a_model_without_levels_gets_no_recommendation():
    level = heard(at_level(-75.0), tiny_model().contract)["level"]
    assert (level.state, level.fix) == ("ok", "")


@pytest.mark.parametrize("samples", [TIME * 0, TIME * 0 + 1e-5, TIME[:0]])
def test_silence_is_broken(samples):
    (found,) = heard(samples).values()
    assert (found.state, found.fix) == ("broken", "unmute it")


def test_a_dead_channel_is_named_and_left_out():
    samples = at_level(-30.0, 3)
    samples[:, 1] = 0
    channels = heard(samples)["channels"]
    assert channels.state == "look here"
    assert channels.fix.endswith("--channels 3 --select 1,3")


def test_clipping_is_counted_and_turned_down_at_the_source():
    clipping = heard(np.clip(at_level(-6.0), -1, 1))["clipping"]
    assert (clipping.state, clipping.fix) == ("look here", "turn it down")
    assert clipping.values["clipped_samples"] > 0


def test_a_constant_voltage_is_seen():
    assert heard(at_level(-30.0) + 0.05)["offset"].state == "look here"
    assert heard(at_level(-30.0) + 0.001)["offset"].state == "ok"


@pytest.mark.parametrize("mains_hz", [50, 60])
def test_hum_is_told_from_music(mains_hz):
    hum = 0.01 * (np.sin(2 * np.pi * mains_hz * TIME) + np.sin(4 * np.pi * mains_hz * TIME))
    found = heard(hum + at_level(-50.0))["hum"]
    assert found.state == "look here"
    assert found.message.startswith(f"{mains_hz} Hz")
    # A tone of the same pitch that comes and goes is none.
    assert heard(hum * (np.floor(TIME) % 2) + at_level(-50.0))["hum"].state == "ok"
    assert heard(0.01 * np.sin(2 * np.pi * 440 * TIME) + at_level(-50.0))["hum"].state == "ok"


def test_samples_that_are_no_numbers_are_told():
    samples = at_level(-30.0)
    samples[100] = np.nan
    assert "1 samples are no numbers" in heard(samples)["sound"].message


@settings(max_examples=20, deadline=None)
@given(lengths=cuttings(9000))
def test_what_is_heard_does_not_depend_on_how_it_came(lengths):
    samples = noise(9000, 2)
    hearing, at = Hearing(RATE_HZ, 2), 0
    for length in lengths:
        hearing.push(samples[at : at + length])
        at += length
    contract = tiny_model(level=LEVEL).contract
    assert hearing.findings(contract, ADVICE) == list(heard(samples, contract).values())


def test_ten_seconds_of_a_file_are_heard_and_no_more(write_sound):
    path = write_sound("long.wav", np.concatenate([at_level(-30.0), 0 * TIME + 1.0]))
    told = []
    found = listen(str(path), tiny_model(level=LEVEL).contract, progress=told.append)
    assert {one.state for one in found} == {"ok"}
    assert told[-1] == 10.0
    with pytest.raises(SourceError):
        listen(f"{path}.none", tiny_model(level=LEVEL).contract)


def test_advice_is_a_command_that_can_be_typed():
    assert advice_for("a b.wav").run == "streamdeep run 'a b.wav'"
    assert "mute" in advice_for("mic").wake


# --- the installation ------------------------------------------------------------------------------------


@pytest.fixture
def installed(monkeypatch):
    def pretend(requirements, versions):
        def version(name):
            if name not in versions:
                raise installation.PackageNotFoundError(name)
            return versions[name]

        monkeypatch.setattr(installation, "requires", lambda name: requirements)
        monkeypatch.setattr(installation, "version", version)

    return pretend


def test_a_missing_and_an_old_library_are_installed_by_one_command(installed):
    needs = ["numpy>=2.1", "onnx>=1.17", "rich>=13", 'av>=14; extra == "network"']
    installed(needs, {"numpy": "2.10.0", "onnx": "1.9.3"})
    libraries, extras = installation.libraries()
    assert libraries.state == "broken"
    assert libraries.fix == "pip install --upgrade 'onnx>=1.17' 'rich>=13'"
    assert extras.state == "ok"  # nobody needs them all
    assert extras.fix == "pip install 'streamdeep[network]'"


def test_a_complete_installation_needs_nothing(installed):
    installed(["numpy>=2", "av>=14.0; extra == 'network'"], {"numpy": "2.0rc1", "av": "14"})
    assert [(one.state, one.fix) for one in installation.libraries()] == [("ok", "")] * 2


def test_what_this_environment_has_is_enough():
    libraries, *_ = installation.libraries()
    assert libraries.state == "ok", libraries.message
    assert installation.python().state == installation.Clocks().look().state == "ok"


def test_a_cache_that_cannot_be_written_is_broken(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "numba"))
    found = installation.compiler_cache(tiny_model().contract.frontend)
    assert found.state == "broken"
    assert "NUMBA_CACHE_DIR" in found.fix


def test_few_descriptors_are_told(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 1000))
    found = installation.descriptors()
    assert (found.state, found.fix) == ("look here", "ulimit -n 1000")


def test_a_clock_that_is_set_meanwhile_is_told(monkeypatch):
    clocks = installation.Clocks()
    now_s = installation.time.time()
    monkeypatch.setattr(installation.time, "time", lambda: now_s + 3)
    assert "+3.0" in clocks.look().message


def test_an_address_is_free_or_an_engines_or_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        found = installation.address(endpoint)
        assert (found.state, found.fix) == (
            "look here",
            "streamdeep run mic --bind 'tcp://127.0.0.1:*'",
        )
    assert installation.address(endpoint).message == f"{endpoint} is free for `streamdeep run`"
    with Publisher("tcp://127.0.0.1:*") as publisher:
        clock = ClockPoint(0, 0, 0, RATE_HZ)
        publisher.publish_status("hall", counters={}, clock=clock, uptime_s=0.0, live=True)
        end = serve_joins(publisher)
        found = installation.address(publisher.endpoint)
        end()
    assert found.state == "ok"
    assert "1 streams (hall)" in found.message


def serve_joins(publisher):
    """Serve joins until told to end."""
    over = threading.Event()

    def serve():
        while not over.is_set():
            publisher.wait(0.05)
            publisher.service()

    thread = threading.Thread(target=serve)
    thread.start()

    def end():
        over.set()
        thread.join()

    return end


@pytest.mark.parametrize(("needed", "state"), [(False, "look here"), (True, "broken")])
def test_without_portaudio_all_else_goes_on(monkeypatch, needed, state):
    def missing():
        raise MissingDependencyError("no library")

    monkeypatch.setattr("streamdeep.audio.portaudio.input_devices", missing)
    found = sound_cards(needed=needed)
    assert found.state == state
    assert "apt install libportaudio2" in found.fix or found.fix == "no library"
    monkeypatch.setattr("streamdeep.audio.portaudio.input_devices", list)
    assert sound_cards(needed=needed).state == state


# --- the command -----------------------------------------------------------------------------------------


@pytest.fixture
def findings(command):
    def look(*arguments):
        code, out, err = command(
            "doctor", *arguments, "--json", "--connect", "tcp://127.0.0.1:5799"
        )
        assert err == ""
        return code, {line["check"]: line for line in map(json.loads, out.splitlines())}

    return look


def test_a_whole_visit_with_a_file(findings, tmp_path, write_sound):
    model_path = tmp_path / "levels.onnx"
    model_path.write_bytes(tiny_content(level=LEVEL))
    path = write_sound("quiet.wav", at_level(-50.0))
    code, found = findings(path, "--model", model_path)
    assert code == 0
    assert {"python", "libraries", "extras", "open files", "sound cards", "address", "model", "head",
            "compiler cache", "speed", "sound", "clipping", "offset", "hum", "level", "clocks"} == set(found)  # fmt: skip
    assert found["model"]["state"] == "ok"
    assert found["head"]["state"] == "look here"  # the embedded one is another encoder's
    assert 0 < found["speed"]["percent_of_a_core"] < 100
    assert found["level"]["gain_db"] == pytest.approx(15, abs=1)
    assert f"--gain-db {found['level']['gain_db']:g}" in found["level"]["fix"]


def test_a_damaged_model_is_broken_and_the_rest_is_still_looked_at(findings, model_path):
    content = bytearray(model_path.read_bytes())
    content[len(content) // 2] ^= 1
    model_path.write_bytes(content)
    code, found = findings("--model", model_path)
    assert code == 1
    assert found["model"]["state"] == "broken"
    assert found["model"]["fix"] == f"streamdeep verify {model_path}"
    assert found["clocks"]["state"] == "ok"


def test_a_person_gets_a_line_each_and_what_to_type(command, model_path):
    model_path.write_bytes(b"")
    code, out, _ = command("doctor", "--model", model_path, "--connect", "tcp://127.0.0.1:5799")
    lines = out.splitlines()
    assert code == 1
    assert any(line.startswith("broken     model: ") for line in lines)
    assert f"           → streamdeep verify {model_path}" in lines
    assert lines[-1].startswith("broken: model")
