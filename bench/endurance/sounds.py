"""Four ways in which sound comes, each with what can happen to it: a sound server, a web server, a sender, files."""

import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from bench.endurance.programs import ROOT, Program, streamdeep

sys.path.insert(0, str(ROOT / "tests"))
import pulse

RADIO_HZ, SENDER_HZ, FILE_HZ = 22_050, 16_000, 44_100
HOP_S = 0.4
STREAMS = ("mic", "radio", "sender", "file")


def free_port() -> int:
    """A port that nobody has, at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_noise(path: Path, rate_hz: int, length_s: float, seed: int) -> Path:
    """A sound file, louder and softer every few seconds."""
    drawn = np.random.default_rng(seed)
    with soundfile.SoundFile(path, "w", rate_hz, 1, subtype="PCM_16") as file:
        left = round(length_s * rate_hz)
        while left:
            part = drawn.standard_normal(min(left, 3 * rate_hz)) * drawn.uniform(0.01, 0.2)
            file.write(part.clip(-1, 1).astype(np.float32))
            left -= len(part)
    return path


class Microphone:
    """A private PulseAudio, and somebody who speaks."""

    def __init__(self, folder: Path) -> None:
        self.server = pulse.Pulse(folder / "pulse", 1)
        self.feeder = pulse.Feeder(self.server.fifo)

    @property
    def environment(self) -> dict[str, str]:
        """For an engine that is to hear it."""
        return dict(self.server.environment)

    def close(self) -> None:
        """Nobody speaks, and the server is gone."""
        self.feeder.end()
        self.server.end()


class Radio:
    """A web server that never ends by itself."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self.start()

    def start(self) -> None:
        """Serve, on the port it had before."""
        command = [sys.executable, "-m", "bench.endurance.radio", str(self._port), str(RADIO_HZ)]
        self.program = Program("radio", command, self._folder)
        self.program.wait_for("ready")

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._port}/radio.wav"


class Sender:
    """A device that ships a file at the pace of sound.

    Attributes:
        killed: the programs that were ended without a word.
    """

    def __init__(self, folder: Path, endpoint: str, length_s: float) -> None:
        self._folder, self._endpoint = folder, endpoint
        self._path = write_noise(folder / "sender.wav", SENDER_HZ, length_s, seed=11)
        self.start()

    def start(self) -> None:
        """A new session under the same name."""
        where = ("--connect", self._endpoint, "--stream", "sender")
        self.program = streamdeep("sender", self._folder, "send", self._path, *where)

    def end(self) -> dict[str, Any]:
        """Its ledger."""
        code = self.program.end()
        return {**self.program.said("ledger")[-1], "exit_code": code}


class Site:
    """The engine's configuration, and the file that it plays: one that ends, then another under its name."""

    def __init__(self, folder: Path, radio: str, *, first_s: float, second_s: float) -> None:
        self.path = folder / "site.toml"
        self._radio = radio
        self._first = write_noise(folder / "first.wav", FILE_HZ, first_s, seed=1)
        self._second = write_noise(folder / "second.flac", FILE_HZ, second_s, seed=2)
        self._write(self._first)

    def replace_file(self) -> None:
        """Name the other file; the engine has still to be told."""
        self._write(self._second)

    def _write(self, file: Path) -> None:
        sources = {
            "file": f'source = "{file}"',
            "mic": 'source = "mic:pulse"',
            "radio": f'source = "{self._radio}"\nrate = {RADIO_HZ}\nchannels = 1',
        }
        tables = [f'[[streams]]\n{source}\nstream = "{name}"\n' for name, source in sources.items()]
        self.path.write_text(f"hop_s = {HOP_S:g}\nwait = true\n\n" + "\n".join(tables))
