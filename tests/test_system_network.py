"""Real servers: the ffmpeg program sends, is killed in the middle, and sends again."""

import shutil
import socket
import subprocess
import time

import pytest

from streamdeep.audio.address import parse_address
from streamdeep.audio.network import NetworkSource
from streamdeep.audio.ring import single_ring

pytestmark = pytest.mark.system

RATE_HZ = 16000
SENDERS = {
    "http": ("libmp3lame", "mp3", "http://127.0.0.1:{}/radio.mp3"),
    "rtmp": ("aac", "flv", "rtmp://127.0.0.1:{}/live/yard"),
}


@pytest.fixture
def send():
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is missing: needs the Debian package ffmpeg")
    started = []

    def start(codec, kind, url):
        command = [
            "ffmpeg", "-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", f"sine=440:r={RATE_HZ}",
            "-c:a", codec, "-b:a", "64k", "-ar", str(RATE_HZ), "-f", kind, "-listen", "1", url,
        ]  # fmt: skip
        started.append(subprocess.Popen(command))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("scheme", SENDERS)
def test_a_server_that_is_killed_and_started_again_is_heard_again(send, scheme):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    codec, kind, template = SENDERS[scheme]
    url, notes, blocks = template.format(port), [], []
    first = send(codec, kind, url)
    source = NetworkSource(
        parse_address(url),
        sample_rate_hz=RATE_HZ,
        n_channels=1,
        note=lambda event, message: notes.append(message),
    )
    ring = single_ring(1 << 20, 1, RATE_HZ)
    source.start(ring)

    def read_until(found):
        deadline_s = time.monotonic() + 60
        while not found():
            assert time.monotonic() < deadline_s, (notes, ring.error)
            if (block := ring.read(1 << 20)) is not None:
                blocks.append(block)
            else:
                time.sleep(0.01)

    def gaps():
        return [block for block in blocks if block.gap_samples]

    try:
        read_until(lambda: sum(len(block.samples) for block in blocks) > 2 * RATE_HZ)
        assert not gaps()
        first.kill()
        first.wait()
        read_until(lambda: any("next try" in note for note in notes[-1:]))
        send(codec, kind, url)
        read_until(gaps)
        n_then = sum(len(block.samples) for block in blocks)
        read_until(lambda: sum(len(block.samples) for block in blocks) > n_then + RATE_HZ)
    finally:
        source.stop()
    assert len(gaps()) == source.n_reconnects == 1
    assert gaps()[0].gap_estimated
    assert gaps()[0].gap_samples > RATE_HZ / 2
