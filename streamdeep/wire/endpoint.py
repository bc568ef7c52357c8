"""Opens the publisher's socket: options, bind, and what the operating system says against it.

Not here: whether the address is one we want to listen on (:mod:`streamdeep.wire.security`).
"""

import errno
import socket
from pathlib import Path
from typing import Final

import zmq

from streamdeep.errors import BindError
from streamdeep.wire.gate import Gate, Guard

HEARTBEAT_INTERVAL_MS: Final = 2_000
# Longer than most network hiccups: a shorter one turns them into loss (measured: 4 s of link down, 0 messages
# lost without heartbeats, 82 with 1.5 s).
HEARTBEAT_TIMEOUT_MS: Final = 10_000
WAIT_SLICE_MS: Final = 100  # one try of a lossless send


def open_publisher(
    bind: str,
    *,
    high_water_mark: int,
    lossless: bool,
    guard: Guard | None = None,
    manual: bool = False,
) -> tuple[zmq.Socket[bytes], zmq.Context[zmq.Socket[bytes]] | None]:
    """An XPUB socket, bound.

    Args:
        bind: an address that ``check_bind`` has passed.
        high_water_mark: messages queued per reader.
        lossless: refuse a message (``zmq.Again`` after 100 ms) rather than drop it for a full reader.
        guard: encrypt, and let in only those whom it allows.
        manual: a subscription takes effect when the caller says so.

    Returns:
        The socket, and the context to be terminated after it; None for ``inproc://``, which lives in
        the process's shared context.

    Raises:
        BindError: the address cannot be had.
    """
    shared = bind.startswith("inproc://")
    context = zmq.Context.instance() if shared else zmq.Context()
    publisher = context.socket(zmq.XPUB)
    # Each join and each leave, also of a topic that others have: plain XPUB reports first and last only.
    publisher.setsockopt(zmq.XPUB_MANUAL if manual else zmq.XPUB_VERBOSER, 1)
    publisher.setsockopt(zmq.XPUB_NODROP, int(lossless))
    publisher.setsockopt(zmq.SNDTIMEO, WAIT_SLICE_MS)
    publisher.setsockopt(zmq.SNDHWM, high_water_mark)
    publisher.setsockopt(zmq.LINGER, 0)  # until close says otherwise
    # Readers send subscriptions only; a 5 MB one would cost 233 MB here. A handshake with keys is longer.
    publisher.setsockopt(zmq.MAXMSGSIZE, 256 if guard is None else 1_024)
    publisher.setsockopt(
        zmq.HANDSHAKE_IVL, 1_000
    )  # half-open connections hold a descriptor this long
    publisher.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_INTERVAL_MS)
    publisher.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
    if bind.startswith("tcp://["):
        publisher.setsockopt(zmq.IPV6, 1)
    try:
        if guard is not None and not shared:
            Gate(context, guard).protect(publisher)
        bind_socket(publisher, bind)
    except BaseException:
        publisher.close(0)
        if not shared:
            context.term()
        raise
    return publisher, None if shared else context


def bind_socket(unbound: zmq.Socket[bytes], bind: str) -> None:
    """Bind a socket to an address that ``check_bind`` has passed.

    Raises:
        BindError: the address cannot be had.
    """
    path = bind.removeprefix("ipc://")
    is_file = path != bind and not path.startswith(("@", "*"))
    if is_file and _answers(path):
        # libzmq would unlink the file and take the address over from its owner.
        raise _in_use(bind)
    try:
        unbound.bind(bind)
    except zmq.ZMQError as error:
        if error.errno == errno.EADDRINUSE:
            raise _in_use(bind) from error
        raise BindError(f"cannot bind {bind}: {error.strerror}; choose another address") from error
    if is_file:
        Path(path).chmod(0o600)


def _in_use(bind: str) -> BindError:
    free = "tcp://127.0.0.1:*" if bind.startswith("tcp://") else "another name"
    return BindError(
        f"{bind} is in use: stop the program that has it, or bind another address ({free} is always free)"
    )


def _answers(path: str) -> bool:
    """Whether a process listens on a Unix socket; a file left by a crashed one does not answer."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True
