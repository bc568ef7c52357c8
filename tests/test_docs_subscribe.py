"""Every snippet of docs/subscribe.md runs, and every command in it and in docs/hub.md is one that there is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import wire_engine
import zmq

from streamdeep.wire import trouble

DOCS = Path(__file__).resolve().parents[1] / "docs"
ENDPOINT = "tcp://127.0.0.1:5757"
SNIPPETS = re.findall(r"```python\n(.*?)```", (DOCS / "subscribe.md").read_text(), re.DOTALL)
COMMANDS = [
    line.partition("#")[0]
    for page in ("subscribe.md", "hub.md")
    for line in re.findall(r"^streamdeep .*", (DOCS / page).read_text(), re.MULTILINE)
]
PRINTS = (
    r"a 0\.00 s \(4,\) -20\.0\n(.*\n)+0 lost on the way",
    r"a 0 \[0\. 0\. 0\.\]\n",
    rf"(?s)(?=.*{ENDPOINT} is up\n)(?=.*a 29\n).*\n0 lost, \{{\}} errors in callbacks",
    r"a 0\n\d+ skipped",
    r"stream +captured_utc +level_dbfs\n(.*\n)+\(20, 4\) fixed_size_list<.*: float(32)?.*>\[4\]",
    rf"embedding/a/ \d+ received, 0 lost, age \d\.\d+\n(.*\n)*{ENDPOINT} connected",
)


def test_there_is_something_to_run():
    assert len(SNIPPETS) == len(PRINTS)
    assert len(COMMANDS) > 6


@pytest.mark.parametrize("index", range(len(PRINTS)))
def test_a_snippet_runs_as_it_stands(index):
    process, endpoint = wire_engine.start(
        "tcp://127.0.0.1:*", "a", period_s=0.02, n_most=30, wait=True
    )
    # Only the address and the patience are others here.
    script = SNIPPETS[index].replace(ENDPOINT, endpoint).replace("timeout_s=10", "timeout_s=0.5")
    script = script.replace("receive(1.0)", "receive(0.3)")
    try:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        wire_engine.end(process)
    assert done.stderr == ""
    assert done.returncode == 0
    assert re.search(PRINTS[index], done.stdout.replace(endpoint, ENDPOINT)), done.stdout


@pytest.mark.parametrize("line", sorted(set(COMMANDS)))
def test_a_command_in_the_documentation_has_the_options_that_it_is_given(line, command):
    words = line.split()
    code, out, _ = command(words[1], "--help")
    assert code == 0
    assert all(word in out for word in words if word.startswith("--"))


def test_every_trouble_that_is_told_is_explained():
    text = (DOCS / "subscribe.md").read_text()
    mismatch, keys = (
        zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH, zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC,
    )  # fmt: skip
    failures = [
        (zmq.Event.HANDSHAKE_FAILED_AUTH, 400),
        (zmq.Event.HANDSHAKE_FAILED_NO_DETAIL, 0),
        (zmq.Event.HANDSHAKE_FAILED_PROTOCOL, mismatch),
        (zmq.Event.HANDSHAKE_FAILED_PROTOCOL, keys),
    ]
    told = {trouble.NOT_YET, trouble.LOST} | {
        trouble.handshake_trouble(*failure, encrypted=encrypted)
        for failure in failures
        for encrypted in (False, True)
    }
    assert len(told) > 6
    assert [each for each in told if f"| {each} |" not in text] == []
