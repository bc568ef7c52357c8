"""A private PulseAudio whose microphone is a FIFO that a thread fills at the pace of real sound."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np

RATE_HZ = 8000
SOCKETS = {
    1: "mono",
    8: "front-left,front-right,rear-left,rear-right,front-center,lfe,side-left,side-right",
}
"""Positions in ALSA's order: PulseAudio mixes channels unless a capture's are in the order of the device's."""


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} took more than {seconds} s"
        time.sleep(0.02)


class Pulse:
    """A daemon that disturbs no other; it can be killed, frozen, and lose its microphone."""

    def __init__(self, folder, n_channels):
        folder.mkdir(mode=0o700)
        self._n_channels = n_channels
        self.folder = folder
        self.fifo = folder / "microphone"
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder),
            "PULSE_STATE_PATH": str(folder / "state"),
            "PULSE_COOKIE": str(folder / "cookie"),
            "PULSE_SERVER": f"unix:{folder}/native",
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        }
        self.daemon = None
        self.start()

    def start(self):
        self.daemon = subprocess.Popen(
            [
                "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes", "--use-pid-file=no",
                "--realtime=no", "--high-priority=no", f"--log-target=file:{self.folder}/log",
                "-L", f"module-native-protocol-unix auth-anonymous=1 socket={self.folder}/native",
            ],
            env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        wait_until(lambda: self._ask("info").returncode == 0, 20, "PulseAudio's start")
        self.plug_in()

    def _ask(self, *arguments):
        return subprocess.run(
            ["pactl", *arguments], env=self.environment, capture_output=True, text=True, check=False
        )

    def tell(self, *arguments):
        answer = self._ask(*arguments)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()

    def plug_in(self):
        self.fifo.unlink(missing_ok=True)  # a killed daemon leaves it behind
        self._plug = self.tell(
            "load-module", "module-pipe-source", "source_name=fifo", f"file={self.fifo}",
            "format=s16le", f"rate={RATE_HZ}", f"channels={self._n_channels}",
            f"channel_map={SOCKETS[self._n_channels]}",
        )  # fmt: skip
        self.tell("set-default-source", "fifo")

    def unplug(self):
        self.tell("unload-module", self._plug)

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()

    def freeze(self):
        self.daemon.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.daemon.send_signal(signal.SIGCONT)

    def end(self):
        if self.daemon.poll() is None:
            self.thaw()
            self.daemon.terminate()
            self.daemon.wait()


class Feeder:
    """Speaks into the microphone, in real time; what nobody listens to is lost, as sound is.

    Attributes:
        silent: speaks zeros.
        deaf: nobody listens, though the FIFO would take it.
        swallow: so many of the next samples are lost on the way.
        n_spoken: samples so far.
    """

    def __init__(self, fifo):
        self.silent = self.deaf = False
        self.n_spoken = self.swallow = 0
        self._fifo = fifo
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._speak)
        self._thread.start()

    def _speak(self):
        sound = (np.random.default_rng(5).standard_normal(RATE_HZ) * 3000).astype("<i2").tobytes()
        began, descriptor = time.monotonic(), None
        while not self._over.wait(0.01):
            due = int((time.monotonic() - began) * RATE_HZ)
            at, n_bytes = 2 * (self.n_spoken % RATE_HZ), 2 * (due - self.n_spoken)
            self.n_spoken = due
            part = (sound + sound)[at : at + n_bytes]
            if self.deaf:
                continue
            lost = min(self.swallow, len(part) // 2)
            self.swallow, part = self.swallow - lost, part[2 * lost :]
            try:
                descriptor = descriptor or os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK)
                os.write(descriptor, bytes(len(part)) if self.silent else part)
            except BlockingIOError:
                pass
            except OSError:  # nobody has it open
                if descriptor is not None:
                    os.close(descriptor)
                descriptor = None
        if descriptor is not None:
            os.close(descriptor)

    def end(self):
        self._over.set()
        self._thread.join()


def speak(fifo, samples):
    """Say samples ``(samples, channels)`` int16 at the pace of real sound, and a second of silence."""
    sound = np.concatenate([samples, np.zeros((RATE_HZ, samples.shape[1]), "<i2")])
    with fifo.open("wb", buffering=0) as microphone:
        began, said = time.monotonic(), 0
        while said < len(sound):
            time.sleep(0.01)
            due = int((time.monotonic() - began) * RATE_HZ)
            microphone.write(sound[said:due].tobytes())
            said = due


@contextlib.contextmanager
def pulse(folder, n_channels=1):
    found = Pulse(folder, n_channels)
    try:
        yield found
    finally:
        found.end()


@contextlib.contextmanager
def feeder(fifo):
    found = Feeder(fifo)
    try:
        yield found
    finally:
        found.end()
