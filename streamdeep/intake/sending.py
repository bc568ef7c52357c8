"""Ships a source to an engine, through broken connections and restarts of the engine.

Driven from the caller's thread; the source writes from its own. Not here: what is kept and cut (``outgoing``),
sockets (``wire.audiosockets``).
"""

import secrets
import threading
import time
from collections.abc import Callable
from typing import Final

from streamdeep.audio.pcm import SampleFormat
from streamdeep.audio.ring import single_ring
from streamdeep.audio.source import Source
from streamdeep.audio.wake import Wake
from streamdeep.errors import ConfigurationError, MessageError, WireError
from streamdeep.intake.outgoing import Outgoing, SendLedger, block_samples
from streamdeep.wire.audiokinds import FORMATS, CreditMessage
from streamdeep.wire.audiosockets import AudioLink
from streamdeep.wire.keys import Identity
from streamdeep.wire.kinds import SESSION_BYTES
from streamdeep.wire.messages import PAYLOAD_BYTES, pack, unpack

BUFFER_BYTES: Final = 2_000_000_000
SIGN_NS: Final = 1_000_000_000
"""After so long without a message an engine gets a sign of life."""
PATIENCE_NS: Final = 5_000_000_000
"""An engine that has not answered for so long is gone."""
AWAY_NS: Final = 1_000_000_000
"""A connection that is down for so long is worth a word."""
BUSY_NS: Final = 500_000_000
"""So long until an engine that had no place is asked again."""

Notice = Callable[[str, str], None]


