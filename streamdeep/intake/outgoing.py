"""A source's sound on its way to an engine: cut into messages, kept until the engine has taken it.

A stage between a ring and a connection; no socket, no thread. The ring is the buffer: samples stay in it until the
engine says that it took them, so that a new connection can begin with the oldest that nobody has. When it is
full the source's newest samples are refused and counted. Not here: when what is sent (``sending``).
"""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from streamdeep.audio.pcm import SampleFormat, encode
from streamdeep.audio.ring import Ring
from streamdeep.records import Flag
from streamdeep.wire.audiokinds import AudioMessage
from streamdeep.wire.host import this_host

STEPS: Final = 8
"""Room is given back in so many parts of the buffer: on a connection that is too slow, stretches of so much are
kept whole, instead of a hole in every segment."""


@dataclass(frozen=True, slots=True)
class SendLedger:
    """Where all samples are: ``captured = taken + given_up + waiting``.

    Attributes:
        captured: that the source delivered.
        taken: by an engine.
        given_up: refused because the buffer was full.
        waiting: in the buffer.
        gap_samples: lost before capture; beside the identity, not in it.
    """

    captured: int
    taken: int
    given_up: int
    waiting: int
    gap_samples: int


@dataclass(frozen=True, slots=True)
class _Cut:
    sequence: int
    epoch: int
    count: int  # of the ring
    start_sample: int
    n_samples: int
    gap_samples: int
    estimated: bool
    captured_ns: int
    last: bool = False

    @property
    def stop_sample(self) -> int:
        return self.start_sample + self.n_samples


