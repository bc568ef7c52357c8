"""The kinds of message that carry sound to an engine, and its answers.

They travel the other way than all others: a sender connects, the engine is bound. Not here: their bytes
(:mod:`streamdeep.wire.messages`), and what is done with them (``intake``).
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from streamdeep.wire.kinds import Message

FORMATS: Final = {"s16le": 2, "f32le": 4}
"""Bytes of one sample of one channel."""
CHANNELS_MOST: Final = 64
SAMPLES_MOST: Final = 2**62
"""Sample indices of senders stay below, so that sums of a few of them fit 64 bits."""
STATES: Final = ("open", "busy", "refused", "ended")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AudioMessage(Message):
    """Samples of one stream, from whoever captured them.

    One without samples is a sign of life; it carries the number that the next one with samples will have.
    ``Flag.LAST``: the sound ends here. ``Flag.REPEAT``: sent before, on another connection.

    Attributes:
        epoch: 0 at the start, +1 wherever samples are missing before these.
        start_sample: the sender's index of the first sample; never goes back within a session. Where it is
            larger than the last message's end, the samples between are lost.
        n_samples: how many follow, for each channel; 0 is allowed.
        sample_rate_hz: nominal.
        channels: interleaved in the payload.
        format: ``s16le`` or ``f32le``.
        captured_utc_ns: Unix time at which the last sample was captured, by the sender's clock.
        captured_monotonic_ns: the same by its monotonic clock; 0 if unknown.
        host: whose monotonic clock that is, as in :class:`~streamdeep.wire.kinds.StatusMessage`.
        gap_samples: how many of the samples lost before these were never captured; the others were given up
            by the sender. ``Flag.GAP_ESTIMATED``: it is an estimate.
        pcm: the samples.
    """

    kind: ClassVar[str] = "audio"

    epoch: int
    start_sample: int
    n_samples: int
    sample_rate_hz: int
    channels: int
    format: str
    captured_utc_ns: int
    captured_monotonic_ns: int
    host: str
    gap_samples: int
    pcm: bytes

    @property
    def stop_sample(self) -> int:
        """One past the sender's index of the last sample."""
        return self.start_sample + self.n_samples


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CreditMessage(Message):
    """What an engine says to whoever sends it a stream.

    Attributes:
        to: the session of the sender that is meant.
        state: ``open``: send. ``busy``: not now, begin again later with the oldest sample that was not taken.
            ``refused``: it will not be better later. ``ended``: the stream is over and all of it was taken.
        taken_sample: samples before this one were taken out of the engine's ring; the sender may forget them.
        limit_sample: samples before this one may be sent now.
        reason: for people.
    """

    kind: ClassVar[str] = "credit"

    to: bytes
    state: str
    taken_sample: int
    limit_sample: int
    reason: str = ""
