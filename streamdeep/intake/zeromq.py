"""Sound that senders ship over ZeroMQ: one socket and one thread for all streams.

The thread reads messages, writes their samples into the streams' rings and answers with credit. Not here: who
may send (``reception``), what becomes of samples (``remote``), the sending side (``sending``).
"""

import secrets
import threading
import time
from collections.abc import Callable
from typing import Final

from streamdeep.errors import MessageError
from streamdeep.intake.reception import Limits, Reception, ReceptionStatistics
from streamdeep.intake.remote import RemoteSource
from streamdeep.wire.audiokinds import AudioMessage
from streamdeep.wire.audiosockets import AudioListener
from streamdeep.wire.gate import Guard
from streamdeep.wire.kinds import SESSION_BYTES
from streamdeep.wire.messages import pack, unpack

TICK_S: Final = 0.02
GATHERING_S: Final = 0.005
"""So long messages may wait for others when many come, so that fewer changes of thread are needed."""
MANY: Final = 20
"""Messages per tick from which on that is worth while: a thousand a second."""
_MESSAGES_AT_ONCE: Final = 256


class AudioIn:
    """A bound socket that streams come in by.

    Args:
        bind: where senders connect to.
        insecure: allow addresses that other machines can reach, in clear text.
        limits: what is taken.
        admit: given a new stream's name and source, on the receiving thread.
        guard: encrypt, and let in only those whom it allows.

    Raises:
        ConfigurationError: the address is malformed, or not local and neither ``insecure`` nor guarded.
        BindError: the address cannot be had.
    """

    def __init__(
        self,
        bind: str,
        *,
        insecure: bool,
        limits: Limits,
        admit: Callable[[str, RemoteSource], None],
        guard: Guard | None = None,
    ) -> None:
        self._listener = AudioListener(bind, insecure=insecure, guard=guard)
        self.endpoint: Final = self._listener.endpoint
        self._reception = Reception(limits, admit, session=secrets.token_bytes(SESSION_BYTES))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._receive, name="audio in", daemon=True)

    @property
    def statistics(self) -> ReceptionStatistics:
        """What happened to messages so far."""
        return self._reception.statistics

    def start(self) -> None:
        """Begin to receive."""
        self._thread.start()

    def close(self) -> None:
        """Tell all senders what was taken of their sound, and close the socket; after the engine's end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        else:
            self._listener.close()

    def _receive(self) -> None:
        next_tick_ns, n_before, gathering = time.monotonic_ns(), 0, False
        while not self._stop.is_set():
            if gathering:
                time.sleep(GATHERING_S)
            self._listener.wait(max(0.0, (next_tick_ns - time.monotonic_ns()) / 1e9))
            self._drain()
            now_ns = time.monotonic_ns()
            if now_ns >= next_tick_ns:
                next_tick_ns = now_ns + round(TICK_S * 1e9)
                gathering = self.statistics.messages - n_before >= MANY
                n_before = self.statistics.messages
                for route, answer in self._reception.tick(now_ns):
                    self._listener.send(route, pack(answer))
        for route, answer in self._reception.close(time.monotonic_ns()):
            self._listener.send(route, pack(answer))
        self._listener.close()

    def _drain(self) -> None:
        for _ in range(_MESSAGES_AT_ONCE):
            received = self._listener.receive()
            if received is None:
                return
            route, frames = received
            try:
                message = unpack(frames)
            except MessageError as error:
                # Every such text begins with the place of the fault.
                self.statistics.spoil(str(error).partition(":")[0])
                continue
            if not isinstance(message, AudioMessage):
                self.statistics.spoil("topic")
                continue
            for to, answer in self._reception.take(route, message, time.monotonic_ns()):
                self._listener.send(to, pack(answer))
