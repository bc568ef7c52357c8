"""A decoder in a process of its own, seen from outside: started, read with a deadline, ended at any time.

Nothing that comes from it is trusted: it has read what strangers sent. Not here: what happens when a
connection ends (``network``).
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import Final

from streamdeep.audio.decoded import MOST_BYTES, Sound, unpack
from streamdeep.audio.decoding import Order, require_av
from streamdeep.audio.decoding_child import FAILED, FINISHED, MESSAGE, OPENED, SOUND
from streamdeep.errors import SourceError

_MOST_TEXT: Final = 1000
_NONSENSE: Final = "the decoder sent what is no sound"


@dataclass(frozen=True, slots=True)
class Opened:
    """What an open place is.

    Attributes:
        finite: it has an end that is known.
        n_samples: what its header promises; None if it does not say.
        first: the beginning of its sound.
    """

    finite: bool
    n_samples: int | None
    first: Sound


class Connection:
    """One try at a place; not to be used again after it ended."""

    def __init__(self, order: Order) -> None:
        """Start the process; what it finds comes by :meth:`receive`.

        Raises:
            MissingDependencyError: no PyAV.
            SourceError: the process cannot be started.
        """
        require_av()
        self._ending = threading.Lock()
        self._socket, theirs = socket.socketpair()
        # -P and the parent's own path: the folder that somebody happens to stand in is not searched.
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # noqa: PTH109
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "streamdeep.audio.decoding_child"],
                    stdin=subprocess.PIPE,
                    stdout=theirs.fileno(),
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": path},
                    start_new_session=True,  # Ctrl-C is for the parent
                )
        except OSError as error:
            self._socket.close()
            raise SourceError(f"a decoder cannot be started: {error.strerror}") from error
        assert self._process.stdin is not None
        # By a pipe: arguments of a process can be read by every user of the machine.
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
            self._process.stdin.flush()

    def open(self, patience_s: float) -> Opened:
        """Wait for the first sound, all that must come before it included.

        Raises:
            SourceError: it cannot be opened, holds no sound, or takes longer.
        """
        deadline_s = time.monotonic() + patience_s
        kind, body = self._message(deadline_s)
        if kind != OPENED:
            raise SourceError(_NONSENSE)
        first = self.receive(deadline_s - time.monotonic())
        if first is None:
            raise SourceError("it holds no samples")
        return _opened(body, first)

    def receive(self, patience_s: float) -> Sound | None:
        """What comes next; None at the end.

        Args:
            patience_s: how long it may take.

        Raises:
            SourceError: it failed, went silent, or was ended; why, in one line.
        """
        kind, body = self._message(time.monotonic() + patience_s)
        if kind == SOUND:
            return unpack(body)
        if kind == FINISHED:
            return None
        raise SourceError(_NONSENSE)

    def end(self) -> None:
        """End the process; whoever waits for it comes back. From any thread, and as often as one likes."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with self._ending:
            self._process.kill()
            self._process.wait()
            if self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()

    def close(self) -> None:
        """End it; nobody may be waiting for it any more."""
        self.end()
        self._socket.close()

    def _message(self, deadline_s: float) -> tuple[bytes, bytes]:
        kind, n_bytes = MESSAGE.unpack(self._read(MESSAGE.size, deadline_s))
        if n_bytes > MOST_BYTES + 1024:
            raise SourceError(_NONSENSE)
        body = bytes(self._read(n_bytes, deadline_s))
        if kind == FAILED:
            raise SourceError(body[:_MOST_TEXT].decode(errors="replace"))
        return kind, body

    def _read(self, n_bytes: int, deadline_s: float) -> bytearray:
        body = bytearray()
        while len(body) < n_bytes:
            try:
                self._socket.settimeout(max(0.001, deadline_s - time.monotonic()))
                part = self._socket.recv(min(n_bytes - len(body), 1 << 20))
            except TimeoutError as error:
                raise SourceError("no sound comes") from error
            except OSError as error:
                raise SourceError("the decoder is gone") from error
            if not part:
                raise SourceError(self._death())
            body += part
        return body

    def _death(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(1.0)
            if code < 0:
                name = signal.Signals(-code).name if -code in list(signal.Signals) else str(-code)
                return f"the decoder died ({name})"
        return "the decoder is gone"


def _opened(body: bytes, first: Sound) -> Opened:
    try:
        fields = json.loads(body)
        finite, n_samples = bool(fields["finite"]), int(fields["n_samples"] or 0)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise SourceError(_NONSENSE) from error
    return Opened(finite, n_samples if 0 < n_samples < 1 << 62 else None, first)
