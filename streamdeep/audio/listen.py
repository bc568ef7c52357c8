"""Raw PCM from whoever connects: ``tcp-listen://127.0.0.1:7000?format=s16le&rate=16000&channels=1``.

One client at a time; who comes while it is there is turned away. When it goes, or says nothing for too long, the
next one may come: its sound begins a new epoch, and what was missed between them is a gap, estimated by the clock.
A client that sends faster than sound is taken waits: TCP is its own flow control.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Final, get_args
from urllib.parse import parse_qsl

from streamdeep.audio.address import check_listening, split
from streamdeep.audio.arrival import Arrivals
from streamdeep.audio.decoded import MOST_CHANNELS, RATES_HZ
from streamdeep.audio.pcm import SampleFormat, bytes_per_sample, decode
from streamdeep.audio.ring import Ring
from streamdeep.audio.selection import EVERY_CHANNEL, Selection
from streamdeep.errors import ConfigurationError, SourceError

SCHEME: Final = "tcp-listen"
EXAMPLE: Final = f"{SCHEME}://127.0.0.1:7000?format=s16le&rate=16000&channels=1"
SILENT_S: Final = 20.0
"""A client that says nothing for so long may be dead: a device that lost its power never hangs up."""
_SLICE_S: Final = 0.1


class ListenSource:
    """Raw PCM from a TCP client.

    Attributes:
        name: ``tcp-`` and the port.
        sample_rate_hz: as told; raw PCM does not say.
        n_channels: as told.
        live: True.
        port: that it listens on.
        n_clients: how many have come and were taken.
    """

    live = True

    def __init__(
        self,
        url: str,
        *,
        sample_format: SampleFormat | None = None,
        sample_rate_hz: int | None = None,
        n_channels: int | None = None,
        selection: Selection = EVERY_CHANNEL,
        silent_s: float = SILENT_S,
        insecure: bool = False,
        note: Callable[[str, str], None] = lambda event, message: None,
    ) -> None:
        """Listen; nobody is let in before ``start``.

        Args:
            url: ``tcp-listen://HOST:PORT``, with ``format``, ``rate`` and ``channels`` behind a ``?``, which win
                over the arguments of these names.
            sample_format: ``s16le`` (the default) or ``f32le``.
            sample_rate_hz: must be told here or in the URL.
            n_channels: one by default.
            selection: of these channels.
            silent_s: how long a client may say nothing.
            insecure: allow addresses that other machines can reach.
            note: told who comes and goes, from another thread: a word and a sentence.

        Raises:
            ConfigurationError: malformed, a number out of range, or an address that others reach.
            SourceError: the address cannot be had.
        """
        parts = split(url, (SCHEME,))
        host = parts.hostname or ""
        check_listening(SCHEME, host, parts.port, insecure=insecure)
        given = _options(parts.query)
        self._format = _format(given.get("format", sample_format or "s16le"))
        rate = given.get("rate", sample_rate_hz)
        if rate is None:
            raise ConfigurationError(f"raw samples do not say their rate: {EXAMPLE}")
        self.sample_rate_hz = _number("rate", rate, *RATES_HZ)
        self._sent_channels = _number(
            "channels", given.get("channels", n_channels or 1), 1, MOST_CHANNELS
        )
        self.n_channels = selection.count(self._sent_channels, "what is listened for")
        self._selection = selection
        self._bytes_per_sample = bytes_per_sample(self._format) * self._sent_channels
        self._silent_s, self._note = silent_s, note
        self._server = _listen("127.0.0.1" if host == "localhost" else host, parts.port or 0)
        self.port: int = self._server.getsockname()[1]
        self.name = selection.label(f"tcp-{self.port}")
        self.n_clients = 0
        self._arrivals = Arrivals(self.sample_rate_hz)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, ring: Ring) -> None:
        """Let clients in, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, args=(ring,), name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Hang up; returns when the thread has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)
        self._server.close()

    def _run(self, ring: Ring) -> None:
        client: socket.socket | None = None
        try:
            while not self._stop.is_set():
                arrived = self._accept()
                if arrived is None:
                    continue
                client, address = arrived
                self.n_clients += 1
                self._say(f"{address} is here")
                with client:
                    reason = self._read(client, ring)
                if reason:
                    self._say(f"{address} {reason}; waiting for the next")
            ring.close()
        except OSError as error:
            ring.close(SourceError(f"cannot listen on port {self.port}: {error.strerror}"))

    def _accept(self) -> tuple[socket.socket, str] | None:
        self._server.settimeout(_SLICE_S)
        try:
            client, (host, *_) = self._server.accept()
        except (TimeoutError, ConnectionError):
            return None
        client.settimeout(_SLICE_S)
        return client, str(host)

    def _turn_away(self) -> None:
        self._server.setblocking(False)
        with contextlib.suppress(OSError):
            while True:
                stranger, (host, *_) = self._server.accept()
                stranger.close()
                self._say(f"{host} was turned away: another client is here")

    def _read(self, client: socket.socket, ring: Ring) -> str:
        """Take what a client sends; why it ended."""
        self._arrivals.reconnect()
        block_bytes = max(1, self.sample_rate_hz // 100) * self._bytes_per_sample
        pending, heard_s = b"", time.monotonic()
        while not self._stop.is_set():
            self._turn_away()
            try:
                raw = client.recv(block_bytes)
            except TimeoutError:
                if time.monotonic() - heard_s > self._silent_s:
                    return f"said nothing for {self._silent_s:g} s"
                continue
            except OSError as error:
                return f"is gone ({error.strerror})"
            if not raw:
                return "is gone"
            pending += raw
            whole = len(pending) - len(pending) % self._bytes_per_sample
            samples, pending = (
                self._selection.take(decode(pending[:whole], self._format, self._sent_channels)),
                pending[whole:],
            )
            if not len(samples):
                continue
            arrival = self._arrivals.place(len(samples), time.monotonic_ns())
            if arrival.missing:
                ring.write(
                    samples[:0],
                    arrival.captured_ns,
                    gap_samples=arrival.missing,
                    gap_estimated=arrival.estimated,
                )
            if not ring.write_all(samples, arrival.captured_ns, self._stop):
                return ""
            heard_s = time.monotonic()
        return ""

    def _say(self, message: str) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            self._note("network", f"{self.name}: {message}")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, port))
        server.listen(4)
    except OSError as error:
        server.close()
        raise SourceError(
            f"cannot listen on {SCHEME}://{host}:{port}: {error.strerror}; choose another port"
        ) from error
    return server


def _options(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    given = dict(pairs)
    unknown = set(given) - {"format", "rate", "channels"}
    if unknown or len(given) != len(pairs):
        raise ConfigurationError(
            f"{SCHEME}:// takes format, rate and channels, each once: {EXAMPLE}"
        )
    return given


def _format(text: str) -> SampleFormat:
    for known in get_args(SampleFormat):
        if text == known:
            found: SampleFormat = known
            return found
    raise ConfigurationError(
        f"format={text} is not known; {' and '.join(get_args(SampleFormat))} are"
    )


def _number(name: str, value: str | int, least: int, most: int) -> int:
    if not str(value).isdecimal() or not least <= int(value) <= most:
        raise ConfigurationError(f"{name}={value} is out of range; {least} to {most} will do")
    return int(value)
