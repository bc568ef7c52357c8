"""Names given to what is heard, as it is heard: messages and words in, examples out. Pure: the clock is an argument.

A name is given to a stretch of samples, and a segment belongs to it if its centre lies in the stretch: each segment
stands for what is around its centre. Segments come after the sound, so a stretch keeps taking them until one comes whose
centre lies behind it. So what becomes an example depends on the samples that were named, never on when a
message came. A stretch too short for any centre takes the segment whose centre is nearest. A stretch does not go
on over the end of a session. Not here: sockets, keys, screens, what is learnt (``learner``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from streamdeep.errors import ConfigurationError
from streamdeep.teaching.example import Meaning
from streamdeep.teaching.examples import Examples
from streamdeep.teaching.memory import KEEP_S, Heard, Memory, place_of
from streamdeep.teaching.stretch import holds, nearest
from streamdeep.wire.kinds import EmbeddingMessage, EventMessage, Message, ModelMessage
from streamdeep.wire.printable import one_line


@dataclass(slots=True)
class _Stretch:
    """A named stretch that may still take segments; ``stop_sample`` is None while its sound goes on."""

    take: int
    start_sample: int
    stop_sample: int | None
    taken: int = 0


class Teacher:
    """Examples from live streams.

    Args:
        examples: to go on with; None begins with the encoder of the first model that is announced.
        keep_s: how many seconds of each stream can still be named.

    Attributes:
        memory: the last minutes of every stream.
        examples: as given, or None until a model was announced.
    """

    def __init__(self, examples: Examples | None = None, *, keep_s: float = KEEP_S) -> None:
        self.examples = examples
        self.memory = Memory(keep_s)
        self._stretches: dict[str, list[_Stretch]] = {}

    def push(self, message: Message, *, now_ns: int) -> int:
        """Take a message.

        Args:
            message: models are noted, embeddings remembered, the end of a stream ends its stretches; all else
                is passed over.
            now_ns: monotonic time at which it came.

        Returns:
            How many segments became examples.

        Raises:
            MismatchError: a model or embedding of another encoder than the examples'.
            ConfigurationError: there are too many examples.
        """
        if isinstance(message, ModelMessage):
            if self.examples is None:
                self.examples = Examples(message.digest, message.dim)
            self.examples.check(message.digest)
        if isinstance(message, EmbeddingMessage):
            self._require_examples().check(message.model)
            return self._hear(message, now_ns)
        if not isinstance(message, EventMessage) or message.event != "stop":
            return 0
        return self._settle(message.stream, ended=True) if message.stream in self.memory else 0

    def _hear(self, message: EmbeddingMessage, now_ns: int) -> int:
        stream, n_taken = message.stream, 0
        if stream in self.memory and self.memory[stream].newest.session != message.session:
            n_taken = self._settle(stream, ended=True)
        self.memory.push(message, now_ns=now_ns)
        for gone in [one for one in self._stretches if one not in self.memory]:
            del self._stretches[gone]  # forgotten, for streams that speak
        n_taken += sum(self._offer(one, message) for one in self._stretches.get(stream, ()))
        return n_taken + self._settle(stream)

    # --- naming -------------------------------------------------------------------------------------------

    def begin(self, stream: str, meaning: Meaning, *, now_ns: int) -> int:
        """What is heard from now on has a name, until :meth:`end`; what had one before ends.

        Returns:
            The take.

        Raises:
            ConfigurationError: nothing of this stream was heard yet, or there would be too many classes.
        """
        self.end(stream, now_ns=now_ns)
        start = self._heard(stream).sample_at(now_ns)
        return self._name(stream, meaning, start, None)

    def end(self, stream: str, *, now_ns: int) -> int | None:
        """The sound that goes on is over; the take, or None if none goes on."""
        for stretch in self._stretches.get(stream, ()):
            if stretch.stop_sample is None:
                now = self._heard(stream).sample_at(now_ns)
                stretch.stop_sample = max(now, stretch.start_sample + 1)
                self._settle(stream)
                return stretch.take
        return None

    def name_last(self, stream: str, meaning: Meaning, seconds: float, *, now_ns: int) -> int:
        """The last seconds have a name.

        Raises:
            ConfigurationError: nothing of this stream was heard, no time at all, or too many classes.
        """
        heard = self._heard(stream)
        n_samples = round(seconds * heard.newest.sample_rate_hz)
        now = heard.sample_at(now_ns)
        return self.name(stream, meaning, max(0, now - n_samples), now)

    def name(self, stream: str, meaning: Meaning, start_sample: int, stop_sample: int) -> int:
        """A stretch of a stream's samples has a name; it may lie before or after what was heard so far.

        Returns:
            The take.

        Raises:
            ConfigurationError: nothing of this stream was heard, an empty stretch, or too many classes.
        """
        if not 0 <= start_sample < stop_sample:
            raise ConfigurationError(
                f"from sample {start_sample} to {stop_sample} there is nothing to name"
            )
        return self._name(stream, meaning, start_sample, stop_sample)

    def going_on(self, stream: str) -> Meaning | None:
        """What is named at present, from :meth:`begin` to :meth:`end`."""
        takes = self.examples.takes if self.examples is not None else {}
        for stretch in self._stretches.get(stream, ()):
            if stretch.stop_sample is None:
                return takes.get(stretch.take)
        return None

    def waiting(self) -> dict[int, int]:
        """Takes that may still get segments, and how many they have from their stretch so far."""
        return {one.take: one.taken for ones in self._stretches.values() for one in ones}

    def flush(self) -> int:
        """Nothing more will come; how many segments became examples."""
        return sum(self._settle(stream, ended=True) for stream in list(self._stretches))

    # --- stretches ----------------------------------------------------------------------------------------

    def _name(self, stream: str, meaning: Meaning, start: int, stop: int | None) -> int:
        heard, examples = self._heard(stream), self._require_examples()
        if stop is not None and stop <= heard.segments[0].start_sample:
            raise ConfigurationError(f"{stream}: that is longer ago than what is remembered of it")
        stretch = _Stretch(examples.name(meaning), start, stop)
        self._stretches.setdefault(stream, []).append(stretch)
        for segment in heard.segments:
            self._offer(stretch, segment)
        self._settle(stream)
        return stretch.take

    def _offer(self, stretch: _Stretch, segment: EmbeddingMessage) -> int:
        if not holds(stretch.start_sample, stretch.stop_sample, place_of(segment)):
            return 0
        return self._take(stretch, segment)

    def _take(self, stretch: _Stretch, segment: EmbeddingMessage) -> int:
        stretch.taken += 1
        found = [(segment.vector, place_of(segment))]
        return self._require_examples().add(stretch.take, found, segment.model)

    def _settle(self, stream: str, *, ended: bool = False) -> int:
        """Let go of stretches that get nothing any more; how many segments they took at last."""
        segments = self._heard(stream).segments
        newest, n_taken = place_of(segments[-1]).centre_sample, 0
        open_ones: list[_Stretch] = []
        for stretch in self._stretches.pop(stream, ()):
            stop = stretch.stop_sample
            if not ended and (stop is None or newest < stop):
                open_ones.append(stretch)
            elif not stretch.taken:
                last = segments[-1].stop_sample if stop is None else stop
                n_taken += self._take_nearest(stretch, segments, last)
        if open_ones:
            self._stretches[stream] = open_ones
        return n_taken

    def _take_nearest(
        self, stretch: _Stretch, segments: Sequence[EmbeddingMessage], stop: int
    ) -> int:
        index = nearest(stretch.start_sample, stop, [place_of(segment) for segment in segments])
        return 0 if index is None else self._take(stretch, segments[index])

    def _heard(self, stream: str) -> Heard:
        if stream not in self.memory:
            raise ConfigurationError(f"nothing was heard of a stream {one_line(stream)!r} yet")
        return self.memory[stream]

    def _require_examples(self) -> Examples:
        if self.examples is None:
            raise ConfigurationError("no model was announced yet; wait for the stream's first one")
        return self.examples
