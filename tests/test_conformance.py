"""The conformance test: its bytes never change, our own subscriber passes, and a wrong client is found out."""

import hashlib
import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from streamdeep.errors import MessageError
from streamdeep.wire.conformance.case import Moment
from streamdeep.wire.conformance.cases import all_cases
from streamdeep.wire.conformance.judge import judge
from streamdeep.wire.messages import unpack

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden" / "conformance_v1"
CLIENT = ROOT / "tests" / "conformance_client.py"
CASES = all_cases(Moment())


def as_bytes(case):
    """Per message the number of its frames, and each frame after its length; all little-endian 32 bits."""
    data = b""
    for frames in case.messages:
        data += struct.pack("<I", len(frames))
        data += b"".join(struct.pack("<I", len(frame)) + frame for frame in frames)
    return data


def right_lines():
    refused = 0
    for case in CASES:
        lines = [
            dict(line.values) | ({} if line.age_s is None else {"age_s": line.age_s})
            for line in case.lines
        ]
        for line in lines:
            last = line is lines[-1]
            yield line | {"refused": refused + (case.refused if last else 0)}
        refused += case.refused


def faults(lines):
    printed = [json.dumps(line) if isinstance(line, dict) else line for line in lines]
    return {verdict.case: verdict.fault for verdict in judge(CASES, printed) if verdict.fault}


def changed(stream, **changes):
    """What is wrong if the last line of a stream is changed."""
    lines = list(right_lines())
    place = max(i for i, line in enumerate(lines) if line["stream"] == stream)
    lines[place] |= changes
    return faults(lines)


def test_the_played_bytes_are_the_released_ones():
    released = json.loads((GOLDEN / "cases.json").read_text())["cases"]
    assert [case.name for case in CASES] == list(released)
    for case in CASES:
        data, about = as_bytes(case), released[case.name]
        assert hashlib.sha256(data).hexdigest() == about["sha256"], case.name
        assert [dict(line.values) for line in case.lines] == about["lines"], case.name
        assert case.refused == about["refused"], case.name
        if len(data) < 65_536:
            assert (GOLDEN / f"{case.name}.bin").read_bytes() == data


def test_every_case_is_documented_in_its_order():
    rows = [f"| `{case.name}` | {case.about} |" for case in CASES]
    assert "\n".join(rows) in (ROOT / "docs" / "conformance.md").read_text()


def test_every_kind_is_played():
    kinds = {line.values["kind"] for case in CASES for line in case.lines}
    assert kinds == {"embedding", "early", "event", "label", "model", "status"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_our_reader_refuses_what_the_case_says(case):
    refused = 0
    for frames in case.messages:
        if frames[0].startswith(b"spectrum/"):
            continue  # nobody subscribes to it
        try:
            unpack(frames)
        except MessageError:
            refused += 1
    assert refused == case.refused


def test_our_own_subscriber_passes_over_a_real_socket(command):
    code, out, err = command("conformance", "--json", "--", sys.executable, CLIENT, "{endpoint}")
    found = [json.loads(line) for line in out.splitlines()]
    assert [one for one in found if not one["passed"]] == []
    assert [one["case"] for one in found] == [case.name for case in CASES]
    assert (code, err) == (0, "")


def test_without_a_client_to_start_it_plays_to_whoever_connects():
    pipe = subprocess.PIPE
    play = [sys.executable, "-m", "streamdeep", "conformance", "--json"]
    with subprocess.Popen(play, stdout=pipe, stderr=pipe, text=True) as player:
        endpoint = player.stderr.readline().split()[2]
        with subprocess.Popen([sys.executable, CLIENT, endpoint], stdout=pipe, text=True) as client:
            out, _ = player.communicate(timeout=60)
            lines = []
            for line in client.stdout:
                lines.append(json.loads(line))
                if lines[-1]["stream"] == "end":
                    break
            client.kill()
    assert player.returncode == 0
    told = [json.loads(line) for line in out.splitlines()]
    assert [one["case"] for one in told] == [case.name for case in CASES]
    assert faults(lines) == {}


def test_right_lines_pass():
    assert faults(right_lines()) == {}


def test_an_event_of_a_later_release_need_not_be_printed():
    assert faults(line for line in right_lines() if line.get("event") != "lunch_break") == {}


@pytest.mark.parametrize(
    ("stream", "changes", "fault"),
    [
        ("loss", {"lost": 10}, "lost must be 11, found 10"),
        ("loss", {"lost": "11"}, "lost must be 11"),
        ("unknown-keys", {"kind": "event"}, "kind must be 'status'"),
        ("frames", {"refused": 0}, "3 messages must be refused"),
        ("frames", {"refused": None}, "refused must be an integer"),
    ],
)
def test_a_wrong_line_fails_its_case_only(stream, changes, fault):
    found = changed(stream, **changes)
    assert fault in found.pop(stream)
    # A count that is wrong once shifts the next case's at most.
    assert len(found) <= ("refused" in changes)


def test_integers_rounded_to_doubles_are_found_out():
    lines = list(right_lines())
    for line in lines:
        for key, value in line.items():
            if key != "dim" and type(value) is int:
                line[key] = int(float(value))
    assert list(faults(lines)) == ["big-integers"]


@pytest.mark.parametrize("kind", ["embedding", "status", "event"])
def test_a_missing_line_is_found_out(kind):
    assert faults(line for line in right_lines() if line["kind"] != kind)["every-kind"]


def test_a_client_that_prints_repeats_is_found_out():
    assert faults(line for one in right_lines() for line in (one, one))["repeats"]


def test_the_age_of_an_utc_clock_is_not_taken_for_this_hosts():
    lines = list(right_lines())
    for line in lines:
        if line["stream"] == "same-host" and line["kind"] == "embedding":
            line["age_s"] = 1.5
    assert list(faults(lines)) == ["same-host"]


def test_other_output_is_named():
    assert faults([*right_lines(), "hello"]) == {"other lines": "belongs to no case: 'hello'"}


@pytest.mark.parametrize(
    ("client", "complaint"),
    [
        ([sys.executable, "-c", ""], "ended before it had subscribed"),
        (["/nowhere/client"], "cannot start '/nowhere/client'"),
    ],
)
def test_a_client_that_does_not_come_is_one_line(command, client, complaint):
    code, out, err = command("conformance", "--", *client)
    assert (code, out, err.count("\n")) == (78, "", 1)
    assert complaint in err


def test_a_client_that_is_wrong_ends_with_1(command):
    script = "import sys, zmq; s = zmq.Context().socket(zmq.SUB); s.subscribe(''); s.connect(sys.argv[1])\nwhile b'end' not in s.recv_multipart()[0]: pass\nprint('\"end\"', flush=True)"
    code, out, _ = command("conformance", "--", sys.executable, "-c", script, "{endpoint}")
    assert code == 1
    assert "0 of " in out
