"""A source whose samples a sender ships, as messages ``audio/<stream>/``.

Written by the receiving thread, started and stopped by the engine's. Its ring counts what came and what is
missing between; the sender's index and the ring's differ by a number that changes when the sender restarts.
Not here: sockets (``zeromq``), and who may send (``reception``).
"""

import threading
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamdeep.audio.pcm import SampleFormat, decode
from streamdeep.audio.ring import Ring
from streamdeep.errors import SourceError
from streamdeep.records import Flag
from streamdeep.wire.audiokinds import AudioMessage
from streamdeep.wire.host import this_host

PENDING_S: Final = 1.0
"""How much sound is kept until the engine has a ring for it; who waits for credit sends none before."""
JUMP_MOST: Final = 2**40
"""Samples that may be missing at once, exactly counted; more is somebody else's index."""
_SECOND_NS: Final = 1_000_000_000
_OFFSET_HOLDS_NS: Final = 60_000_000_000  # clocks drift apart by some milliseconds in that time


class RemoteClock:
    """A sender's capture times by this machine's monotonic clock.

    On one machine they are the same. Across machines the way here and the difference of the clocks cannot be
    told apart: the smallest sum of the last minute or two is taken for the difference, so that a capture time
    is too late by the fastest way at most.

    Args:
        host: whose clock this machine reads.
    """

    def __init__(self, host: str | None = None) -> None:
        self._host = this_host() if host is None else host
        self._offsets_ns: list[int] = []  # the smallest of this minute, and of the one before
        self._until_ns = 0

    def captured_ns(self, message: AudioMessage, now_ns: int) -> int:
        """When a message's last sample was captured, at the latest now; now, if the sender does not say."""
        if not message.captured_monotonic_ns:
            return now_ns
        if message.host == self._host:
            return min(now_ns, message.captured_monotonic_ns)
        offset_ns = now_ns - message.published_monotonic_ns
        if now_ns >= self._until_ns:
            self._until_ns = now_ns + _OFFSET_HOLDS_NS
            self._offsets_ns = [offset_ns, *self._offsets_ns[:1]]
        elif offset_ns < self._offsets_ns[0]:
            self._offsets_ns[0] = offset_ns
        return min(now_ns, message.captured_monotonic_ns + min(self._offsets_ns))


