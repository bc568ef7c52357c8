"""A source that is recorded while it is played."""

from collections.abc import Callable

from streamdeep.audio.ring import Ring
from streamdeep.audio.source import Source
from streamdeep.audio.tap import Tap


class RecordedSource:
    """Another source, with somebody who listens in; see :class:`streamdeep.audio.source.Source`.

    Args:
        source: what is recorded.
        begin: given the source's index of the first sample, when it starts; who listens in.

    Attributes:
        source: as given.
    """

    def __init__(self, source: Source, begin: Callable[[int], Tap]) -> None:
        self.name = source.name
        self.sample_rate_hz = source.sample_rate_hz
        self.n_channels = source.n_channels
        self.live = source.live
        self.source = source
        self._begin = begin

    def start(self, ring: Ring) -> None:
        """Begin to write into the ring; all that the ring takes, refuses and misses is told to the tap.

        Raises:
            SourceError: the source cannot be opened.
        """
        ring.listen(self._begin(ring.sample_at(0)))
        self.source.start(ring)

    def stop(self) -> None:
        """Stop writing; nothing is written after it returns."""
        self.source.stop()
