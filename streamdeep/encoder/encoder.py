"""Frames in, an embedding per segment out: two ways, one interface.

:class:`LaneEncoder` carries the network's state frame by frame, so that a segment closes in one step,
however long it is. :class:`WholeEncoder` gathers a segment and runs it at its end: for networks and level
treatments that must see the end first. Both give the same vectors wherever both can run.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import SegmentConfig
from streamdeep.encoder.lanes import Lanes
from streamdeep.encoder.model import Model
from streamdeep.errors import StageClosedError
from streamdeep.frontend import normalise
from streamdeep.records import EncodedSegment, Frames

_CLOSED = "the encoder was flushed; call reset() before pushing more frames"


class Encoder(Protocol):
    """A stage from frames to encoded segments."""

    def push(self, frames: Frames) -> list[EncodedSegment]:
        """Take frames; return the segments they close (and early ones), in order of their end."""

    def flush(self) -> list[EncodedSegment]:
        """End the stream: at most one partial segment, the oldest open one, if it holds new frames."""

    def reset(self) -> None:
        """As good as new."""


def make_encoder(
    model: Model, segment: SegmentConfig, *, early_frames: Sequence[int] = ()
) -> Encoder:
    """The right encoder for a model: lanes where it is incremental, else whole segments."""
    if model.incremental and model.contract.frontend.causal:
        return LaneEncoder(model, segment, early_frames=early_frames)
    return WholeEncoder(model, segment)


class _Levels:
    """Energies and peaks of the frames since the oldest open segment.

    They are kept per frame and reduced when a segment closes, over the same array whatever the cut.
    """

    def __init__(self) -> None:
        self._first = 0
        self._energies = np.empty(0)
        self._peaks = np.empty(0)

    def extend(self, frames: Frames) -> None:
        self._energies = np.concatenate((self._energies, frames.energies))
        self._peaks = np.concatenate((self._peaks, frames.peaks))

    def forget(self, before: int) -> None:
        surplus = min(before - self._first, len(self._energies))
        if surplus > 0:
            self._energies, self._peaks = self._energies[surplus:], self._peaks[surplus:]
            self._first += surplus

    def of(self, start: int, stop: int) -> tuple[float, float]:
        window = slice(start - self._first, stop - self._first)
        return float(self._energies[window].mean()), float(self._peaks[window].max())


class LaneEncoder:
    """Carry one recurrent state per open segment, all of them as rows of one batch.

    Cost of a frame, measured with 2 x 256 units on one core: 62 us, and 9 us for each further lane.
    """

    def __init__(
        self, model: Model, segment: SegmentConfig, *, early_frames: Sequence[int] = ()
    ) -> None:
        self._model = model
        self._lanes = Lanes(segment, early_frames=early_frames)
        self.reset()

    def reset(self) -> None:
        """As good as new."""
        self._lanes.reset()
        self._state = self._model.fresh_state(self._lanes.n_lanes)
        # What the last run of frames started from, so that a segment can still be closed after it.
        self._before = self._state[:0]
        self._last_frames = np.empty((0, 0), dtype=np.float32)
        self._levels = _Levels()
        self._closed = False

    def push(self, frames: Frames) -> list[EncodedSegment]:
        """Take ``(frames, features)`` float32 frames; return the segments they close."""
        if self._closed:
            raise StageClosedError(_CLOSED)
        values = np.asarray(frames.values, dtype=np.float32)
        self._levels.extend(frames)
        encoded = []
        for run in self._lanes.advance(len(values)):
            if not run.lanes:
                continue
            self._state[list(run.opening)] = 0.0
            rows = list(run.lanes)
            self._before, self._last_frames = self._state[rows], values[run.start : run.stop].copy()
            emit = np.array([closing.row for closing in run.closing], dtype=np.int64)
            self._state[rows], vectors = self._model.step(
                self._batch(len(rows)), self._before, emit
            )
            stop = frames.start_frame + run.stop
            for closing, vector in zip(run.closing, vectors, strict=True):
                start = closing.segment * self._lanes.hop_frames
                encoded.append(self._segment(vector, start, stop, early=closing.early))
        still_open = self._lanes.open_segments()
        oldest = still_open[0] * self._lanes.hop_frames if still_open else self._lanes.next_frame
        self._levels.forget(oldest)
        return encoded

    def _batch(self, n_rows: int) -> NDArray[np.float32]:
        return np.repeat(self._last_frames[None], n_rows, axis=0)

    def _segment(
        self,
        vector: NDArray[np.float32],
        start: int,
        stop: int,
        *,
        early: bool = False,
        partial: bool = False,
    ) -> EncodedSegment:
        energy, peak = self._levels.of(start, stop)
        return EncodedSegment(vector, start, stop - start, energy, peak, partial, early)

    def flush(self) -> list[EncodedSegment]:
        """Close the oldest open segment where it holds frames of no embedding yet."""
        self._closed = True
        start = partial_start(self._lanes)
        if start is None:
            return []
        # The last frames are consumed already; running them again from the state before gives, bit for
        # bit, what they would have given with `emit` set. The oldest open segment that was not closed by
        # them is the first row that outlived them.
        row = len(self._before) - len(self._lanes.open_segments())
        _, vectors = self._model.step(
            self._batch(1), self._before[row : row + 1], np.zeros(1, dtype=np.int64)
        )
        return [self._segment(vectors[0], start, self._lanes.next_frame, partial=True)]


class WholeEncoder:
    """Gather each segment's frames and encode it when it is full.

    Cost of a segment, measured with 2 x 256 units and 124 frames on one core: 2.4 ms.
    """

    def __init__(self, model: Model, segment: SegmentConfig) -> None:
        self._model = model
        self._config = model.contract.frontend
        self._lanes = Lanes(segment)
        self.reset()

    def reset(self) -> None:
        """As good as new."""
        self._lanes.reset()
        dtype = np.float32 if self._config.causal else np.float64
        self._values: NDArray[np.floating] = np.empty((0, self._config.n_features), dtype)
        self._parts: list[NDArray[np.floating]] = []
        self._first = 0
        self._levels = _Levels()
        self._closed = False
        self._waiting: list[int] = []

    def push(self, frames: Frames) -> list[EncodedSegment]:
        """Take ``(frames, features)`` frames; return the segments they complete."""
        if self._closed:
            raise StageClosedError(_CLOSED)
        self._parts.append(frames.values)
        self._levels.extend(frames)
        runs = self._lanes.advance(len(frames))
        self._waiting += [
            closing.segment * self._lanes.hop_frames for run in runs for closing in run.closing
        ]
        if self._config.needs_whole_file:
            return []
        encoded = self._encode(self._waiting, self._lanes.length_frames)
        self._waiting = []
        still_open = self._lanes.open_segments()
        oldest = still_open[0] * self._lanes.hop_frames if still_open else self._lanes.next_frame
        self._values = self._values[oldest - self._first :].copy()
        self._first = oldest
        self._levels.forget(oldest)
        return encoded

    def _encode(
        self, starts: list[int], length: int, *, partial: bool = False
    ) -> list[EncodedSegment]:
        # Joined here and not in push: a file whose level is the file's waits whole, part by part.
        self._values = np.concatenate((self._values, *self._parts))
        self._parts = []
        if not starts:
            return []
        places = np.array(starts) - self._first
        if self._config.causal:
            values = np.asarray(self._values, dtype=np.float32)
            segments = np.stack([values[place : place + length] for place in places])
        else:
            power = np.asarray(self._values, dtype=np.float64)
            segments = normalise.segments(power, places, length, self._config)
        encoded = []
        for start, vector in zip(starts, self._model.encode_each(segments), strict=True):
            energy, peak = self._levels.of(start, start + length)
            encoded.append(EncodedSegment(vector, start, length, energy, peak, partial))
        return encoded

    def flush(self) -> list[EncodedSegment]:
        """Encode what waits for the end of the file, and the partial segment if it holds new frames."""
        self._closed = True
        encoded = self._encode(self._waiting, self._lanes.length_frames)
        start = partial_start(self._lanes)
        if start is not None:
            encoded += self._encode([start], self._lanes.next_frame - start, partial=True)
        return encoded


def partial_start(lanes: Lanes) -> int | None:
    """First frame of the oldest open segment, if it holds frames that are in no embedding yet."""
    still_open = lanes.open_segments()
    if not still_open:
        return None
    start = still_open[0] * lanes.hop_frames
    covered = (still_open[0] - 1) * lanes.hop_frames + lanes.length_frames if still_open[0] else 0
    return start if lanes.next_frame > covered else None
