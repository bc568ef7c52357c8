"""Who may connect to a program that encrypts: those whose public key lies in a folder.

CURVE alone encrypts and proves the program's identity to those who connect; it lets in whoever knows its
public key. So libzmq asks, at every handshake, an authenticator inside the process (ZAP, RFC 27): this one.
It says no unless the key is there, and the socket lets nobody in without an answer. Keys put into
the folder or taken out of it count from the next second on; who is connected stays connected. Not here: key
files (:mod:`streamdeep.wire.keys`).
"""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import zmq
from zmq.utils import z85

from streamdeep.errors import ConfigurationError
from streamdeep.wire.keys import PUBLIC_SUFFIX, Identity, load_identity, load_public_key

_ADDRESS: Final = "inproc://zeromq.zap.01"  # where libzmq asks, by RFC 27
_DOMAIN: Final = b"streamdeep"
_READ_EVERY_NS: Final = 1_000_000_000  # a flood of handshakes must not be a flood of file reads


@dataclass(frozen=True, slots=True)
class Guard:
    """How a program protects the addresses that it is bound to.

    Attributes:
        identity: its keys; who connects needs the public one.
        allow: a folder of public key files, ``*.key``: who may connect.
    """

    identity: Identity
    allow: Path

    @classmethod
    def load(cls, identity: str | Path | None, allow: str | Path | None) -> Self | None:
        """From files; None if neither is given.

        Raises:
            ConfigurationError: only one is given, or something cannot be read.
        """
        if identity is None and allow is None:
            return None
        if identity is None or allow is None:
            raise ConfigurationError(
                "encryption needs both: our own --identity FILE.key_secret, and --allow FOLDER with the "
                "public keys of those who may connect"
            )
        folder = Path(allow)
        if not folder.is_dir():
            raise ConfigurationError(f"--allow {folder} is no folder; it holds public key files")
        for path in sorted(folder.glob(f"*{PUBLIC_SUFFIX}")):
            load_public_key(path)  # a mistake is told now; later ones cannot be, and let nobody in
        return cls(load_identity(identity), folder)


class Gate:
    """Answers for one context, in a thread of its own, until the context is terminated.

    Args:
        context: of the sockets that are to be protected.
        guard: what is asked for.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], guard: Guard) -> None:
        self._guard = guard
        self._keys: frozenset[bytes] = frozenset()
        self._read_ns: int | None = None
        self._socket = context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(_ADDRESS)
        threading.Thread(target=self._answer, name="gate", daemon=True).start()

    def protect(self, socket: zmq.Socket[bytes]) -> None:
        """Set a socket up, before it is bound."""
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self._guard.identity.secret)
        socket.setsockopt(zmq.ZAP_DOMAIN, _DOMAIN)
        # Without it libzmq lets everybody in when nobody answers *(measured)*.
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)

    def _answer(self) -> None:
        while True:
            try:
                version, request, domain, _, _, mechanism, *credentials = (
                    self._socket.recv_multipart()
                )
                known = domain == _DOMAIN and mechanism == b"CURVE" and self._knows(credentials)
                verdict = (b"200", b"OK") if known else (b"400", b"not in the allow-list")
                self._socket.send_multipart([version, request, *verdict, b"", b""])
            except zmq.ContextTerminated:
                self._socket.close(0)
                return

    def _knows(self, credentials: list[bytes]) -> bool:
        now_ns = time.monotonic_ns()
        if self._read_ns is None or now_ns - self._read_ns >= _READ_EVERY_NS:
            self._read_ns = now_ns
            self._keys = frozenset(self._read())
        return len(credentials) == 1 and z85.encode(credentials[0]) in self._keys

    def _read(self) -> list[bytes]:
        keys: list[bytes] = []
        for path in self._guard.allow.glob(f"*{PUBLIC_SUFFIX}"):
            try:
                keys.append(load_public_key(path))
            except ConfigurationError:
                continue  # half written, or no key file
        return keys
