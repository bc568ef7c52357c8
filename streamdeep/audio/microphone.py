"""The sound card, through PortAudio. The only module that knows sounddevice.

sounddevice looks for the PortAudio library when it is imported, so it is imported where it is used: an
engine that plays files needs no sound card and no library.
"""

import time
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.ring import Ring
from streamdeep.errors import MissingDependencyError, SourceError


@dataclass(frozen=True, slots=True)
class Device:
    """An input device.

    Attributes:
        index: PortAudio's number; it may change from boot to boot.
        name: what to select it by.
        host_api: the sound system it belongs to.
        n_channels: channels it can capture.
        sample_rate_hz: its default rate.
        default: what ``mic`` takes.
    """

    index: int
    name: str
    host_api: str
    n_channels: int
    sample_rate_hz: int
    default: bool


def _sounddevice() -> ModuleType:
    try:
        import sounddevice
    except OSError as error:  # the package is there, the library is not
        raise MissingDependencyError(
            "the PortAudio library is not installed; on Debian and Ubuntu: apt install libportaudio2"
        ) from error
    module: ModuleType = sounddevice
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


def _select(wanted: str, devices: list[Device]) -> Device:
    """A device by number, or by any part of its name that fits exactly one."""
    if not devices:
        raise SourceError(
            "there is no microphone: PortAudio knows no input device; `streamdeep devices` lists them"
        )
    if not wanted:
        return next((device for device in devices if device.default), devices[0])
    if wanted.isdecimal():
        fitting = [device for device in devices if device.index == int(wanted)]
    else:
        exact = [device for device in devices if device.name == wanted]
        fitting = exact or [device for device in devices if wanted.lower() in device.name.lower()]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(f"{device.index} {device.name!r}" for device in fitting or devices)
    problem = "fits several devices" if fitting else "is no input device"
    raise SourceError(f"mic:{wanted} {problem}; choose one of {names}")


class MicrophoneSource:
    """Capture from a sound card into a ring.

    Attributes:
        name: ``mic``, with the device's number if one was chosen.
        sample_rate_hz: the wanted rate where the device can do it, else the device's own.
        n_channels: channels captured.
        live: True.
    """

    live = True

    def __init__(
        self,
        wanted: str = "",
        *,
        preferred_rate_hz: int,
        n_channels: int = 1,
        block_samples: int | None = None,
    ) -> None:
        """Choose a device; it is opened by ``start``.

        Args:
            wanted: number or part of the name; empty for the default device.
            preferred_rate_hz: asked for first, so that nothing has to be resampled.
            n_channels: how many channels to capture.
            block_samples: samples per callback; None leaves it to PortAudio.

        Raises:
            MissingDependencyError: no PortAudio library.
            SourceError: no such device, or it cannot capture like this.
        """
        self._sounddevice: Any = _sounddevice()
        self._device = _select(wanted, input_devices())
        self.name = f"mic{self._device.index}" if wanted else "mic"
        self.n_channels = n_channels
        self._block_samples = block_samples or 0
        self.sample_rate_hz = self._supported_rate_hz(preferred_rate_hz)
        self._stream: Any = None
        self._next_adc_s: float | None = None

    def _supported_rate_hz(self, preferred_rate_hz: int) -> int:
        refusal: Exception | None = None
        for rate_hz in (preferred_rate_hz, self._device.sample_rate_hz):
            try:
                self._sounddevice.check_input_settings(
                    device=self._device.index,
                    channels=self.n_channels,
                    dtype="float32",
                    samplerate=rate_hz,
                )
            except (self._sounddevice.PortAudioError, ValueError) as error:
                refusal = error
            else:
                return rate_hz
        raise SourceError(
            f"{self._device.name!r} cannot capture {self.n_channels} channel(s) at {preferred_rate_hz} "
            f"or {self._device.sample_rate_hz} Hz: {refusal}"
        )

    def start(self, ring: Ring) -> None:
        """Open the device and begin to capture.

        Raises:
            SourceError: the device refuses.
        """
        self._ring = ring
        try:
            self._stream = self._sounddevice.InputStream(
                device=self._device.index,
                samplerate=self.sample_rate_hz,
                channels=self.n_channels,
                dtype="float32",
                blocksize=self._block_samples,
                latency="low",
                callback=self._callback,
                finished_callback=ring.close,
            )
            self._stream.start()
        except self._sounddevice.PortAudioError as error:
            raise SourceError(f"cannot open {self._device.name!r}: {error}") from error

    def stop(self) -> None:
        """Stop capturing and close the device."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _callback(
        self, samples: NDArray[np.float32], n_samples: int, times: Any, status: Any
    ) -> None:
        """Copy and return. Runs on PortAudio's thread: nothing here waits, logs or raises."""
        now_ns = time.monotonic_ns()
        duration_s = n_samples / self.sample_rate_hz
        adc_s = times.inputBufferAdcTime
        # Its clock may be any clock: only differences count, and only plausible ones.
        late_s = min(max(times.currentTime - adc_s - duration_s, 0.0), 1.0)
        gap_samples = 0
        if status and status.input_overflow and self._next_adc_s is not None:
            gap_samples = max(0, round((adc_s - self._next_adc_s) * self.sample_rate_hz))
        self._next_adc_s = adc_s + duration_s
        self._ring.write(
            samples,
            now_ns - int(late_s * 1e9),
            gap_samples=gap_samples,
            gap_estimated=gap_samples > 0,
        )
