"""Sound from the network: opened, read, and opened again when it breaks off, until somebody stops it.

What has an end (a file on a web server) ends the stream there; what has none is connected to again, and what was
missed meanwhile stands in the ring as a gap, estimated by the clock. Not here: the decoder (``connection``), which
addresses are taken (``address``), what time stamps tell (``continuity``).
"""

import contextlib
import random
import threading
import time
from collections.abc import Callable
from typing import Final

from streamdeep.audio.address import Address
from streamdeep.audio.arrival import Arrival, Arrivals
from streamdeep.audio.backoff import Backoff
from streamdeep.audio.connection import Connection, Opened
from streamdeep.audio.continuity import Continuity
from streamdeep.audio.decoded import Sound
from streamdeep.audio.decoding import NETWORK_FORMATS, Order
from streamdeep.audio.file import Pace
from streamdeep.audio.ring import Ring
from streamdeep.audio.selection import EVERY_CHANNEL, Selection
from streamdeep.errors import SourceError

OPEN_S: Final = 20.0
"""From the first packet to the first sound, probing included."""
SILENT_S: Final = 20.0
"""So long without any sound, and a connection is given up. Some web radios send 10 s at once."""
SETTLED_S: Final = 10.0
"""A connection that lived so long is worth opening again at once."""
JITTER: Final = 0.2
"""Waits differ by so much of their length: many sources do not return to a server all at once."""


