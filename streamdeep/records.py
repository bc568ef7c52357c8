"""What flows: Block -> Frames -> Embedding -> Sound, and the account of every sample on the way.

All records are frozen. Arrays in them belong to the receiver: no stage keeps a view of what it was
given, and none writes to what it has handed out. Time is an integer sample index; intervals are
half-open ``[start, stop)``. Not here: configuration, and how records travel on the wire.
"""

from dataclasses import dataclass, field
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray


class Flag(IntFlag):
    """What a listener should know about an embedding. The numbers are part of the wire's version 1."""

    PARTIAL = 1  # the stream ended before the segment was full
    GAP_ESTIMATED = 2  # the number of samples lost before this epoch is an estimate
    OFFLINE = 4  # the source is not live: latencies mean nothing
    CLIPPED = 8  # samples at or beyond full scale lie in the segment
    NONFINITE = 16  # NaN, infinite or absurd samples lay in the segment and were replaced
    REPEAT = 32  # sent before with the same sequence, repeated for a joiner
    EARLY = 64  # the segment is still open
    LAST = 128  # of sound on its way to an engine: nothing comes after it


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Samples as a source delivers them.

    Attributes:
        samples: ``(samples, channels)`` float32, full scale ±1.
        start_sample: the source's index of the first sample; it never restarts within a session.
        captured_monotonic_ns: ``time.monotonic_ns`` at which the last sample was captured; 0 if unknown.
        lost_reason: why ``start_sample`` jumped since the last block; samples that were captured and then
            lost are *dropped* under this reason, samples that were never captured are a *gap*.
        gap_samples: how many of the samples jumped over were never captured.
        gap_estimated: ``gap_samples`` is an estimate.
        gap_cause: for people, why they were not; empty if nobody knows.
    """

    samples: NDArray[np.float32]
    start_sample: int
    captured_monotonic_ns: int = 0
    lost_reason: str = "gap"
    gap_samples: int | None = None
    gap_estimated: bool = False
    gap_cause: str = ""

    @property
    def stop_sample(self) -> int:
        """One past the source's index of the last sample."""
        return self.start_sample + len(self.samples)


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Consecutive rows of the front-end's output.

    Attributes:
        values: ``(frames, features)``. float32, normalised, where every view's level treatment is causal;
            float64 power (full-scale sine = 1 in its bin) where one needs the whole segment.
        start_frame: index of the first row since the epoch began.
        energies: ``(frames,)`` float64, mean square of each frame's newest hop of samples, over channels.
        peaks: ``(frames,)`` float64, largest magnitude of the same samples.
    """

    values: NDArray[np.float32] | NDArray[np.float64]
    start_frame: int
    energies: NDArray[np.float64]
    peaks: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True, eq=False)
class EncodedSegment:
    """An embedding and the frames it stands for, counted from the beginning of the epoch.

    Attributes:
        vector: ``(dim,)`` float32.
        start_frame: first frame.
        n_frames: how many frames it saw.
        energy: mean square of the samples it saw (their newest hops).
        peak: largest magnitude of the same samples.
        partial: the stream ended first.
        early: the segment goes on; another embedding of it will follow.
    """

    vector: NDArray[np.float32]
    start_frame: int
    n_frames: int
    energy: float
    peak: float
    partial: bool = False
    early: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """One segment's vector and its place in the source's time.

    Attributes:
        vector: ``(dim,)`` float32.
        epoch: 0 at the start, +1 after every gap, overflow or reset.
        start_sample: the source's index of the first sample.
        n_samples: length, in the source's samples.
        sample_rate_hz: the source's rate.
        level_dbfs: 10 log10 of the mean square, with the gain; a full-scale square wave is 0, a sine -3.01. Never below -200.
        peak_dbfs: 20 log10 of the largest magnitude, with the gain. Never below -200.
        gap_samples: samples lost before this epoch began, in the epoch's first embedding, else 0.
        flags: see :class:`Flag`.
        novelty: how unusual it is for the model's training, about 1 for what is not; None if the model cannot tell.
        gain_db: how much louder the samples were made before the front-end saw them.
    """

    vector: NDArray[np.float32]
    epoch: int
    start_sample: int
    n_samples: int
    sample_rate_hz: int
    level_dbfs: float
    peak_dbfs: float
    gap_samples: int = 0
    flags: Flag = field(default=Flag(0))
    novelty: float | None = None
    gain_db: float = 0.0

    @property
    def stop_sample(self) -> int:
        """One past the source's index of the last sample."""
        return self.start_sample + self.n_samples


