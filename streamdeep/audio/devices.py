"""Input devices by name: what a user typed, and the same device again after it went away.

Pure choice among names. Not here: asking PortAudio for them (``portaudio``).
"""

import re
from dataclasses import dataclass

from streamdeep.errors import SourceError

_ADDRESS = re.compile(r"\s*\(hw:\d+,\d+\)$")
"""ALSA's card and device number, which a plug moved to another socket changes."""


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

    @property
    def stable_name(self) -> str:
        """The name without numbers that change when it is plugged in again."""
        return _ADDRESS.sub("", self.name)


def select(wanted: str, devices: list[Device]) -> Device:
    """A device by number, or by any part of its name that fits exactly one; empty is the default.

    Raises:
        SourceError: none fits, or several do.
    """
    if not devices:
        raise SourceError(
            "there is no microphone: PortAudio knows no input device; `streamdeep doctor` says what to look at"
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


def find_again(lost: Device, devices: list[Device]) -> Device:
    """The same device in a newer list, whatever its number is now.

    Raises:
        SourceError: it is not there.
    """
    same = [
        device
        for device in devices
        if (device.host_api, device.stable_name) == (lost.host_api, lost.stable_name)
    ]
    if not same:
        raise SourceError(f"{lost.name!r} is not there")
    return next((device for device in same if device.name == lost.name), same[0])
