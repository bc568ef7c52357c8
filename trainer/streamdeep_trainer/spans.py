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
    length, hop = segment.length_frames, segment.hop_frames
    spans = [(start, start + length) for start in range(0, n_frames - length + 1, hop)]
    covered = spans[-1][1] if spans else 0
    oldest_open = len(spans) * hop
    if covered < n_frames and oldest_open < n_frames:
        spans.append((oldest_open, n_frames))
    return spans
