"""Sound in packets, RTP and MPEG-TS over UDP: what the network loses on the way is a gap of exactly so much."""

import socket
import threading
import time

import av
import numpy as np
import pytest
from rtsp_server import PACKET_SAMPLES, RtspCamera

from streamdeep.audio.address import parse_address
from streamdeep.audio.network import NetworkSource
from streamdeep.audio.ring import single_ring

PACKET = 160


def free_port():
    """An even UDP port with the next one free too, for RTP and RTCP."""
    while True:
        with (
            socket.socket(type=socket.SOCK_DGRAM) as one,
            socket.socket(type=socket.SOCK_DGRAM) as two,
        ):
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            if port % 2 or port > 65_000:
                continue
            try:
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


class Sender:
    """Sends noise by PyAV, faster than in real time, through a relay that loses the packets it is told to."""

    def __init__(self, scheme, kind, codec, rate_hz):
        self.port, self._inner = free_port(), socket.socket(type=socket.SOCK_DGRAM)
        self._inner.bind(("127.0.0.1", 0))
        self._inner.settimeout(0.1)
        self.lose = 0
        self.lost = []
        self._ending = threading.Event()
        inner = f"{scheme}://127.0.0.1:{self._inner.getsockname()[1]}?pkt_size=1316"
        self._threads = [
            threading.Thread(target=self._send, args=(inner, kind, codec, rate_hz)),
            threading.Thread(target=self._relay),
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        for thread in self._threads:
            thread.join()
        self._inner.close()

    def _send(self, url, kind, codec, rate_hz):
        random, at = np.random.default_rng(0), 0
        with av.open(url, "w", format=kind) as out:
            stream = out.add_stream(codec, rate=rate_hz, layout="mono")
            while not self._ending.wait(0.003):
                samples = random.integers(-9000, 9000, (1, PACKET)).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
                frame.sample_rate, frame.pts = rate_hz, at
                at += PACKET
                out.mux(stream.encode(frame))

    def _relay(self):
        with socket.socket(type=socket.SOCK_DGRAM) as outer:
            while not self._ending.is_set():
                try:
                    packet = self._inner.recv(4096)
                except TimeoutError:
                    continue
                if self.lose:
                    self.lose -= 1
                    self.lost.append(packet)
                    continue
                outer.sendto(packet, ("127.0.0.1", self.port))


@pytest.mark.parametrize(
    ("scheme", "kind", "codec", "rate_hz"),
    [("rtp", "rtp", "pcm_mulaw", 8000), ("udp", "mpegts", "mp2", 16000)],
)
def test_lost_packets_are_a_gap_of_exactly_so_many_samples(scheme, kind, codec, rate_hz):
    notes, blocks = [], []
    with Sender(scheme, kind, codec, rate_hz) as sender:
        source = NetworkSource(
            parse_address(f"{scheme}://127.0.0.1:{sender.port}"),
            sample_rate_hz=rate_hz,
            n_channels=1,
            note=lambda event, message: notes.append(message),
        )
        ring = single_ring(1 << 20, 1, rate_hz)
        source.start(ring)

        def read_until(found):
            deadline_s = time.monotonic() + 20
            while not found():
                assert time.monotonic() < deadline_s, (notes, ring.error)
                if (block := ring.read(1 << 20)) is not None:
                    blocks.append(block)
                else:
                    time.sleep(0.002)

        def n_samples():
            return sum(len(block.samples) for block in blocks)

        try:
            read_until(lambda: n_samples() > 4000)
            assert not any(block.gap_samples for block in blocks)
            sender.lose = 3
            read_until(lambda: sum(block.gap_samples for block in blocks))
            n_then = n_samples()
            read_until(lambda: n_samples() > n_then + 8000)
        finally:
            source.stop()
    gaps = [block for block in blocks if block.gap_samples]
    assert not any(block.gap_estimated for block in gaps)
    n_lost = sum(block.gap_samples for block in gaps)
    if scheme == "rtp":  # a byte a sample behind 12 bytes of header
        assert n_lost == sum(len(packet) - 12 for packet in sender.lost) > 0
    else:
        assert n_lost % 1152 == 0
        assert n_lost > 0
    assert source.n_reconnects == 0
    last = blocks[-1]
    assert last.stop_sample == n_samples() + n_lost


def test_a_camera_is_heard_loses_packets_and_comes_back_after_it_was_gone():
    notes, blocks = [], []
    with RtspCamera() as camera:
        source = NetworkSource(
            parse_address(f"rtsp://joe:secret@127.0.0.1:{camera.port}/yard"),
            note=lambda event, message: notes.append(message),
        )
        assert (source.live, source.sample_rate_hz, source.n_channels) == (True, 8000, 1)
        ring = single_ring(1 << 20, 1, 8000)
        source.start(ring)

        def read_until(found):
            deadline_s = time.monotonic() + 20
            while not found():
                assert time.monotonic() < deadline_s, (notes, ring.error)
                if (block := ring.read(1 << 20)) is not None:
                    blocks.append(block)
                else:
                    time.sleep(0.002)

        def gaps():
            return [(b.gap_samples, b.gap_estimated) for b in blocks if b.gap_samples]

        try:
            read_until(lambda: sum(len(block.samples) for block in blocks) > 2000)
            camera.lose = 4
            read_until(gaps)
            assert gaps() == [(4 * PACKET_SAMPLES, False)]
            camera.hang_up()
            read_until(lambda: len(gaps()) == 2)
        finally:
            source.stop()
    n_missed, estimated = gaps()[1]
    assert estimated
    assert n_missed > 0.5 * 8000  # the first wait is about a second
    assert source.n_reconnects == 1
    # The camera was asked for one connection, not for packets that firewalls and bad air lose.
    assert any("RTP/AVP/TCP" in request for request in camera.requests)
    assert not any("joe" in note or "secret" in note for note in notes)
