"""``python -m bench.endurance.radio PORT RATE_HZ``: noise over HTTP without an end, at the pace of sound."""

import contextlib
import http.server
import struct
import sys
import time
from typing import ClassVar

import numpy as np

BLOCK_S = 0.05
UNKNOWN = 0xFFFFFFFF


def wave_header(rate_hz: int) -> bytes:
    """Of 16-bit mono sound without a known length."""
    form = struct.pack("<IHHIIHH", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", UNKNOWN)
        + b"WAVEfmt "
        + form
        + b"data"
        + struct.pack("<I", UNKNOWN)
    )


class Radio(http.server.BaseHTTPRequestHandler):
    """Each listener hears from its own beginning."""

    rate_hz: ClassVar[int]
    sound: ClassVar[bytes]

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "audio/x-wav")
        self.end_headers()
        with contextlib.suppress(OSError):  # the listener left
            self.wfile.write(wave_header(self.rate_hz))
            self._play()

    def _play(self) -> None:
        began_s, n_bytes, sent = time.monotonic(), 2 * round(BLOCK_S * self.rate_hz), 0
        while True:
            at = sent % len(self.sound)
            self.wfile.write((self.sound + self.sound)[at : at + n_bytes])
            sent += n_bytes
            time.sleep(max(0.0, began_s + sent / 2 / self.rate_hz - time.monotonic()))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    port, Radio.rate_hz = int(sys.argv[1]), int(sys.argv[2])
    noise = np.random.default_rng(3).standard_normal(7 * Radio.rate_hz)
    Radio.sound = (3000 * noise).clip(-32768, 32767).astype("<i2").tobytes()
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Radio) as server:
        server.daemon_threads = True
        print('{"event": "ready"}', flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
