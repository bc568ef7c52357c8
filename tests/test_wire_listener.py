"""What a listener needs: little from us, and nothing from us if it speaks the protocol itself."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from streamdeep.records import Embedding
from streamdeep.wire.publisher import Publisher
from streamdeep.wire.topics import RAW_KINDS

ROOT = Path(__file__).resolve().parents[1]
PROTOCOL = ROOT / "docs" / "protocol.md"
GOLDEN = ROOT / "tests" / "golden" / "wire_v1"
HEAVY = "numba llvmlite rocket_fft onnxruntime onnx pydantic sounddevice soundfile soxr scipy torch".split()


def block(language, *, containing):
    """The one code block of the protocol's description that holds a text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PROTOCOL.read_text(), re.DOTALL)
    (found,) = [each for each in blocks if containing in each]
    return found


@pytest.mark.parametrize("module", ["subscriber", "publisher"])
def test_importing_the_wire_brings_in_nothing_heavy(module):
    script = f"import sys, streamdeep.wire.{module}; print(sorted(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_client_in_the_documentation_reads_a_live_publisher(tmp_path):
    script = tmp_path / "client.py"
    script.write_text(block("python", containing="zmq.SUB"))
    imported = set(re.findall(r"^import (\w+)", script.read_text(), re.MULTILINE))
    assert imported <= {"array", "struct", "sys", "msgpack", "zmq"}
    vector = np.array([0.5, -1.0, 0.25, 3.0], np.float32)
    with Publisher("tcp://127.0.0.1:*") as publisher:
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(
            [sys.executable, str(script), publisher.endpoint],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        ) as client:
            try:
                deadline_s = time.monotonic() + 30
                while publisher.subscriptions < 2:
                    assert time.monotonic() < deadline_s
                    publisher.wait(0.1)
                    publisher.service()
                embedding = Embedding(vector, 0, 44100, 220500, 44100, -20.0, -3.0)
                for n_never_sent in (0, 0, 2):
                    last = publisher.last_sequences("host.mic").get("embedding/host.mic/", -1)
                    publisher._sequences["host.mic"]["embedding/host.mic/"] = last + n_never_sent
                    publisher.publish_embedding(
                        "host.mic",
                        embedding,
                        model=b"12345678",
                        captured_monotonic_ns=0,
                        stages_ns={},
                    )
                lines = [client.stdout.readline() for _ in range(3)]
            finally:
                client.kill()
    start = "host.mic 1.000 5.000 4 [0.5, -1.0, 0.25] lost"
    assert lines == [f"{start} 0\n", f"{start} 0\n", f"{start} 2\n"]


def test_the_worked_example_is_the_golden_message():
    dump = block("text", containing="65 6d 62 65")
    found = bytes.fromhex("".join(re.findall(r"^[0-9a-f ]{2,48}", dump, re.MULTILINE)))
    data, frames = (GOLDEN / "embedding.bin").read_bytes(), b""
    while data:
        length = int.from_bytes(data[:4], "little")
        frames += data[4 : 4 + length]
        data = data[4 + length :]
    assert found == frames


def test_every_key_of_every_golden_message_is_documented():
    import msgpack

    text = PROTOCOL.read_text()
    for path in GOLDEN.glob("*.bin"):
        data, frames = path.read_bytes(), []
        while data:
            length = int.from_bytes(data[:4], "little")
            frames.append(data[4 : 4 + length])
            data = data[4 + length :]
        keys = set(msgpack.unpackb(frames[1]))
        if path.stem not in RAW_KINDS:
            keys |= set(msgpack.unpackb(frames[2]))
        assert {key for key in keys if f"`{key}`" not in text} == set()
