"""Which segments are open, and in which row of the batch each one lives.

Segment ``k`` covers frames ``[k P, k P + S)`` of its epoch and occupies lane ``k mod ceil(S / P)``: by the
time a lane is wanted again, its segment has closed. Pure bookkeeping over frame counts; no arrays and no
model here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from streamdeep.config import SegmentConfig


@dataclass(frozen=True, slots=True)
class Closing:
    """A segment that gives an embedding with the last frame of a run.

    Attributes:
        row: its place among the run's lanes.
        segment: its number ``k``.
        early: it goes on afterwards.
    """

    row: int
    segment: int
    early: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """Frames during which no segment opens and none closes: one call of the model.

    Attributes:
        start: first frame, counted from the frames given.
        stop: one past the last.
        lanes: the open lanes, oldest segment first; empty between segments.
        opening: those of them that begin with this run.
        closing: the segments that give an embedding with its last frame.
    """

    start: int
    stop: int
    lanes: tuple[int, ...]
    opening: tuple[int, ...]
    closing: tuple[Closing, ...]


class Lanes:
    """Cut a sequence of frames where segments open and close."""

    def __init__(self, segment: SegmentConfig, *, early_frames: Sequence[int] = ()) -> None:
        """Plan lanes.

        Args:
            segment: length and hop.
            early_frames: after how many of its frames a segment also gives an early embedding.
        """
        self.length_frames = segment.length_frames
        self.hop_frames = segment.hop_frames
        self.n_lanes = -(-segment.length_frames // segment.hop_frames)
        self._early = tuple(
            sorted({frame for frame in early_frames if 0 < frame < segment.length_frames})
        )
        self.reset()

    def reset(self) -> None:
        """As good as new: the next frame is frame 0 and opens segment 0."""
        self.next_frame = 0

    def open_segments(self) -> range:
        """The numbers of the segments that hold the frame before ``next_frame`` and are not full."""
        latest = (self.next_frame - 1) // self.hop_frames if self.next_frame else -1
        oldest = max(0, -(-(self.next_frame - self.length_frames + 1) // self.hop_frames))
        return range(oldest, latest + 1)

    def advance(self, n_frames: int) -> list[Run]:
        """Take ``n_frames`` more frames; return the runs they fall into, gapless and in order."""
        runs = []
        end, begin = self.next_frame + n_frames, self.next_frame
        while self.next_frame < end:
            runs.append(self._next_run(begin, end))
        return runs

    def _next_run(self, begin: int, end: int) -> Run:
        at = self.next_frame
        # Open while the frame `at` is seen: the segment that may open right here included.
        oldest = max(0, -(-(at - self.length_frames + 1) // self.hop_frames))
        segments = range(oldest, at // self.hop_frames + 1)
        next_open = (at // self.hop_frames + 1) * self.hop_frames
        events = [end, next_open]
        for segment in segments:
            first = segment * self.hop_frames
            events += [
                first + frames
                for frames in (*self._early, self.length_frames)
                if first + frames > at
            ]
        stop = min(events)
        closing = []
        for row, segment in enumerate(segments):
            seen = stop - segment * self.hop_frames
            if seen == self.length_frames or seen in self._early:
                closing.append(Closing(row, segment, seen != self.length_frames))
        self.next_frame = stop
        lanes = tuple(segment % self.n_lanes for segment in segments)
        opening = lanes[-1:] if lanes and at % self.hop_frames == 0 else ()
        return Run(at - begin, stop - begin, lanes, opening, tuple(closing))
