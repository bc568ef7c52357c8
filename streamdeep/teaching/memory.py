"""The last minutes of every stream's embeddings, so that what was just heard can be named. Pure; bounded."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from streamdeep.teaching.example import Place
from streamdeep.wire.kinds import EmbeddingMessage

KEEP_S: Final = 300.0
STREAMS_MOST: Final = 64
"""Of further ones the stream that has been silent for longest is forgotten."""
SEGMENTS_MOST: Final = 3_000
"""Of one stream, however short its hop."""


@dataclass(slots=True, eq=False)
class Heard:
    """What is remembered of one stream.

    Attributes:
        segments: oldest first, of one session and of any of its epochs.
        received_ns: monotonic time at which the newest came.
        step_samples: from the newest's end to that of the one before; its length if it is the first.
    """

    segments: deque[EmbeddingMessage] = field(default_factory=lambda: deque(maxlen=SEGMENTS_MOST))
    received_ns: int = 0
    step_samples: int = 0

    @property
    def newest(self) -> EmbeddingMessage:
        """The segment that came last."""
        return self.segments[-1]

    def sample_at(self, now_ns: int) -> int:
        """The sample that is heard now, as far as can be told: at most one step after the newest segment's end."""
        elapsed_ns = max(0, now_ns - self.received_ns)
        passed = elapsed_ns * self.newest.sample_rate_hz // 1_000_000_000
        return self.newest.stop_sample + min(passed, self.step_samples)


class Memory:
    """Embeddings of the last minutes.

    Args:
        keep_s: how much of each stream, in seconds of its sound.
    """

    def __init__(self, keep_s: float = KEEP_S) -> None:
        self._keep_s = keep_s
        self._streams: dict[str, Heard] = {}

    def __contains__(self, stream: str) -> bool:
        return stream in self._streams

    def __getitem__(self, stream: str) -> Heard:
        return self._streams[stream]

    def __iter__(self) -> Iterator[str]:
        return iter(self._streams)

    def push(self, message: EmbeddingMessage, *, now_ns: int) -> None:
        """Remember an embedding; a new session forgets the one before.

        Args:
            message: what came.
            now_ns: monotonic time at which it came.
        """
        heard = self._streams.pop(message.stream, None)
        if heard is None or heard.newest.session != message.session:
            heard = Heard(step_samples=message.n_samples)
        else:
            heard.step_samples = max(0, message.stop_sample - heard.newest.stop_sample)
        heard.segments.append(message)
        heard.received_ns = now_ns
        oldest = message.stop_sample - round(self._keep_s * message.sample_rate_hz)
        while heard.segments[0].stop_sample < oldest:
            heard.segments.popleft()
        self._streams[message.stream] = heard  # the last in the order of who spoke last
        if len(self._streams) > STREAMS_MOST:
            del self._streams[next(iter(self._streams))]


def place_of(message: EmbeddingMessage) -> Place:
    """Where a received segment lies."""
    return Place(
        source=message.stream,
        session=message.session.hex(),
        start_sample=message.start_sample,
        n_samples=message.n_samples,
        sample_rate_hz=message.sample_rate_hz,
        captured_utc_ns=message.captured_utc_ns,
    )
