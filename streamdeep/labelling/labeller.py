"""Messages in, labels out: one head on any number of streams. Pure: the clock is an argument.

Each stream has a mean over time and a decider of its own. Both are reset, and what goes on ends, where the
stream was cut: at a gap or overflow, at its stop, when its sender was restarted, and when nothing has come of it
for long. So a sound never goes on because its end was not heard. Not here: sockets, files, screens.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from streamdeep.heads.decision import Decider
from streamdeep.heads.head import Head
from streamdeep.heads.noticing import Noticed, Noticer
from streamdeep.heads.scores import Scores
from streamdeep.heads.settings import UNKNOWN, DecisionSettings, NoveltySettings
from streamdeep.heads.smoothing import Smoother
from streamdeep.records import NoveltyScale, Sound
from streamdeep.wire.kinds import EmbeddingMessage, EventMessage, Message, ModelMessage


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """What became of one embedding.

    Attributes:
        message: the embedding.
        probabilities: by label, most probable first: this embedding alone, not smoothed.
        label: the most confident sound that goes on, or ``unknown``.
        changes: sounds that began or ended with it.
        sounds: what goes on after it, most confident first.
        received_ns: monotonic time at which it came.
        decided_ns: monotonic time at which the label stood.
        only_changes: the embedding was labelled before; what is new is that its stream was cut.
        noticed: how unlike the model's training it is; None until that can be told.
    """

    message: EmbeddingMessage
    probabilities: dict[str, float]
    label: str
    changes: tuple[Sound, ...]
    sounds: tuple[Sound, ...]
    received_ns: int = 0
    decided_ns: int = 0
    only_changes: bool = False
    noticed: Noticed | None = None

    @property
    def told(self) -> tuple[Sound, ...]:
        """Changes, then what goes on as before: each sound once, as a label message has them."""
        ended = {
            (sound.label, sound.start_sample) for sound in self.changes if sound.state == "end"
        }
        changes = [
            sound
            for sound in self.changes
            if sound.state == "end" or (sound.label, sound.start_sample) not in ended
        ]
        begun = {sound.label for sound in changes if sound.state == "start"}
        return (*changes, *(sound for sound in self.sounds if sound.label not in begun))


@dataclass(slots=True)
class _Stream:
    smoother: Smoother
    decider: Decider
    session: bytes = b""
    epoch: int = 0
    last: Labelled | None = None
    step_s: float = 0.0
    received_ns: int = 0
    noticer: Noticer | None = None


class Labeller:
    """Labels the embeddings of all streams.

    Args:
        head: what gives the probabilities.
        settings: when a sound begins and ends.
        novelty: when a stream sounds like nothing in the model's training.
        clock: monotonic nanoseconds.

    Attributes:
        scale: what novelty scores of the head's encoder mean; None until a message said so.

    Raises:
        ConfigurationError: the settings name a class that the head does not have.
    """

    def __init__(
        self,
        head: Head,
        settings: DecisionSettings,
        *,
        novelty: NoveltySettings | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.scale: NoveltyScale | None = None
        self._head = head
        self._novelty = novelty or NoveltySettings()
        self._clock = clock
        self._settings = settings
        self._thresholds = settings.thresholds(head.contract.labels)
        self._streams: dict[str, _Stream] = {}

    def push(self, message: Message, *, now_ns: int) -> list[Labelled]:
        """Take a message.

        Args:
            message: embeddings are labelled, events cut their stream, models say what novelty means, all else
                is passed over.
            now_ns: monotonic time at which it came.

        Raises:
            MismatchError: an embedding of another encoder than the head's.
        """
        if isinstance(message, EventMessage):
            return self._event(message)
        if isinstance(message, ModelMessage) and self._head.accepts(message.digest):
            # Part of the file, hence the same wherever this encoder runs.
            self.scale = message.novelty or self.scale
        if not isinstance(message, EmbeddingMessage):
            return []
        self._head.check(message.model)
        stream = self._streams.get(message.stream)
        if stream is None:
            stream = _Stream(
                Smoother(self._settings.smoothing_s),
                Decider(self._thresholds),
                message.session,
                message.epoch,
            )
            self._streams[message.stream] = stream
        reason = self._cut(stream, message)
        labelled = [] if reason is None else self._close(stream, reason)
        stream.session, stream.epoch, stream.received_ns = message.session, message.epoch, now_ns
        return [*labelled, self._label(stream, message)]

    def tick(self, now_ns: int) -> list[Labelled]:
        """End the sounds of streams of which nothing has come for long; to be called now and then."""
        return [
            one
            for stream in self._streams.values()
            if now_ns - stream.received_ns > 1e9 * (self._settings.hold_s + stream.step_s)
            for one in self._close(stream, "silent")
        ]

    def flush(self, reason: str = "closed") -> list[Labelled]:
        """End all sounds: nobody listens any more."""
        return [one for stream in self._streams.values() for one in self._close(stream, reason)]

    def _event(self, message: EventMessage) -> list[Labelled]:
        stream = self._streams.get(message.stream)
        if stream is None or stream.session != message.session:
            return []
        if message.event == "stop":
            del self._streams[message.stream]
        elif message.epoch == stream.epoch:
            return []  # nothing that cuts, or cut already
        return self._close(stream, message.event)

    def _cut(self, stream: _Stream, message: EmbeddingMessage) -> str | None:
        """Why nothing of what was heard so far may be joined to this embedding; None if it may."""
        if stream.last is None:
            return None
        if message.session != stream.session:
            return "restart"
        if message.epoch != stream.epoch:
            return "gap"  # its event was lost on the way
        late_s = (message.stop_sample - stream.last.message.stop_sample) / message.sample_rate_hz
        return "silent" if late_s - stream.step_s > self._settings.hold_s else None

    def _label(self, stream: _Stream, message: EmbeddingMessage) -> Labelled:
        chances = self._head.probabilities(message.vector[None])[0].astype(np.float64)
        scores = Scores(
            message.start_sample, message.n_samples, message.sample_rate_hz, np.clip(chances, 0, 1)
        )
        changes = stream.decider.push(stream.smoother.push([scores]))
        sounds = stream.decider.sounds()
        rate_hz = message.sample_rate_hz
        stream.step_s = message.n_samples / rate_hz
        if stream.last is not None:
            stream.step_s = (message.stop_sample - stream.last.message.stop_sample) / rate_hz
        ranked = sorted(zip(self._head.contract.labels, chances, strict=True), key=_second)
        stream.last = Labelled(
            message,
            {label: round(float(chance), 6) for label, chance in ranked},
            sounds[0].label if sounds else UNKNOWN,
            tuple(changes),
            tuple(sounds),
            received_ns=stream.received_ns,
            decided_ns=self._clock(),
            noticed=self._notice(stream, message),
        )
        return stream.last

    def _notice(self, stream: _Stream, message: EmbeddingMessage) -> Noticed | None:
        if self.scale is None or message.novelty is None:
            return None
        if stream.noticer is None:
            smoothing_s = self._settings.smoothing_s
            stream.noticer = Noticer(self.scale, self._novelty, smoothing_s=smoothing_s)
        return stream.noticer.push(
            message.novelty,
            start_sample=message.start_sample,
            n_samples=message.n_samples,
            sample_rate_hz=message.sample_rate_hz,
        )

    def _close(self, stream: _Stream, reason: str) -> list[Labelled]:
        last, stream.last = stream.last, None
        changes = stream.decider.flush(reason)
        stream.smoother.reset()
        if stream.noticer is not None:
            stream.noticer.cut()
        if last is None or not changes:
            return []
        return [replace(last, label=UNKNOWN, changes=tuple(changes), sounds=(), only_changes=True)]


def _second(pair: tuple[str, float]) -> float:
    return -pair[1]


def utc_ns(message: EmbeddingMessage, sample: int) -> int:
    """Unix time at which a sample near an embedding was captured."""
    back = message.stop_sample - sample
    return message.captured_utc_ns - back * 1_000_000_000 // message.sample_rate_hz
