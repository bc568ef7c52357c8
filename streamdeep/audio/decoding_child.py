"""The process that FFmpeg works in when it reads from the network: one connection, then it ends.

A decoder that hangs, crashes or asks for gigabytes so takes nobody with it, and can be ended at any time. The
order comes as a line of JSON on standard input; messages go to standard output. Not here: the side that
starts this process and reads them (``connection``).
"""

import contextlib
import json
import os
import struct
import sys
import threading
from typing import BinaryIO, Final

from streamdeep.audio.decoding import Decoder, Order
from streamdeep.errors import StreamdeepError

MEMORY_BYTES: Final = 1 << 30
MESSAGE: Final = struct.Struct("<cI")
OPENED: Final = b"O"
SOUND: Final = b"S"
FINISHED: Final = b"F"
FAILED: Final = b"E"


def main() -> None:
    """Do what the order says."""
    orders, out = sys.stdin.buffer, sys.stdout.buffer
    order = Order(**json.loads(orders.readline()))
    threading.Thread(target=_end_with, args=(orders,), daemon=True).start()
    _limit()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        try:
            _decode(order, out)
        except StreamdeepError as error:
            _send(out, FAILED, str(error).encode())
        except MemoryError:
            _send(out, FAILED, b"it wants more memory than a decoder gets")
    os._exit(0)  # what FFmpeg's threads still wait for is nobody's business


def _decode(order: Order, out: BinaryIO) -> None:
    decoder = Decoder(order)
    opened = {"finite": decoder.finite, "n_samples": decoder.n_samples}
    _send(out, OPENED, json.dumps(opened).encode())
    for sound in decoder.sounds():
        _send(out, SOUND, sound.pack())
    _send(out, FINISHED, b"")


def _send(out: BinaryIO, kind: bytes, body: bytes) -> None:
    out.write(MESSAGE.pack(kind, len(body)) + body)
    out.flush()


def _end_with(orders: BinaryIO) -> None:
    """Standard input ends when whoever gave the order is gone, however it went."""
    with contextlib.suppress(OSError):
        orders.read()
    os._exit(0)


def _limit() -> None:
    """Memory, no core dumps (they would hold sound), no files written; as far as the system knows limits."""
    try:
        import resource
    except ImportError:
        return
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    main()
