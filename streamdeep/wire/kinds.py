"""The kinds of message, as typed records.

All are frozen; maps and arrays in them are not to be written to. Times are integer nanoseconds, since
Unix time in seconds with a fraction needs more than a double has. Not here: their bytes
(:mod:`streamdeep.wire.messages`), their checks (:mod:`streamdeep.wire.schema`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from streamdeep.records import Flag, NoveltyScale, Sound
from streamdeep.wire.topics import Topic

STAGES = ("capture", "resample", "frontend", "encoder", "publish")
SESSION_BYTES = 16
MODEL_BYTES = 8
DIGEST_BYTES = 32

Counters = Mapping[str, int | Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Message:
    """What every kind carries; only the five kinds below and those of ``audiokinds`` and ``framekinds`` are ever made.

    Attributes:
        stream: the stream's name.
        session: 16 random bytes, new with every start of a publisher.
        sequence: contiguous from 0 per topic and session.
        published_utc_ns: Unix time at the sender when it was packed.
        published_monotonic_ns: the sender's monotonic clock at the same moment.
        flags: see :class:`streamdeep.records.Flag`; bits of later versions are kept.
    """

    stream: str
    session: bytes
    sequence: int
    published_utc_ns: int
    published_monotonic_ns: int
    flags: Flag = field(default=Flag(0))

    kind: ClassVar[str] = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EmbeddingMessage(Message):
    """One segment's vector; with ``Flag.EARLY`` that of a segment still open, under its own topic.

    Attributes:
        epoch: 0 at the start, +1 after every gap, overflow or reset.
        start_sample: the source's index of the first sample; never restarts within a session.
        n_samples: length in the source's samples.
        sample_rate_hz: the source's rate.
        captured_utc_ns: Unix time at which the last sample was captured.
        latency_ns: from that capture until published, by the monotonic clock; 0 if the capture is unknown.
        stages_ns: where that time went, under the names of :data:`STAGES`.
        gap_samples: samples lost before this epoch, in its first embedding, else 0.
        model: first 8 bytes of the model's SHA-256.
        level_dbfs: mean square of the segment, with the gain; full-scale square wave 0.
        peak_dbfs: largest magnitude, with the gain.
        vector: ``(dim,)`` float32, finite, read-only.
        novelty: how unusual the embedding is for the model's training, if the model can tell.
        gain_db: how much louder the samples were made before the model heard them.
    """

    epoch: int
    start_sample: int
    n_samples: int
    sample_rate_hz: int
    captured_utc_ns: int
    latency_ns: int
    stages_ns: Mapping[str, int]
    gap_samples: int
    model: bytes
    level_dbfs: float
    peak_dbfs: float
    vector: NDArray[np.float32]
    novelty: float | None = None
    gain_db: float = 0.0

    @property
    def stop_sample(self) -> int:
        """One past the source's index of the last sample."""
        return self.start_sample + self.n_samples


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMessage(Message):
    """Something happened to a stream.

    Attributes:
        event: ``start stop gap overflow overload gain reset model_change``; later versions may add more: ignore those.
        epoch: the epoch that begins with it (gap, overflow, overload, gain, reset, model_change) or is running.
        at_sample: the source's index where it happened.
        n_samples: how many samples it concerns; 0 if none.
        reason: for people.
        estimated: ``n_samples`` is an estimate.
    """

    event: str
    epoch: int
    at_sample: int
    n_samples: int = 0
    reason: str = ""
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class ClockPoint:
    """One sample's place in the sender's clocks.

    Attributes:
        sample: the source's index.
        monotonic_ns: when it was captured; 0 if no sample came yet.
        utc_ns: the same moment in Unix time.
        rate_hz: the source's nominal rate.
    """

    sample: int
    monotonic_ns: int
    utc_ns: int
    rate_hz: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusMessage(Message):
    """How a stream is doing, once a second.

    Attributes:
        sequences: topic to the last sequence sent under it before this message, -1 if none.
        counters: name to count; a count by reason is a map (``dropped``).
        clock: the newest captured sample.
        host: which machine's monotonic clock the sender reads; equal texts, equal clocks.
        uptime_s: since the session began.
        live: the source is live; False for a file played as fast as it goes.
    """

    sequences: Mapping[str, int]
    counters: Counters
    clock: ClockPoint
    host: str
    uptime_s: float
    live: bool


