"""A web server for tests that can do what web servers in the world do: break off, fall silent, lie."""

import contextlib
import socket
import struct
import threading

import numpy as np


def wav_header(rate_hz, n_channels=1, n_bytes=0xFFFFFFFF):
    """Of 16 bit; without a length it is an endless stream's."""
    riff = min(n_bytes + 36, 0xFFFFFFFF)
    return b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + struct.pack(
        "<IHHIIHH", 16, 1, n_channels, rate_hz, rate_hz * n_channels * 2 % 2**32, n_channels * 2, 16
    ) + b"data" + struct.pack("<I", n_bytes)  # fmt: skip


def pcm(samples):
    """16 bit, little-endian."""
    return np.round(np.asarray(samples) * 32767).astype("<i2").tobytes()


class SoundServer:
    """Answers its n-th client with the n-th script, the last one again and again.

    A script is a function of a connection and the request's head; when it returns, the connection is closed.
    """

    def __init__(self, *scripts):
        self.scripts = scripts
        self.requests = []
        self.started = threading.Event()  # set by a test: whoever reads has begun to
        self.closing = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._clients = []
        threading.Thread(target=self._serve, daemon=True).start()

    def url(self, path="sound.wav", *, user="", scheme="http"):
        return f"{scheme}://{user}127.0.0.1:{self.port}/{path}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing.set()
        self._server.close()
        for client in self._clients:
            client.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._clients.append(client)
                script = self.scripts[min(len(self._clients), len(self.scripts)) - 1]
                threading.Thread(target=self._answer, args=(client, script), daemon=True).start()

    def _answer(self, client, script):
        with contextlib.suppress(OSError), client:
            head = b""
            while b"\r\n\r\n" not in head:
                part = client.recv(4096)
                if not part:
                    return
                head += part
            self.requests.append(head.decode())
            script(self, client, head.decode())
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


def answer(content, *, length=True, kind="audio/wav", status="200 OK", more=""):
    """A whole answer, with its length or without."""

    def script(server, client, head):
        stated = f"Content-Length: {len(content)}\r\n" if length else ""
        client.sendall(
            f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{stated}{more}Connection: close\r\n\r\n".encode()
        )
        client.sendall(content)

    return script


def live(header, samples, *, then=lambda server: None):
    """An endless stream: half of these samples to begin with, the others when the reader has started."""

    def script(server, client, head):
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nConnection: close\r\n\r\n")
        client.sendall(header + pcm(samples[: len(samples) // 2]))
        server.started.wait(30)
        client.sendall(pcm(samples[len(samples) // 2 :]))
        then(server)

    return script


def hang(server):
    """Say nothing more, and do not hang up."""
    server.closing.wait(30)


def silence(server, client, head):
    """Accept, and never answer."""
    hang(server)


def raw(content, then=lambda server: None):
    """Bytes that need be no HTTP."""

    def script(server, client, head):
        client.sendall(content)
        then(server)

    return script


def ranges(content, *, cut):
    """A server of files that takes ranges, and hangs up after ``cut`` bytes of the first answer."""

    def script(server, client, head):
        lines = {
            line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip()
            for line in head.splitlines()
            if ":" in line
        }
        start = int(lines.get("range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        part = content[start:]
        client.sendall(
            f"HTTP/1.1 206 Partial Content\r\nAccept-Ranges: bytes\r\nContent-Length: {len(part)}\r\n"
            f"Content-Range: bytes {start}-{len(content) - 1}/{len(content)}\r\n\r\n".encode()
        )
        client.sendall(part[:cut] if len(server.requests) == 1 else part)

    return script
