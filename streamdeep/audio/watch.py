"""Is a capture alive, and what did it lose? Four detectors over time stamps, without a device.

PortAudio tells of neither: its overflow flag is missing under PulseAudio and PipeWire, says nothing of the amount
under JACK, and a device that was unplugged is just never heard of again. So, in this order of trust:

- *the card's clock*: blocks follow each other without a hole in the time stamps they carry. Where these have been
  steady, as under PipeWire and JACK, a hole is a loss, and exact. Under PulseAudio they are not steady.
- *samples against the monotonic clock*: blocks may come late, but then come soon after each other. Samples that are
  40 ms behind for a second will not come any more (the rule of GStreamer's ``GstAudioStreamAlign``): an estimate.
- *stall*: no block for longer than blocks take.
- *digital silence* from what was not silent: a sound server may move a capture to another device.

A fifth one, the end of the capture, is told by PortAudio and needs no detector. Two threads: the audio callback
calls ``block``, whoever guards the capture calls ``look``; neither writes what the other does.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

STALL_S = 0.5
STALL_BLOCKS = 5
FIRST_BLOCK_S = 5.0
"""A sound server may take 2 s to wake a sleeping device."""
SILENCE_S = 2.0
LATE_S = 0.04
LATE_FOR_S = 1.0
SETTLE_S = 0.5
"""After opening, until delays are what they will be."""
MOST_DRIFT = 5e-4
"""Seconds a second: a slower card than any that is sold; less is no loss."""
STEADY_S = 0.0002
STEADY_FOR_S = 3.0
"""How well, and for how long, blocks' time stamps must follow each other before they are believed: under PipeWire and
JACK they do for ever, under PulseAudio for half a second at most, by chance."""
TICK_S = 0.05
"""How often a capture is to be looked at."""


class Trouble(StrEnum):
    """What is wrong with a capture, in words for the listener."""

    STALLED = "the capture stalled"
    NEVER_BEGAN = "no sound came after opening"
    SILENT = "the capture was moved to a silent device"
    ENDED = "the sound system ended the capture"


class Loss(NamedTuple):
    """Samples that were never captured, before the block that told of it.

    Attributes:
        n_samples: how many.
        estimated: that is an estimate.
        cause: what told of it.
    """

    n_samples: int
    estimated: bool
    cause: str


@dataclass(frozen=True, slots=True)
class Outage:
    """Between two captures.

    Attributes:
        began_ns: monotonic time when the last sample was captured.
        cause: why the earlier capture was given up.
    """

    began_ns: int
    cause: Trouble


class Watch:
    """Watches one capture.

    Attributes:
        n_samples: samples so far, those lost included.
        n_blocks: blocks so far.
        heard: a sample was not zero, in this capture or before it.
        captured_ns: monotonic time when the newest sample was captured.
    """

    def __init__(
        self, sample_rate_hz: int, *, after: Outage | None = None, heard: bool = False
    ) -> None:
        """Begin.

        Args:
            sample_rate_hz: nominal.
            after: the outage that ends with the first block.
            heard: the device was not silent in an earlier capture.
        """
        self._rate_hz = sample_rate_hz
        self._after = after
        self.n_samples = self.n_blocks = self.captured_ns = 0
        self.heard = heard
        self._began_ns = self._now_ns = 0
        self._longest_s = 0.0
        self._n_zeros = 0
        # samples against the clock
        self._usual_lag_s = 0.0
        self._late_since_ns: int | None = None
        self._least_excess_s = 0.0
        # the card's clock
        self._next_adc_s = math.nan
        self._steady_s = 0.0
        # of whoever looks
        self._seen_blocks = 0
        self._looked_ns: int | None = None
        self._quiet_ns = 0

    # --- the callback's side -----------------------------------------------------------------------------

    def block(
        self, now_ns: int, captured_ns: int, adc_s: float, n_samples: int, *, silent: bool
    ) -> Loss | None:
        """A block arrived.

        Args:
            now_ns: monotonic.
            captured_ns: monotonic time when its last sample was captured, as far as that is known.
            adc_s: its first sample's time by the card's clock, whatever that is.
            n_samples: its length.
            silent: all of it is zero.

        Returns:
            What was lost before it.
        """
        duration_s = n_samples / self._rate_hz
        self._n_zeros = self._n_zeros + n_samples if silent else 0
        self.heard = self.heard or not silent
        self._longest_s = max(self._longest_s, duration_s)
        loss = None
        if self.n_blocks == 0:
            self._began_ns = now_ns - round(duration_s * 1e9)
            if self._after is not None:
                first_ns = captured_ns - round(duration_s * 1e9)
                lost = (first_ns - self._after.began_ns) * self._rate_hz // 1_000_000_000
                loss = Loss(max(1, lost), True, self._after.cause)
            # What was lost in an outage is not counted here: the clocks below know this capture only.
            self.n_samples += n_samples
        else:
            self.n_samples += n_samples
            loss = self._hole(now_ns, adc_s, duration_s) or self._shortfall(now_ns)
            self.n_samples += loss.n_samples if loss else 0
        self._next_adc_s = adc_s + duration_s
        self.captured_ns, self._now_ns = captured_ns, now_ns
        self.n_blocks += 1
        return loss

    def _lag_s(self, now_ns: int) -> float:
        return (now_ns - self._began_ns) / 1e9 - self.n_samples / self._rate_hz

    def _hole(self, now_ns: int, adc_s: float, duration_s: float) -> Loss | None:
        """A loss by the card's clock, if that has been steady and the monotonic clock does not contradict."""
        off_s = adc_s - self._next_adc_s
        if abs(off_s) <= STEADY_S:
            self._steady_s += duration_s
            return None
        excess_s = self._lag_s(now_ns) - self._usual_lag_s
        # Half a block: what is lost is lost in blocks. Not a number compares as false.
        if self._steady_s >= STEADY_FOR_S and duration_s / 2 < off_s <= excess_s + LATE_S:
            return Loss(round(off_s * self._rate_hz), False, "a hole in the sound card's clock")
        self._steady_s = 0.0
        return None

    def _shortfall(self, now_ns: int) -> Loss | None:
        """A loss by the monotonic clock, once it is sure that the samples are not just late."""
        lag_s = self._lag_s(now_ns)
        excess_s = lag_s - self._usual_lag_s
        if (now_ns - self._began_ns) / 1e9 < SETTLE_S:
            self._usual_lag_s = lag_s
            return None
        if excess_s <= LATE_S:
            drift_s = MOST_DRIFT * (now_ns - self._now_ns) / 1e9
            self._usual_lag_s = min(lag_s, self._usual_lag_s + drift_s)
            self._late_since_ns = None
            return None
        if self._late_since_ns is None:
            self._late_since_ns, self._least_excess_s = now_ns, excess_s
        self._least_excess_s = min(self._least_excess_s, excess_s)
        if now_ns - self._late_since_ns < LATE_FOR_S * 1e9:
            return None
        self._late_since_ns = None
        lost = round(self._least_excess_s * self._rate_hz)
        return Loss(lost, True, "fewer samples than time has passed")

    # --- the guard's side --------------------------------------------------------------------------------

    def look(self, now_ns: int) -> Trouble | None:
        """What is wrong; to be called every ``TICK_S``.

        Args:
            now_ns: monotonic.
        """
        # Time in which nobody looked does not count: the callback may not have run then either.
        before_ns = now_ns if self._looked_ns is None else self._looked_ns
        self._quiet_ns += min(now_ns - before_ns, round(2 * TICK_S * 1e9))
        self._looked_ns = now_ns
        n_blocks = self.n_blocks
        if n_blocks != self._seen_blocks:
            self._seen_blocks, self._quiet_ns = n_blocks, 0
        if n_blocks == 0:
            return Trouble.NEVER_BEGAN if self._quiet_ns > FIRST_BLOCK_S * 1e9 else None
        if self._quiet_ns > max(STALL_S, STALL_BLOCKS * self._longest_s) * 1e9:
            return Trouble.STALLED
        if self.heard and self._n_zeros > SILENCE_S * self._rate_hz:
            return Trouble.SILENT
        return None
