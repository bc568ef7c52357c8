"""When there is more to do than time: how many streams must rest, so that the others keep up.

A late frame is worth as much as a timely one until it is *too* late, so a short stall is simply caught up. Under
lasting overload, dropping a little of every stream would leave no stream a whole segment. So some streams rest
for a segment, in turn, and the others lose nothing.
"""

MOST_LAG_S = 0.5
"""Complete frames may wait so long before streams are made to rest."""
USABLE = 0.8
"""Of the measured capacity; what is left works off the frames that wait."""


class Overload:
    """Measures what is done while there is too much to do.

    Args:
        frames_per_s: of one stream.
    """

    def __init__(self, frames_per_s: float) -> None:
        self._frames_per_s = frames_per_s
        self._since_ns: int | None = None
        self._n_frames = 0

    def see(self, now_ns: int, lag_s: float, n_frames: int) -> None:
        """A turn begins.

        Args:
            now_ns: monotonic.
            lag_s: how long the oldest complete frame waits.
            n_frames: that will be computed by this turn.
        """
        if lag_s < MOST_LAG_S / 4:
            self._since_ns = None
            return
        if self._since_ns is None:
            self._since_ns, self._n_frames = now_ns, 0
        self._n_frames += n_frames

    def surplus(self, now_ns: int, lag_s: float, n_streams: int) -> int:
        """How many of the streams must rest; asked once, it waits to see what that changes."""
        if self._since_ns is None or lag_s < MOST_LAG_S:
            return 0
        busy_s = (now_ns - self._since_ns) / 1e9
        if busy_s < MOST_LAG_S / 4:
            return 0
        bearable = int(USABLE * self._n_frames / busy_s / self._frames_per_s)
        self._since_ns, self._n_frames = now_ns, 0
        return max(0, n_streams - max(1, bearable))
