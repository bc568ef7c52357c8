"""PortAudio. The only module that knows sounddevice.

sounddevice looks for the PortAudio library when it is imported, so it is imported where it is used: an
engine that plays files needs no sound card and no library. Every call that can hang goes over one desk
(:mod:`streamdeep.audio.abandon`). Not here: when to open a device again (``microphone``).
"""

import atexit
import contextlib
import ctypes
import functools
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.abandon import Desk, LeftBehindError
from streamdeep.audio.devices import Device, find_again
from streamdeep.errors import MissingDependencyError, SourceError

OPEN_LIMIT_S = 5.0
CLOSE_LIMIT_S = 2.0
_desk = Desk()
_alive: set["Capture"] = set()
"""Captures that are open or could not be closed."""


class Receiver(Protocol):
    """Takes blocks, on PortAudio's thread: nothing in it may wait, log or raise."""

    def __call__(
        self, samples: NDArray[np.float32], now_ns: int, captured_ns: int, adc_s: float
    ) -> None:
        """A block ``(samples, channels)``, valid during the call; see ``Watch.block`` for its times."""


@functools.cache
def _sounddevice() -> ModuleType:
    try:
        import sounddevice
    except OSError as error:  # the package is there, the library is not
        raise MissingDependencyError(
            "the PortAudio library is not installed; on Debian and Ubuntu: apt install libportaudio2"
        ) from error
    module: ModuleType = sounddevice
    # Ending PortAudio while a call is left behind in it would hang the program at its end, or crash it; so would
    # unloading it, which sounddevice does when Python ends. What ctypes has loaded stays.
    ctypes.CDLL(module._libname)
    atexit.unregister(module._exit_handler)
    atexit.register(lambda: _desk.n_under_way or module._exit_handler())
    return module


def input_devices() -> list[Device]:
    """All devices that can capture sound.

    Raises:
        MissingDependencyError: no PortAudio library.
    """
    sounddevice = _sounddevice()
    apis = sounddevice.query_hostapis()
    default = sounddevice.default.device[0]
    return [
        Device(
            index=index,
            name=str(found["name"]),
            host_api=str(apis[found["hostapi"]]["name"]),
            n_channels=int(found["max_input_channels"]),
            sample_rate_hz=round(found["default_samplerate"]),
            default=index == default,
        )
        for index, found in enumerate(sounddevice.query_devices())
        if found["max_input_channels"] > 0
    ]


def supported_rate_hz(device: Device, n_channels: int, preferred_rate_hz: int) -> int:
    """The preferred rate where the device can do it, else the device's own.

    Raises:
        SourceError: it can do neither with so many channels.
    """
    sounddevice, refusal = _sounddevice(), None
    for rate_hz in (preferred_rate_hz, device.sample_rate_hz):
        try:
            sounddevice.check_input_settings(
                device=device.index, channels=n_channels, dtype="float32", samplerate=rate_hz
            )
        except (sounddevice.PortAudioError, ValueError) as error:
            refusal = error
        else:
            return rate_hz
    raise SourceError(
        f"{device.name!r} cannot capture {n_channels} channel(s) at {preferred_rate_hz} "
        f"or {device.sample_rate_hz} Hz: {refusal}"
    )


class Capture:
    """An open device.

    Attributes:
        overflows: blocks that PortAudio flagged; it does not flag every loss, and not how much.
        finished: PortAudio said that no more blocks will come.
    """

    def __init__(
        self,
        device: Device,
        *,
        sample_rate_hz: int,
        n_channels: int,
        block_samples: int,
        receive: Receiver,
        ended: Callable[[], None],
    ) -> None:
        """Describe what ``open`` opens.

        Args:
            device: found again by its name, whatever its number is by then.
            sample_rate_hz: which it supports.
            n_channels: of its channels, the first so many.
            block_samples: samples per block; 0 leaves it to PortAudio.
            receive: told of every block.
            ended: told, on PortAudio's thread, that no more will come.
        """
        self._device = device
        self._rate_hz = sample_rate_hz
        self._n_channels = n_channels
        self._block_samples = block_samples
        self._receive = receive
        self._ended = ended
        self._stream: Any = None
        self.overflows = 0
        self.finished = False

    def open(self, *, again: bool = False) -> None:
        """Open the device and begin to capture.

        Args:
            again: it may have been away since PortAudio listed it.

        Raises:
            SourceError: it is not there, refuses, or does not answer.
        """
        what = f"opening {self._device.name!r}"
        _desk.call(
            lambda: self._open(again=again), OPEN_LIMIT_S, what, too_late=lambda _: self._close()
        )

    def close(self) -> bool:
        """Close the device; False if that hangs and was left behind. Once is enough."""
        if self._stream is None:
            return True
        try:
            _desk.call(self._close, CLOSE_LIMIT_S, f"closing {self._device.name!r}")
        except LeftBehindError:
            return False
        return True

    @property
    def active(self) -> bool:
        """Whether PortAudio believes that blocks will come; it does not notice everything."""
        try:
            return not self.finished and self._stream is not None and bool(self._stream.active)
        except _sounddevice().PortAudioError:
            return False

    def _open(self, *, again: bool) -> None:
        sounddevice = _sounddevice()
        try:
            if again and not _alive and _desk.n_under_way == 1:
                # PortAudio learns of new devices only like this, and it ends all captures: not while one is open,
                # nor while a call that was left behind is still in it.
                if sounddevice._initialized:
                    sounddevice._terminate()
                sounddevice._initialize()
            device = find_again(self._device, input_devices())
            stream = sounddevice.InputStream(
                device=device.index,
                samplerate=self._rate_hz,
                channels=self._n_channels,
                dtype="float32",
                blocksize=self._block_samples,
                latency="low",
                callback=self._callback,
                finished_callback=self._finish,
            )
            _alive.add(self)
            self._stream = stream
            stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            self._close()
            raise SourceError(f"cannot open {self._device.name!r}: {error}") from error

    def _close(self) -> None:
        # Nobody else may close it while this hangs.
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(_sounddevice().PortAudioError):
                stream.close()
            _alive.discard(self)

    def _finish(self) -> None:
        self.finished = True
        self._ended()

    def _callback(
        self, samples: NDArray[np.float32], n_samples: int, times: Any, status: Any
    ) -> None:
        now_ns = time.monotonic_ns()
        adc_s = times.inputBufferAdcTime
        # Its clock may be any clock: only differences count, and only plausible ones.
        late_s = min(1.0, max(0.0, times.currentTime - adc_s - n_samples / self._rate_hz))
        if status and status.input_overflow:
            self.overflows += 1
        self._receive(samples, now_ns, now_ns - int(late_s * 1e9), adc_s)
