"""As much of an RTSP camera as a client needs: OPTIONS, DESCRIBE, SETUP, PLAY, and RTP inside the connection."""

import contextlib
import itertools
import random
import re
import socket
import struct
import threading

PACKET_SAMPLES = 160
SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=yard\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:audio\r\n"
)


class RtspCamera:
    """Sends noise, four times faster than in real time, to whoever gives the password ``joe:secret``.

    Attributes:
        lose: so many packets more are lost on the way.
        requests: what clients asked.
    """

    def __init__(self, packet_s=0.005):
        self.lose, self.requests = 0, []
        self._packet_s = packet_s
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._clients, self._ending = [], threading.Event()
        self._threads = [threading.Thread(target=self._serve)]

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(5)

    def hang_up(self):
        """End all connections, as a camera without power does."""
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._clients.append(client)
                self._threads.append(threading.Thread(target=self._answer, args=(client,)))
                self._threads[-1].start()

    def _answer(self, client):
        with client, contextlib.suppress(OSError), client.makefile("rb") as lines:
            while True:
                head = ""
                while not head.endswith("\r\n\r\n"):
                    line = lines.readline()
                    if not line:
                        return
                    head += line.decode("latin-1")
                self.requests.append(head)
                verb = head.split()[0]
                number = re.search(r"CSeq: (\d+)", head)[1]
                status, more, body = "200 OK", "", ""
                if verb == "OPTIONS":
                    more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
                elif "Authorization: Basic am9lOnNlY3JldA==" not in head:
                    status, more = "401 Unauthorized", 'WWW-Authenticate: Basic realm="yard"\r\n'
                elif verb == "DESCRIBE":
                    more, body = "Content-Type: application/sdp\r\n", SDP
                elif verb == "SETUP":
                    more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 7\r\n"
                client.sendall(
                    f"RTSP/1.0 {status}\r\nCSeq: {number}\r\n{more}"
                    f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
                )
                if verb == "PLAY" and status == "200 OK":
                    self._play(client)
                    return

    def _play(self, client):
        drawn = random.Random(0)
        for number in itertools.count():
            if self._ending.wait(self._packet_s):
                return
            if self.lose:
                self.lose -= 1
                continue
            header = struct.pack(">BBHII", 0x80, 0, number & 0xFFFF, number * PACKET_SAMPLES, 1)
            packet = header + drawn.randbytes(PACKET_SAMPLES)
            client.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)
