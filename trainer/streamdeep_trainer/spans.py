"""Which frames of a clip make a segment: the engine's rule, for arrays that lie in memory.

Segment k covers frames ``[k * hop, k * hop + length)``; at the end one partial segment, the oldest open
one, if it holds a frame that is in no segment yet.
"""

from streamdeep.config import SegmentConfig


def segment_spans(n_frames: int, segment: SegmentConfig) -> list[tuple[int, int]]:
    """First and last-plus-one frame of every segment of a clip.

    Args:
        n_frames: of the clip, at least 1.
        segment: length and hop.
    """
    return spans_of(n_frames, segment.length_frames, segment.hop_frames)


def spans_of(n_units: int, length: int, hop: int) -> list[tuple[int, int]]:
    """The same of anything that is counted."""
    spans = [(start, start + length) for start in range(0, n_units - length + 1, hop)]
    covered = spans[-1][1] if spans else 0
    oldest_open = len(spans) * hop
    if covered < n_units and oldest_open < n_units:
        spans.append((oldest_open, n_units))
    return spans
