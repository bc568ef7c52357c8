"""A microphone that never dies silently: watched while it captures, and opened again when it does not.

The audio callback copies a block into the ring and returns (``watched``). A guard looks at the capture every 50 ms
(:mod:`streamdeep.audio.watch`); what it finds wrong it tells, and opens the device again, by name, until that
works. What was lost meanwhile stands in the ring as a gap before the next sample. Not here: PortAudio
(``portaudio``), what is wrong when (``watch``).
"""

import contextlib
import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.backoff import Backoff
from streamdeep.audio.clock import ClockModel
from streamdeep.audio.devices import select
from streamdeep.audio.portaudio import (
    CLOSE_LIMIT_S,
    Capture,
    Receiver,
    input_devices,
    supported_rate_hz,
)
from streamdeep.audio.ring import Ring
from streamdeep.audio.selection import EVERY_CHANNEL, Selection
from streamdeep.audio.watch import TICK_S, Loss, Outage, Trouble, Watch
from streamdeep.audio.watched import WatchedCapture
from streamdeep.errors import SourceError

SETTLED_S = 10.0
"""A capture that lived so long is worth opening again at once."""
LISTEN_S = 1.0


class MicrophoneSource:
    """Capture from a sound card into a ring.

    Attributes:
        name: ``mic``, with the device's name if one was chosen, and the channels if some were selected.
        sample_rate_hz: the wanted rate where the device can do it, else the device's own.
        n_channels: channels written, those selected.
        live: True.
        clock: the card's true rate.
    """

    live = True

    def __init__(
        self,
        wanted: str = "",
        *,
        preferred_rate_hz: int,
        n_channels: int = 1,
        selection: Selection = EVERY_CHANNEL,
        block_samples: int | None = None,
        note: Callable[[str, str], None] = lambda event, message: None,
    ) -> None:
        """Choose a device; it is opened by ``start``.

        Args:
            wanted: number or part of the name; empty for the default device.
            preferred_rate_hz: asked for first, so that nothing has to be resampled.
            n_channels: how many channels to open the device with.
            selection: of these.
            block_samples: samples per callback; None leaves it to PortAudio.
            note: told what happens to the device, from a thread of its own: a word and a sentence.

        Raises:
            MissingDependencyError: no PortAudio library.
            SourceError: no such device, or it cannot capture like this.
        """
        self._device = select(wanted, input_devices())
        self.name = selection.label(f"mic.{self._device.stable_name}" if wanted else "mic")
        self.n_channels = selection.count(
            n_channels, f"{self._device.name!r}, as it is to be opened,"
        )
        self._n_opened = n_channels
        self._selection = selection
        self._block_samples = block_samples or 0
        self._note = note
        self.sample_rate_hz = supported_rate_hz(self._device, n_channels, preferred_rate_hz)
        self.clock = ClockModel(self.sample_rate_hz)
        self._opening: WatchedCapture | None = None
        self._guarding: threading.Thread | None = None
        self._captured_ns = 0  # of the newest sample in the ring
        self._outage: Outage | None = None
        self._backoff, self._listening = Backoff(), Backoff()
        self._listen_ns = 0
        self._stopping, self._attention = threading.Event(), threading.Event()
        self._switching = threading.Lock()

    def start(self, ring: Ring) -> None:
        """Open the device and begin to capture.

        Raises:
            SourceError: the device refuses.
        """
        self._ring = ring
        opening = self._new_capture(Watch(self.sample_rate_hz))
        self._opening = opening
        try:
            opening.capture.open()
        except SourceError:
            opening.give_up()
            raise
        self._guarding = threading.Thread(target=self._guard, name="microphone", daemon=True)
        self._guarding.start()

    def stop(self) -> None:
        """Stop capturing and close the device; what hangs is left behind."""
        until_s = time.monotonic() + CLOSE_LIMIT_S
        with self._switching:
            self._stopping.set()
            opening, self._opening = self._opening, None
        self._attention.set()
        if opening is None:
            return
        self._end(opening)
        self._ring.close()
        if self._guarding is not None:
            # It may have a capture of its own open; a program must not end before that is closed.
            self._guarding.join(max(0.0, until_s - time.monotonic()))

    def _take(self, samples: NDArray[np.float32], captured_ns: int, loss: Loss | None) -> None:
        """Put a block into the ring; called by one capture at a time, on PortAudio's thread."""
        if self._stopping.is_set():
            return
        self._captured_ns = captured_ns
        gap_samples, estimated, cause = loss or (0, False, "")
        self._ring.write(
            self._selection.take(samples),
            captured_ns,
            gap_samples=gap_samples,
            gap_estimated=estimated,
            gap_cause=cause,
        )

    def _new_capture(self, watch: Watch, *, counts: bool = True) -> WatchedCapture:
        def connect(receive: Receiver) -> Capture:
            return Capture(
                self._device,
                sample_rate_hz=self.sample_rate_hz,
                n_channels=self._n_opened,
                block_samples=self._block_samples,
                receive=receive,
                ended=self._attention.set,
            )

        return WatchedCapture(connect, watch, self._take, self.clock, counts=counts)

    # --- the guard ---------------------------------------------------------------------------------------

    def _guard(self) -> None:
        try:
            self._look_after_it()
        except Exception as error:  # noqa: BLE001, RUF100 - a microphone that nobody guards must not go on
            self._ring.close(SourceError(f"{self._device.name!r} is no longer guarded: {error!r}"))

    def _look_after_it(self) -> None:
        while True:
            self._attention.wait(TICK_S)
            self._attention.clear()
            with self._switching:  # so that nobody closes what is asked
                opening, now_ns = self._opening, time.monotonic_ns()
                if opening is None:
                    return
                active = opening.capture.active
            trouble = opening.watch.look(now_ns) if active else Trouble.ENDED
            if trouble is Trouble.SILENT:
                if now_ns >= self._listen_ns:
                    self._listen_again(opening)
                continue
            self._listening.worked()
            self._listen_ns = 0
            if trouble is not None:
                self._open_again(opening, trouble)
            elif self._outage is not None and opening.watch.n_blocks:
                self._outage = None
                self._say("it captures again")

    def _open_again(self, opening: WatchedCapture, trouble: Trouble) -> None:
        opening.give_up()
        watch, wait_s = opening.watch, 0.0
        if watch.n_samples > SETTLED_S * self.sample_rate_hz:
            self._backoff.worked()
        else:
            wait_s = self._backoff.failed()
        if self._outage is None or watch.n_blocks:
            self._outage = Outage(self._captured_ns, trouble)
        self._say(f"{trouble}; it is opened again" + (f" in {wait_s:g} s" if wait_s else ""))
        self._end(opening)
        while not self._stopping.wait(wait_s):
            after = self._outage if self._outage.began_ns else None
            found = self._new_capture(Watch(self.sample_rate_hz, after=after, heard=watch.heard))
            try:
                found.capture.open(again=True)
            except SourceError as error:
                found.give_up()
                wait_s = self._backoff.failed()
                self._say(f"{error}; next try in {wait_s:g} s")
                continue
            self._install(found)
            return

    def _listen_again(self, opening: WatchedCapture) -> None:
        """Open the device a second time, and give the silent capture up only if this one hears something.

        Sound servers that move captures elsewhere allow that. So a microphone that is muted loses nothing.
        """
        found = self._new_capture(Watch(self.sample_rate_hz), counts=False)
        try:
            found.capture.open()
        except SourceError:
            self._listen_ns = time.monotonic_ns() + round(self._listening.failed() * 1e9)
            return
        deadline_ns = time.monotonic_ns() + round(LISTEN_S * 1e9)
        while not found.watch.heard and time.monotonic_ns() < deadline_ns:
            if self._stopping.wait(TICK_S):
                break
        if not found.watch.heard or opening.watch.look(time.monotonic_ns()) is not Trouble.SILENT:
            found.capture.close()
            self._listen_ns = time.monotonic_ns() + round(self._listening.failed() * 1e9)
            return
        opening.give_up()
        self._outage = Outage(self._captured_ns, Trouble.SILENT)
        self._say(f"{Trouble.SILENT}; a new capture hears sound and takes over")
        found.take_over(Watch(self.sample_rate_hz, after=self._outage, heard=True))
        self._end(opening)
        self._install(found)

    def _install(self, found: WatchedCapture) -> None:
        with self._switching:
            stopping = self._stopping.is_set()
            if not stopping:
                self._opening = found
        if stopping:
            self._end(found)

    def _end(self, opening: WatchedCapture) -> None:
        if not opening.capture.close():
            self._say("closing it hangs, and was left behind")

    def _say(self, message: str) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            self._note("microphone", f"{self._device.name!r}: {message}")