class Sender:
    """One source on its way to one engine.

    Args:
        source: not yet started.
        connect: the engine's address, with ``?server-key=FILE`` if it encrypts.
        stream: its name there.
        sample_format: in messages.
        buffer_s: how much sound is kept for an engine that is away.
        block_ms: sound per message.
        offline: the source waits for the engine.
        notice: told in words what happens: event and sentence.
        identity: our keys, for an engine that encrypts.

    Raises:
        ConfigurationError: a malformed address, a key file that cannot be read, or numbers that cannot be.
    """

    def __init__(
        self,
        source: Source,
        connect: str,
        *,
        stream: str,
        sample_format: SampleFormat = "f32le",
        buffer_s: float = 30.0,
        block_ms: float = 20.0,
        offline: bool = False,
        notice: Notice = lambda _event, _sentence: None,
        identity: Identity | None = None,
    ) -> None:
        rate_hz, n_channels = source.sample_rate_hz, source.n_channels
        n_samples = block_samples(block_ms, rate_hz)
        if n_samples * n_channels * FORMATS[sample_format] > PAYLOAD_BYTES:
            raise ConfigurationError(
                f"{block_ms:g} ms of this source are more than a message holds ({PAYLOAD_BYTES} bytes); "
                "send shorter blocks"
            )
        if 4 * buffer_s * rate_hz * n_channels > BUFFER_BYTES:
            raise ConfigurationError(
                f"{buffer_s:g} s of this source take more than {BUFFER_BYTES} bytes; keep less"
            )
        self._link = AudioLink(connect, identity=identity)
        self._source = source
        self._notice = notice
        self._wake = Wake()
        capacity = max(round(buffer_s * rate_hz), 4 * n_samples)
        self._ring = single_ring(capacity, n_channels, rate_hz, wake=self._wake.set)
        self._session = secrets.token_bytes(SESSION_BYTES)
        self._outgoing = Outgoing(
            self._ring,
            stream=stream,
            session=self._session,
            sample_format=sample_format,
            block_samples=n_samples,
            offline=offline,
        )
        self._stopping = threading.Event()
        # Of the present connection:
        self._connection = 0
        self._limit: int | None = None
        self._heard_ns = self._spoke_ns = 0
        self._up_ns = time.monotonic_ns()
        self._busy_until_ns = 0
        self._said: tuple[str, str] | None = None

    def stop(self) -> None:
        """End the source; what is kept may still leave. From any thread or signal handler."""
        self._stopping.set()
        self._wake.set()

    @property
    def trouble(self) -> str:
        """Why the engine and we cannot agree on how to speak; empty if they do, or that is not known."""
        return self._link.trouble

    def ledger(self) -> SendLedger:
        """Where all samples are."""
        return self._outgoing.ledger()

    def run(self, *, linger_s: float) -> None:
        """Ship the source to its end.

        Args:
            linger_s: how long the engine may take for what is kept, once the source has ended.

        Raises:
            SourceError: the source failed; what it had delivered was shipped.
            WireError: the engine refuses the stream for good.
        """
        deadline_ns: int | None = None
        try:
            self._source.start(self._ring)
            while not self._outgoing.delivered:
                self._wake.clear()
                if self._stopping.is_set() and not self._ring.closed:
                    self._source.stop()
                    self._ring.close()
                now_ns = time.monotonic_ns()
                if self._ring.closed and deadline_ns is None:
                    deadline_ns = now_ns + round(linger_s * 1e9)
                if deadline_ns is not None and now_ns >= deadline_ns:
                    break
                self._outgoing.cut()
                self._link.step()
                self._speak(now_ns)
                self._link.wait(0.1, self._wake.descriptor)
                self._listen()
        finally:
            self._source.stop()
            self._link.close()
            self._wake.close()
        if self._ring.error is not None:
            raise self._ring.error

    def _speak(self, now_ns: int) -> None:
        if not self._link.up:
            if now_ns - self._up_ns > AWAY_NS:
                why = self._link.trouble or "no engine there"
                self._say("away", f"{why}; what it misses is kept")
            return
        self._up_ns = now_ns
        if self._link.connections != self._connection:
            self._connection = self._link.connections
            self._heard_ns, self._busy_until_ns = now_ns, 0
            self._ask(now_ns)
        if now_ns - self._heard_ns > PATIENCE_NS:
            self._link.renew()
            return
        if self._limit is None and self._busy_until_ns and now_ns >= self._busy_until_ns:
            self._ask(now_ns)
        if self._limit is not None:
            while (message := self._outgoing.next(self._limit)) is not None:
                if not self._link.send(pack(message)):
                    return
                self._outgoing.sent()
                self._spoke_ns = now_ns
        if now_ns - self._spoke_ns > SIGN_NS:
            self._sign(now_ns)

    def _ask(self, now_ns: int) -> None:
        """Begin with the oldest sample that nobody has; the answer says how many more may follow."""
        self._limit, self._busy_until_ns = None, 0
        self._outgoing.rewind()
        self._sign(now_ns)

    def _sign(self, now_ns: int) -> None:
        self._link.send(pack(self._outgoing.sign_of_life()))
        self._spoke_ns = now_ns

    def _listen(self) -> None:
        while self._link.up and (frames := self._link.receive()) is not None:
            try:
                credit = unpack(frames)
            except MessageError:
                continue  # of a later version, perhaps
            if not isinstance(credit, CreditMessage) or credit.to != self._session:
                continue
            now_ns = time.monotonic_ns()
            self._heard_ns = now_ns
            self._outgoing.taken(credit.taken_sample)
            if credit.state == "open":
                self._limit = max(self._limit or 0, credit.limit_sample)
                self._say("connected", "the engine takes the stream")
            elif credit.state == "ended":
                self._outgoing.finish()
            elif credit.state == "busy":
                self._limit, self._busy_until_ns = None, now_ns + BUSY_NS
                self._outgoing.rewind()
                self._say("busy", f"the engine waits: {credit.reason}")
            else:
                raise WireError(f"the engine refuses the stream: {credit.reason}")

    def _say(self, event: str, sentence: str) -> None:
        if (event, sentence) != self._said:
            self._said = event, sentence
            self._notice(event, sentence)