class ModelContent(TypedDict):
    """The keys of a :class:`ModelMessage` that describe the model, for those who announce one."""

    digest: bytes
    name: str
    dim: int
    sample_rate_hz: int
    hop_samples: int
    window_samples: int
    segment_frames: int
    segment_hop_frames: int
    source_rate_hz: int
    source_channels: int
    incremental: bool
    frontend_json: str
    version: str
    novelty: NotRequired[NoveltyScale | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMessage(Message):
    """What is needed to interpret a stream's embeddings.

    Attributes:
        digest: the model's SHA-256, 32 bytes; embeddings name it by the first 8.
        name: for people.
        dim: length of its vectors.
        sample_rate_hz: the model's rate; ``hop_samples`` and ``window_samples`` are at this rate.
        hop_samples: step between frames.
        window_samples: length of the longest analysis window.
        segment_frames: frames in a segment.
        segment_hop_frames: frames between the starts of two segments.
        source_rate_hz: the source's rate.
        source_channels: the source's channels.
        incremental: embeddings grow frame by frame; False: computed at a segment's end.
        frontend_json: the front-end's configuration as in the model file, a JSON object.
        version: of the sending program.
        novelty: what novelty scores of its embeddings mean; None if it tells none, or the sender does not say.
    """

    digest: bytes
    name: str
    dim: int
    sample_rate_hz: int
    hop_samples: int
    window_samples: int
    segment_frames: int
    segment_hop_frames: int
    source_rate_hz: int
    source_channels: int
    incremental: bool
    frontend_json: str
    version: str
    novelty: NoveltyScale | None = None

    @property
    def model(self) -> bytes:
        """The 8 bytes by which embeddings name this model."""
        return self.digest[:MODEL_BYTES]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMessage(Message):
    """What a head makes of one embedding.

    Attributes:
        head: the head's name, part of the topic.
        epoch: as in the embedding, like the next four.
        start_sample: see :class:`EmbeddingMessage`.
        n_samples: see :class:`EmbeddingMessage`.
        sample_rate_hz: see :class:`EmbeddingMessage`.
        captured_utc_ns: see :class:`EmbeddingMessage`.
        model: the encoder's, as in the embedding.
        label: the head's decision.
        probabilities: label to probability in [0, 1].
        sounds: the sounds that go on after it, and those that ended with it; None if the sender does not
            follow sounds, but labels each embedding for itself.
        novelty: the embedding's; this and the next three are None if the sender does not tell them.
        novelty_rate: which share of sound like the model's training is as novel or more, in [0, 1]; at the
            ends of what the model can tell it is a bound.
        novel: what is heard, over time and not in this embedding alone, is like nothing in the training.
        drifting: for long, what is heard has been less and less like the training.
    """

    head: str
    epoch: int
    start_sample: int
    n_samples: int
    sample_rate_hz: int
    captured_utc_ns: int
    model: bytes
    label: str
    probabilities: Mapping[str, float]
    sounds: Sequence[Sound] | None = None
    novelty: float | None = None
    novelty_rate: float | None = None
    novel: bool | None = None
    drifting: bool | None = None


def topic_of(message: Message) -> str:
    """The topic a message travels under.

    Raises:
        TypeError: no kind of message.
    """
    match message:
        case EmbeddingMessage():
            kind = "early" if Flag.EARLY in message.flags else "embedding"
        case EventMessage():
            kind = "event"
        case StatusMessage():
            kind = "status"
        case ModelMessage():
            kind = "model"
        case LabelMessage():
            return str(Topic("label", message.stream, message.head))
        case _ if message.kind:
            kind = message.kind
        case _:
            raise TypeError(f"{type(message).__name__} is no kind of message")
    return str(Topic(kind, message.stream))
