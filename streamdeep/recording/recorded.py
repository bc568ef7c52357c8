"""A source that is recorded while it is played."""

from streamdeep.audio.ring import Ring
from streamdeep.audio.source import Source
from streamdeep.audio.tap import Tap


class RecordedSource:
    """Another source, with somebody who listens in; see :class:`streamdeep.audio.source.Source`."""

    def __init__(self, source: Source, tap: Tap) -> None:
        self.name = source.name
        self.sample_rate_hz = source.sample_rate_hz
        self.n_channels = source.n_channels
        self.live = source.live
        self._source = source
        self._tap = tap
        self._started = False

    def start(self, ring: Ring) -> None:
        """Begin to write into the ring; all that the ring takes, refuses and misses is told to the tap.

        Raises:
            SourceError: the source cannot be opened.
        """
        self._started = True
        ring.listen(self._tap)
        self._source.start(ring)

    def stop(self) -> None:
        """Stop writing; nothing is written after it returns. What was never started ends here."""
        self._source.stop()
        if not self._started:
            self._started = True
            self._tap.close(None)