@dataclass(frozen=True, slots=True, eq=False)
class Spectrogram:
    """Consecutive frames of one epoch in steps of a byte, to be looked at.

    Attributes:
        epoch: as in the embeddings of the same sound.
        start_frame: number of the first frame since the epoch began.
        start_sample: the source's index of the first sample of the first frame's newest hop.
        n_samples: from there to the end of the last frame.
        sample_rate_hz: the source's rate.
        levels: ``(frames, bands)`` uint8; ``low_db + (high_db - low_db) * level / 255``.
        low_db: what 0 stands for; 0 dB is a full-scale sine in its band.
        high_db: what 255 stands for.
    """

    epoch: int
    start_frame: int
    start_sample: int
    n_samples: int
    sample_rate_hz: int
    levels: NDArray[np.uint8]
    low_db: float
    high_db: float

    @property
    def stop_sample(self) -> int:
        """One past the source's index of the last sample."""
        return self.start_sample + self.n_samples


@dataclass(frozen=True, slots=True)
class NoveltyScale:
    """What a model's novelty scores mean: how they were distributed over sound like its training.

    Attributes:
        probabilities: levels, rising, in (0, 1); at least one.
        quantiles: as many scores, never falling: the share ``probabilities[i]`` of such sound scores at most
            ``quantiles[i]``.
    """

    probabilities: tuple[float, ...]
    quantiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound that a head hears: where it is, and how sure the head is.

    Attributes:
        state: ``start`` (it has begun), ``on`` (it goes on), ``end`` (it is over).
        label: what it is.
        start_sample: the source's index of its first sample; may lie before the embedding that showed it.
        n_samples: its length in the source's samples; unless it is over, as far as it is known.
        confidence: mean probability of the label over the sound, in [0, 1].
        reason: why it is over, if not because it was no longer heard: ``gap stop restart silent closed`` ...
    """

    state: str
    label: str
    start_sample: int
    n_samples: int
    confidence: float
    reason: str = ""

    @property
    def stop_sample(self) -> int:
        """One past the source's index of the last sample."""
        return self.start_sample + self.n_samples


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where every source sample is: ``captured = embedded + skipped + sum(dropped) + in_flight``.

    Attributes:
        captured: samples that arrived from the source.
        embedded: in at least one published embedding.
        skipped: between segments by configuration, or an end too short for a frame.
        dropped: in no published embedding, by reason (gap, overflow, gain, reset ...).
        in_flight: in the ring, the resampler, the open frame or an open segment; 0 after flush.
        gap_samples: lost before capture; beside the identity, not in it.
        nonfinite_samples: NaN, infinite or beyond ±8; replaced before anything else saw them.
        clipped_samples: at or beyond full scale.
        embeddings: embeddings published.
        epochs: epochs begun.
    """

    captured: int = 0
    embedded: int = 0
    skipped: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    in_flight: int = 0
    gap_samples: int = 0
    nonfinite_samples: int = 0
    clipped_samples: int = 0
    embeddings: int = 0
    epochs: int = 0

    def __add__(self, other: "Ledger") -> "Ledger":
        reasons = dict.fromkeys((*self.dropped, *other.dropped))
        counts = {
            name: getattr(self, name) + getattr(other, name)
            for name in self.__dataclass_fields__
            if name != "dropped"
        }
        dropped = {
            reason: self.dropped.get(reason, 0) + other.dropped.get(reason, 0) for reason in reasons
        }
        return Ledger(dropped=dropped, **counts)

    @property
    def unaccounted(self) -> int:
        """Samples whose whereabouts are unknown; anything but 0 is a bug."""
        accounted = self.embedded + self.skipped + sum(self.dropped.values()) + self.in_flight
        return self.captured - accounted
