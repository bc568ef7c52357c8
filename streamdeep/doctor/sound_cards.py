"""PortAudio, and the microphones that it lists. Not here: how they sound (``listening``)."""

import sys

from streamdeep.doctor.finding import Finding, State
from streamdeep.errors import MissingDependencyError

_WITHOUT = "files, raw samples, sound from the network and `streamdeep send` work all the same"


def sound_cards(*, needed: bool) -> Finding:
    """What there is to listen with.

    Args:
        needed: a microphone was asked for.
    """
    from streamdeep.audio.portaudio import input_devices

    state: State = "broken" if needed else "look here"
    try:
        found = input_devices()
    except MissingDependencyError as error:
        return Finding(
            "sound cards",
            state,
            f"the PortAudio library is missing, so no microphone can be opened; {_WITHOUT}",
            "apt install libportaudio2" if sys.platform == "linux" else str(error),
        )
    if not found:
        return Finding(
            "sound cards",
            state,
            f"no microphone is to be seen; {_WITHOUT}",
            "plug one in, see that a sound server runs (`pactl info`) or that you are in the group `audio` "
            "(`sudo usermod -aG audio $USER`, then log in again)"
            if sys.platform == "linux"
            else "plug one in, and allow this program to use it in the system's privacy settings",
        )
    default = next((device for device in found if device.default), found[0])
    return Finding(
        "sound cards",
        "ok",
        f"{len(found)} inputs; `mic` is {default.name!r}, {default.n_channels} channels, {default.sample_rate_hz} Hz",
        values={"inputs": [device.name for device in found]},
    )