class NetworkSource:
    """Whatever FFmpeg reads at an address.

    Attributes:
        name: host and path.
        sample_rate_hz: the sound's rate.
        n_channels: the sound's channels.
        live: it has no end that is known.
        n_reconnects: how often sound came back.
    """

    def __init__(
        self,
        address: Address,
        *,
        pace: Pace = "realtime",
        sample_rate_hz: int | None = None,
        n_channels: int | None = None,
        selection: Selection = EVERY_CHANNEL,
        open_s: float = OPEN_S,
        silent_s: float = SILENT_S,
        note: Callable[[str, str], None] = lambda event, message: None,
    ) -> None:
        """Connect, and wait for the first sound; unless rate and channels are told.

        Args:
            address: where.
            pace: of what has an end.
            sample_rate_hz: what the sound must have; with ``n_channels``, nobody has to be there yet.
            n_channels: what the sound must have.
            selection: of these channels.
            open_s: how long opening may take.
            silent_s: how long no sound may come.
            note: told what happens to the connection, from another thread: a word and a sentence.

        Raises:
            MissingDependencyError: no PyAV.
            SourceError: nobody is there, or what is there is no sound within the limits.
        """
        self.name = selection.label(address.name)
        self._selection = selection
        self.live = True
        self.n_reconnects = 0
        self._address, self._pace = address, pace
        self._open_s, self._silent_s, self._note = open_s, silent_s, note
        self._order = Order(address.url, address.protocols, NETWORK_FORMATS, address.options)
        self._stop, self._started = threading.Event(), threading.Event()
        self._switching = threading.Lock()
        self._connection: Connection | None = None
        self._ring: Ring | None = None
        first = None
        if sample_rate_hz and n_channels:
            self.sample_rate_hz, self._sent_channels = sample_rate_hz, n_channels
        else:
            first = self._find_out(sample_rate_hz, n_channels)
        try:
            self.n_channels = selection.count(self._sent_channels, address.shown)
        except SourceError:
            self._disconnect()
            raise
        self._continuity = Continuity(self.sample_rate_hz)
        self._arrivals = Arrivals(self.sample_rate_hz)
        self._n_taken = 0  # of this connection
        # From now on, so that live sound does not pile up before `start`: it is not captured yet.
        self._thread = threading.Thread(
            target=self._run, args=(first,), name=f"net {self.name}", daemon=True
        )
        self._thread.start()

    def start(self, ring: Ring) -> None:
        """Begin to write; the ring is closed at the end of what has one."""
        self._ring = ring
        self._started.set()

    def stop(self) -> None:
        """End the connection; returns when nothing more is written."""
        self._stop.set()
        self._started.set()
        with self._switching:
            if self._connection is not None:
                self._connection.end()
        self._thread.join(timeout=5.0)

    def _find_out(self, sample_rate_hz: int | None, n_channels: int | None) -> Opened:
        """Connect, and see what sound there is."""
        try:
            opened = self._connect()
        except SourceError as error:
            raise SourceError(f"{self._address.shown}: {error}") from error
        self.live, first = not self._ends(opened), opened.first
        self.sample_rate_hz, self._sent_channels = first.sample_rate_hz, first.n_channels
        told = (sample_rate_hz or self.sample_rate_hz, n_channels or self._sent_channels)
        if told != (self.sample_rate_hz, self._sent_channels):
            self._disconnect()
            raise SourceError(
                f"{self._address.shown} has {self.sample_rate_hz} Hz and {self._sent_channels} channels, "
                f"not {told[0]} and {told[1]}"
            )
        return opened

    # --- the thread --------------------------------------------------------------------------------------

    def _run(self, first: Opened | None) -> None:
        error: SourceError | None = None
        try:
            self._keep_connected(first)
        except SourceError as found:
            error = SourceError(f"{self._address.shown}: {found}")
        except Exception as found:  # noqa: BLE001, RUF100 - a stream that nobody writes must not stay open
            error = SourceError(f"{self._address.shown} is no longer read: {found!r}")
        self._disconnect()
        self._started.wait()
        if self._ring is not None:
            self._ring.close(None if self._stop.is_set() else error)

    def _keep_connected(self, found: Opened | None) -> None:
        most_s = 120.0 if self._address.connected else 1.0  # packets come whenever they like
        backoff = Backoff(most_s=most_s)
        while not self._stop.is_set():
            reason = "it ended"
            try:
                found = found or self._connect()
                if self._take(found):
                    return
            except _OverError:
                raise
            except SourceError as error:
                if found is not None and self._ends(found):
                    raise SourceError(
                        f"it broke off after {self._n_taken} samples: {error}"
                    ) from error
                reason = str(error)
            if found is not None and self._n_taken > SETTLED_S * self.sample_rate_hz:
                backoff.worked()
            found = None
            self._disconnect()
            if self._stop.is_set():
                return
            wait_s = backoff.failed() * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
            self._say(f"{reason}; next try in {wait_s:.1f} s")
            self._stop.wait(wait_s)

    def _connect(self) -> Opened:
        with self._switching:
            if self._stop.is_set():
                raise SourceError("it was stopped")
            self._connection = Connection(self._order)
        try:
            return self._connection.open(self._open_s)
        except SourceError:
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        with self._switching:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _take(self, opened: Opened) -> bool:
        """Write what comes; True at the end of what has one, False at that of what has none."""
        assert self._connection is not None, "it was opened"
        self._continuity.reset()
        self._arrivals.reconnect()
        self._n_taken = began_ns = 0
        finite = self._ends(opened)
        sound: Sound | None = opened.first
        while sound is not None:
            if (
                finite or opened.n_samples is not None
            ):  # perhaps a file, and then all of it is wanted
                self._started.wait()
            if self._stop.is_set():
                return True
            if self._started.is_set():
                began_ns = began_ns or time.monotonic_ns()
                returned = self._n_taken == 0 and self._arrivals.began
                self._write(sound, began_ns if finite else None)
                if returned:
                    self.n_reconnects += 1
                    self._say("sound comes again")
            sound = self._connection.receive(self._silent_s)
        return finite or (opened.n_samples is not None and self._n_taken >= opened.n_samples)

    def _ends(self, opened: Opened) -> bool:
        """Whether its end is the end; at ``pace`` max that is so of everything."""
        return opened.finite or self._pace == "max"

    def _write(self, sound: Sound, began_ns: int | None) -> None:
        if (sound.sample_rate_hz, sound.n_channels) != (self.sample_rate_hz, self._sent_channels):
            raise _OverError(
                f"the sound is of {sound.sample_rate_hz} Hz and {sound.n_channels} channels, no longer of "
                f"{self.sample_rate_hz} Hz and {self._sent_channels}; start the stream again"
            )
        assert self._ring is not None, "it was started"
        n_samples = sound.n_samples
        missing, estimated = self._continuity.place(
            n_samples, sound.time_samples, sound.tick_samples
        )
        self._n_taken += n_samples + (missing or 0)
        if began_ns is None:
            arrival = self._arrivals.place(
                n_samples, time.monotonic_ns(), missing=missing, estimated=estimated
            )
        else:
            missing = 1 if missing is None else missing  # so that an epoch begins
            arrival = Arrival(self._due(began_ns), missing, estimated)
        samples, captured_ns = self._selection.take(sound.samples()), arrival.captured_ns
        if arrival.missing:
            self._ring.write(
                samples[:0],
                captured_ns,
                gap_samples=arrival.missing,
                gap_estimated=arrival.estimated,
            )
        self._ring.write_all(samples, captured_ns, self._stop)

    def _due(self, began_ns: int) -> int:
        """What has an end is played: at its own pace, or as fast as it is taken."""
        if self._pace == "max":
            return time.monotonic_ns()
        due_ns = began_ns + self._n_taken * 1_000_000_000 // self.sample_rate_hz
        self._stop.wait(max(0, due_ns - time.monotonic_ns()) / 1e9)
        return due_ns

    def _say(self, message: str) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            self._note("network", f"{self._address.shown}: {message}")


class _OverError(SourceError):
    """What no new connection can mend."""
