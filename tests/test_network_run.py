"""``streamdeep run`` on network sound, as a process: it comes back, accounts for everything, leaves nothing behind."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sound_server import SoundServer, hang, live, silence, wav_header
from tiny import noise

RATE_HZ = 8000
WAV = wav_header(RATE_HZ)


@pytest.fixture
def run(model_path):
    started = []

    def start(url, *options):
        command = [
            sys.executable, "-m", "streamdeep", "run", url, "--model", str(model_path),
            "--bind", "tcp://127.0.0.1:*", "--json", *options,
        ]  # fmt: skip
        started.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until_event(process, *names):
    """Lines up to one of these events, the last of them first."""
    for line in process.stdout:
        found = json.loads(line)
        if found["event"] in names:
            return found
    raise AssertionError(process.stderr.read())


def decoders_of(process):
    found = []
    for children in Path(f"/proc/{process.pid}/task").glob("*/children"):
        found += [int(pid) for pid in children.read_text().split()]
    return found


def test_a_run_outlives_its_source_and_accounts_for_every_sample(run):
    with SoundServer(
        live(WAV, noise(80_000)), live(WAV, noise(80_000, seed=1), then=hang)
    ) as server:
        process = run(server.url("yard?token=hidden", user="joe:secret@"))
        ready = until_event(process, "ready")
        server.started.set()
        said = [until_event(process, "network")["message"]]
        # on a busy machine a try or two come too early
        while not said[-1].endswith("sound comes again"):
            assert "next try in" in said[-1]
            said.append(until_event(process, "network")["message"])
        assert len(said) >= 2
        process.send_signal(signal.SIGINT)
        ledger = until_event(process, "ledger")
        rest, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert ledger["epochs"] == 2
    assert ledger["gap_samples"] > 0
    assert ledger["unaccounted"] == ledger["in_flight"] == 0
    assert ledger["captured"] == ledger["embedded"] + ledger["skipped"] + sum(
        ledger["dropped"].values()
    )
    everything = json.dumps([ready, said, ledger]) + rest + err
    assert not any(word in everything for word in ("joe", "secret", "hidden"))
    assert f"127.0.0.1-{server.port}-yard" in ready["stream"]


def test_a_source_that_cannot_be_had_ends_a_run_with_one_line_and_66(run):
    process = run("http://joe:secret@127.0.0.1:1/a.wav")
    out, err = process.communicate(timeout=30)
    assert process.returncode == 66
    assert out == ""
    assert err == "streamdeep: http://127.0.0.1:1/a.wav: Connection refused\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_gone_leaves_no_decoder_behind(run, number):
    with SoundServer(live(WAV, noise(80_000), then=hang)) as server:
        process = run(server.url())
        until_event(process, "ready")
        (decoder,) = decoders_of(process)
        process.send_signal(number)
        process.wait(10)
        deadline_s = time.monotonic() + 10
        while Path(f"/proc/{decoder}").exists() and time.monotonic() < deadline_s:
            state = Path(f"/proc/{decoder}/stat").read_text().rsplit(")", 1)[1].split()[0]
            if state == "Z":  # nobody here waits for orphans
                break
            time.sleep(0.02)
        else:
            assert not Path(f"/proc/{decoder}").exists()


def test_the_url_stands_in_no_decoders_arguments(run):
    with SoundServer(silence) as server:
        process = run(server.url("a", user="joe:secret@"))
        while not server.requests:
            time.sleep(0.01)
        (decoder,) = decoders_of(process)
        arguments = Path(f"/proc/{decoder}/cmdline").read_bytes()
        assert b"decoding_child" in arguments
        assert b"secret" not in arguments
        assert b"secret" not in Path(f"/proc/{decoder}/environ").read_bytes()
        process.send_signal(signal.SIGINT)  # while it still opens
        assert process.wait(10) == 130