class Outgoing:
    """One stream's samples, for one session.

    Args:
        ring: what the source writes.
        stream: its name.
        session: 16 random bytes.
        sample_format: in messages.
        block_samples: samples per message; the last one before a loss or the end may have fewer.
        offline: the source is not live.
        clock: monotonic nanoseconds.
        utc: Unix time in nanoseconds.
    """

    def __init__(
        self,
        ring: Ring,
        *,
        stream: str,
        session: bytes,
        sample_format: SampleFormat = "f32le",
        block_samples: int,
        offline: bool = False,
        clock: Callable[[], int] = time.monotonic_ns,
        utc: Callable[[], int] = time.time_ns,
    ) -> None:
        self._ring = ring
        self._stream = stream
        self._session = session
        self._format: SampleFormat = sample_format
        self._block_samples = block_samples
        self._offline = Flag.OFFLINE if offline else Flag(0)
        self._clock = clock
        self._utc = utc
        self._step_samples = max(1, ring.array.capacity_samples // STEPS)
        self._cuts: deque[_Cut] = deque()  # not taken
        self._next = 0  # of these, to be sent
        self._n_cut = 0  # the next one's number
        self._n_sent = 0  # numbers below were sent before
        self._epoch = 0
        self._count = 0  # of the ring, up to which it is cut
        self._gap_samples = 0
        self._ended = False
        ring.array.wanted[ring.slot] = block_samples

    @property
    def delivered(self) -> bool:
        """The source has ended, and an engine has taken everything."""
        return self._ended and not self._cuts

    @property
    def all_taken(self) -> bool:
        """Every sample so far was taken, the message that says that the sound ends perhaps not."""
        return self._done_count() == int(self._ring.array.written[self._ring.slot])

    def cut(self) -> None:
        """Cut what the source has delivered."""
        while not self._ended:
            ring = self._ring
            # In this order: what is closed has written its last, and what is written has told of its losses.
            closed = ring.closed
            written = int(ring.array.written[ring.slot])
            if written == self._count:
                if closed:
                    self._end()
                return
            jump, lost = ring.next_jump(), None
            if jump is not None and jump.count == self._count:
                lost, jump = jump, None
            # A loss further on may follow the one at this very place.
            stop = written if lost or jump is None else min(written, jump.count)
            n_samples = min(self._block_samples, stop - self._count)
            if n_samples < self._block_samples and not closed and stop == written:
                return
            if lost is not None:
                ring.pass_jump()
                self._epoch += 1
                self._gap_samples += lost.gap_samples
                jump = ring.next_jump()
                if jump is not None:
                    n_samples = min(n_samples, jump.count - self._count)
            count = self._count + n_samples
            self._append(
                n_samples,
                ring.captured_ns(count),
                lost.gap_samples if lost else 0,
                estimated=bool(lost and lost.gap_estimated),
            )
            self._count = count
            ring.array.wanted[ring.slot] = count + self._block_samples

    def next(self, limit_sample: int) -> AudioMessage | None:
        """The message that is to be sent next, if it ends before this sample."""
        if self._next == len(self._cuts) or self._cuts[self._next].stop_sample > limit_sample:
            return None
        return self._message(self._cuts[self._next])

    def sent(self) -> None:
        """The connection has accepted what :meth:`next` gave."""
        self._n_sent = max(self._n_sent, self._cuts[self._next].sequence + 1)
        self._next += 1

    def rewind(self) -> None:
        """Begin again with the oldest that was not taken: on another connection, or for another engine."""
        self._next = 0

    def taken(self, sample: int) -> None:
        """An engine has taken all samples before this one; they are forgotten."""
        while self._cuts and not self._cuts[0].last and self._cuts[0].stop_sample <= sample:
            self._cuts.popleft()
            self._next = max(0, self._next - 1)
        done = self._done_count()
        if done - int(self._ring.array.read[self._ring.slot]) >= self._step_samples:
            self._ring.release_until(done)

    def finish(self) -> None:
        """An engine has taken everything, and knows that it was the end."""
        self._cuts.clear()
        self._next = 0

    def sign_of_life(self) -> AudioMessage:
        """A message without samples, that says where the next one begins."""
        if self._next < len(self._cuts):
            cut = self._cuts[self._next]
            length_ns = cut.n_samples * 1_000_000_000 // self._ring.array.sample_rate_hz
            begins = _Cut(
                cut.sequence, cut.epoch, cut.count, cut.start_sample, 0, 0, False, cut.captured_ns - length_ns
            )  # fmt: skip
        else:
            start = self._ring.sample_at(self._count)
            begins = _Cut(self._n_cut, self._epoch, self._count, start, 0, 0, False, self._clock())
        return self._message(begins)

    def ledger(self) -> SendLedger:
        """Where all samples are."""
        written, done = int(self._ring.array.written[self._ring.slot]), self._done_count()
        return SendLedger(
            captured=written + self._ring.refused,
            taken=done,
            given_up=self._ring.refused,
            waiting=written - done,
            gap_samples=self._gap_samples + self._ring.trailing_gap,
        )

    def _done_count(self) -> int:
        return self._cuts[0].count if self._cuts else self._count

    def _append(
        self,
        n_samples: int,
        captured_ns: int,
        gap_samples: int,
        *,
        estimated: bool,
        start_sample: int | None = None,
        last: bool = False,
    ) -> None:
        start = self._ring.sample_at(self._count) if start_sample is None else start_sample
        self._cuts.append(
            _Cut(
                self._n_cut, self._epoch, self._count, start, n_samples, gap_samples, estimated, captured_ns,
                last,
            )
        )  # fmt: skip
        self._n_cut += 1

    def _end(self) -> None:
        ring = self._ring
        missing = int(ring.array.missing[ring.slot])
        self._epoch += 1 if missing else 0
        self._append(
            0,
            self._clock(),
            ring.trailing_gap,
            estimated=False,
            start_sample=ring.sample_at(self._count) + missing,
            last=True,
        )
        self._ended = True

    def _message(self, cut: _Cut) -> AudioMessage:
        now_ns, utc_ns = self._clock(), self._utc()
        flags = self._offline
        for flag, raised in (
            (Flag.GAP_ESTIMATED, cut.estimated),
            (Flag.LAST, cut.last),
            (Flag.REPEAT, cut.n_samples > 0 and cut.sequence < self._n_sent),
        ):
            flags |= flag if raised else Flag(0)
        array = self._ring.array
        samples = self._ring.samples(cut.count, cut.count + cut.n_samples)
        return AudioMessage(
            stream=self._stream,
            session=self._session,
            sequence=cut.sequence,
            published_utc_ns=utc_ns,
            published_monotonic_ns=now_ns,
            flags=flags,
            epoch=cut.epoch,
            start_sample=cut.start_sample,
            n_samples=cut.n_samples,
            sample_rate_hz=array.sample_rate_hz,
            channels=array.n_channels,
            format=self._format,
            captured_utc_ns=max(0, utc_ns - (now_ns - cut.captured_ns)),
            captured_monotonic_ns=max(0, cut.captured_ns),
            host=this_host(),
            gap_samples=cut.gap_samples,
            pcm=encode(samples, self._format),
        )


def block_samples(block_ms: float, sample_rate_hz: int) -> int:
    """How many samples a message of this length has, at least one."""
    return max(1, math.floor(block_ms * sample_rate_hz / 1000))