class RemoteSource:
    """One stream from one sender; see :class:`streamdeep.audio.source.Source`.

    Attributes:
        name: where it comes from, for people.
        sample_rate_hz: the sender's.
        n_channels: the sender's.
        live: samples come when they happen; False for a file sent as fast as it is taken.
        session: the sender's.
        expected: the sender's index of the sample that comes next.
        heard_ns: monotonic, when the last message came.
        repeated_samples: came a second time, after the sender connected anew.
        over: the sender said that the sound ends.
        stopped: the engine wants no more of it.
        ended: the engine has published all of it.
        refusal: why the engine does not take it, if so.
    """

    def __init__(self, first: AudioMessage, now_ns: int, *, expected: int | None = None) -> None:
        """Build a source for whoever sent this.

        Args:
            first: the first message; it is still to be given to :meth:`take`.
            now_ns: monotonic.
            expected: the sample that came next when the same session was here before.
        """
        self.sample_rate_hz = first.sample_rate_hz
        self.n_channels = first.channels
        self.live = Flag.OFFLINE not in first.flags
        self.session = first.session
        self.expected = first.start_sample if expected is None else expected
        self.name = (
            f"sent by {first.host.partition('/')[0][:64]}, session {self.session.hex()[:8]}, "
            f"from its sample {self.expected}"
        )
        self.heard_ns = now_ns
        self.repeated_samples = 0
        self.over = self.stopped = self.ended = False
        self.refusal: str | None = None
        self._clock = RemoteClock()
        self._newest: tuple[AudioMessage, int] | None = (
            None  # with samples, and its capture time here
        )
        self._writing = threading.Lock()
        self._ring: Ring | None = None
        self._closed = False
        self._pending: list[tuple[NDArray[np.float32], int, int, bool, int]] = []
        self._pending_samples = 0
        self._owed_gap = 0  # estimated, before the next sample
        self._window_samples = 0
        # Positions in the ring count from its first sample; what is missing counts too.
        self._ring_first = 0
        self._position = 0
        self._session_position, self._session_start = 0, self.expected
        self._taken = self.expected

    # --- the engine's side -------------------------------------------------------------------------------

    def start(self, ring: Ring) -> None:
        """Take the ring, and put into it what came before."""
        with self._writing:
            self._ring_first = ring.sample_at(0)
            self._window_samples = ring.array.capacity_samples
            for samples, captured_ns, gap_samples, estimated, late_ns in self._pending:
                _put(ring, samples, captured_ns, gap_samples, estimated, late_ns)
            self._pending.clear()
            self._ring = ring
            if self._closed:
                ring.close()

    def stop(self) -> None:
        """Nothing is written after it returns."""
        with self._writing:
            self._closed = self.stopped = True

    def end(self) -> None:
        """All was published."""
        self.ended = True

    def turn_away(self, reason: str) -> None:
        """The engine has no place for it."""
        self.refusal = reason

    # --- the receiver's side -----------------------------------------------------------------------------

    @property
    def open(self) -> bool:
        """Whether the engine has a ring for it."""
        return self._ring is not None

    @property
    def closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._closed

    @property
    def window_samples(self) -> int:
        """How many samples the ring holds; 0 before there is one."""
        return self._window_samples

    @property
    def taken_sample(self) -> int:
        """The sender's index up to which everything was taken out of the ring."""
        if self.ended:
            return self.expected
        if self._ring is not None:
            done = self._ring.done_until() - self._ring_first - self._session_position
            self._taken = max(self._taken, min(self._session_start + done, self.expected))
        return self._taken

    def same_shape(self, message: AudioMessage) -> bool:
        """Whether a message has the rate and the channels of this stream."""
        return (message.sample_rate_hz, message.channels) == (self.sample_rate_hz, self.n_channels)

    def goes_on(self, message: AudioMessage) -> bool:
        """Whether a message of this session can be given to :meth:`take`."""
        return self.same_shape(message) and message.start_sample - self.expected <= JUMP_MOST

    def take(self, message: AudioMessage, now_ns: int) -> None:
        """A message of this session and shape came."""
        self.heard_ns = now_ns
        known = max(0, self.expected - message.start_sample)
        missing = max(0, message.start_sample - self.expected)
        estimated = Flag.GAP_ESTIMATED in message.flags and message.gap_samples > 0
        self.repeated_samples += min(known, message.n_samples)
        if message.n_samples > known:
            captured_ns = self._clock.captured_ns(message, now_ns)
            samples = _decode(message)[known:]
            if self._write(samples, captured_ns, missing, estimated, now_ns - captured_ns):
                self.expected = message.stop_sample
                self._newest = message, captured_ns
        if Flag.LAST in message.flags:
            self.over = True
            if message.n_samples == 0 and (missing or self._owed_gap):
                nothing = np.zeros((0, self.n_channels), dtype=np.float32)
                self._write(nothing, now_ns, missing, estimated, 0)
                self.expected += missing
            self.close()

    def supersede(self, message: AudioMessage, now_ns: int) -> None:
        """The sender began a new session: what happened between is a gap, estimated from clocks."""
        gap_samples = self._estimated_gap(message, now_ns)
        self._owed_gap += gap_samples
        self.session = message.session
        self.expected = self._session_start = self._taken = message.start_sample
        self._session_position = self._position + self._owed_gap
        self._clock = RemoteClock()

    def close(self, error: SourceError | None = None) -> None:
        """No more samples will come."""
        with self._writing:
            if not self._closed and self._ring is not None:
                self._ring.close(error)
            self._closed = True

    def _write(
        self,
        samples: NDArray[np.float32],
        captured_ns: int,
        gap_samples: int,
        estimated: bool,
        late_ns: int,
    ) -> bool:
        """Whether they were taken; samples that the ring has no room for are, since it counts them."""
        gap_samples += self._owed_gap
        estimated = estimated or self._owed_gap > 0
        with self._writing:
            if self._closed:
                return False
            if self._ring is not None:
                _put(self._ring, samples, captured_ns, gap_samples, estimated, late_ns)
            elif self._pending_samples + len(samples) > PENDING_S * self.sample_rate_hz:
                return False
            else:
                self._pending.append((samples, captured_ns, gap_samples, estimated, late_ns))
                self._pending_samples += len(samples)
        self._owed_gap = 0
        self._position += gap_samples + len(samples)
        return True

    def _estimated_gap(self, message: AudioMessage, now_ns: int) -> int:
        """Samples between the newest one here and the first of a message of another session."""
        if self._newest is None:
            return 0
        newest, newest_ns = self._newest
        rate_hz = self.sample_rate_hz
        if message.host == newest.host and message.captured_monotonic_ns:
            passed_ns = message.captured_monotonic_ns - newest.captured_monotonic_ns
        else:
            passed_ns = message.captured_utc_ns - newest.captured_utc_ns
        # A machine that has just started may not know the time yet: then by the clock here.
        most_ns = now_ns - newest_ns
        if not 0 <= passed_ns <= most_ns:
            passed_ns = most_ns
        return max(0, passed_ns * rate_hz // _SECOND_NS - message.n_samples)


def _put(
    ring: Ring,
    samples: NDArray[np.float32],
    captured_ns: int,
    gap_samples: int,
    estimated: bool,
    late_ns: int,
) -> None:
    ring.array.late_ns[ring.slot] = late_ns
    ring.write(samples, captured_ns, gap_samples=gap_samples, gap_estimated=estimated)


def _decode(message: AudioMessage) -> NDArray[np.float32]:
    sample_format: SampleFormat = "s16le" if message.format == "s16le" else "f32le"
    return decode(message.pcm, sample_format, message.channels)
