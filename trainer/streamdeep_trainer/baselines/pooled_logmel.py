"""No network: mean, standard deviation and maximum over time of the log-Mel frames themselves.

The same front-end, levels and segments as the model it is compared with, so that what differs is the
network alone.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import FrontendConfig, SegmentConfig
from streamdeep.frontend import normalise
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.graph import VARIANCE_FLOOR
from streamdeep_trainer.progress import track
from streamdeep_trainer.skipped import UNUSABLE
from streamdeep_trainer.spans import segment_spans
from streamdeep_trainer.spectrograms import frames_of


def pooled_logmel(
    clips: Sequence[Clip], frontend: FrontendConfig, segment: SegmentConfig
) -> tuple[tuple[Clip, ...], NDArray[np.float32], NDArray[np.int64]]:
    """Pool the frames of every segment.

    Returns:
        The clips that could be read, ``(rows, 3 * features)`` float32, and ``(rows,)`` each row's clip.
    """
    kept: list[Clip] = []
    vectors, rows = [], []
    for clip in track(clips, len(clips), "pooled log-Mel"):
        try:
            values = frames_of(clip.path, frontend).values
        except UNUSABLE:  # listed where the model's embeddings are made
            continue
        for first, last in segment_spans(len(values), segment):
            vectors.append(pool(_level(values, first, last, frontend)))
            rows.append(len(kept))
        kept.append(clip)
    return tuple(kept), np.stack(vectors), np.array(rows, dtype=np.int64)


def _level(
    values: NDArray[np.floating], first: int, last: int, frontend: FrontendConfig
) -> NDArray[np.floating]:
    """A segment's frames as the encoder sees them; where levels are the segment's, they are power so far."""
    if frontend.causal:
        return values[first:last]
    power = np.asarray(values, dtype=np.float64)
    treated = normalise.segments(power, np.array([first]), last - first, frontend)
    return np.asarray(treated[0])


def pool(frames: NDArray[np.floating]) -> NDArray[np.float32]:
    """``(frames, features)`` to ``(3 * features,)``, as the pooled readout treats a layer's outputs."""
    deviation = np.sqrt(frames.var(axis=0) + VARIANCE_FLOOR)
    return np.concatenate((frames.mean(axis=0), deviation, frames.max(axis=0))).astype(np.float32)
