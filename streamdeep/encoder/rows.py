"""The encoder for many streams in one call: every open segment of every stream is a row of one batch.

Row by row what :class:`~streamdeep.encoder.encoder.LaneEncoder` does for one stream, over arrays instead of
objects, so that a stream costs no Python of its own. That neighbours do not change a row's bits is proven when
the model loads. Models that see whole segments only go through :class:`WholeRows`, one by one.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import SegmentConfig
from streamdeep.encoder.encoder import WholeEncoder, partial_start
from streamdeep.encoder.lanes import Lanes
from streamdeep.encoder.model import Model
from streamdeep.records import EncodedSegment, Frames

BATCH_ROWS = 64
"""Rows of one call of the model: a row of 64 to 128 costs least, less than half of what one of 8 does (measured)."""
MOST_FRAMES = 8
"""Frames of one call: what is due after a stall is caught up in steps of so many."""
_GROWTH = 16

Encoded = list[tuple[int, EncodedSegment]]


class EncoderRows(Protocol):
    """Frames of many streams in, encoded segments out, with the number of the row they belong to."""

    def open(self, slot: int) -> None:
        """An epoch begins: the next frame of this slot is its first."""

    def next_frame(self, slot: int) -> int:
        """How many frames this epoch has seen."""

    def most_frames(self, slots: NDArray[np.int64], wanted: int) -> int:
        """How many frames of all these slots one call may take, ``wanted`` or fewer."""

    def push(
        self,
        slots: NDArray[np.int64],
        values: NDArray[np.float32] | NDArray[np.float64],
        energies: NDArray[np.float64],
        peaks: NDArray[np.float64],
    ) -> Encoded:
        """Take equally many frames of some slots, see :class:`~streamdeep.records.Frames`, rows first."""

    def flush(self, slot: int) -> list[EncodedSegment]:
        """The epoch ends with the stream: at most one partial segment."""


def make_rows(
    model: Model, segment: SegmentConfig, *, early_frames: Sequence[int] = ()
) -> EncoderRows:
    """Lanes where the model's state can be carried, else whole segments."""
    if model.incremental and model.contract.frontend.causal:
        return LaneRows(model, segment, early_frames=early_frames)
    return WholeRows(model, segment)


class LaneRows:
    """One recurrent state per open segment of each stream."""

    def __init__(
        self, model: Model, segment: SegmentConfig, *, early_frames: Sequence[int] = ()
    ) -> None:
        self._model = model
        self._length, self._hop = segment.length_frames, segment.hop_frames
        self._segment = segment
        self._n_lanes = Lanes(segment).n_lanes
        self._ends = np.array(
            sorted({*(n for n in early_frames if 0 < n < self._length), self._length}),
            dtype=np.int64,
        )
        # What a call starts from and what it leaves lie in two buffers that change places: a segment can
        # still be closed after its last frame was consumed, by consuming that frame again.
        width = model.contract.encoder.state_width
        self._states = np.zeros((2, 0, self._n_lanes, width), dtype=np.float32)
        self._newest = np.zeros(0, dtype=np.int64)  # which buffer holds the newest states
        self._frames = np.zeros(0, dtype=np.int64)
        self._last = np.zeros((0, MOST_FRAMES, model.contract.frontend.n_features), np.float32)
        self._n_last = np.zeros(0, dtype=np.int64)
        levels = (0, self._length + MOST_FRAMES)
        self._energies, self._peaks = np.zeros(levels), np.zeros(levels)

    def open(self, slot: int) -> None:
        """An epoch begins."""
        if slot >= len(self._frames):
            n_more = slot + 1 - len(self._frames) + _GROWTH
            for name in ("_newest", "_frames", "_last", "_n_last", "_energies", "_peaks"):
                array = getattr(self, name)
                more = np.zeros((n_more, *array.shape[1:]), array.dtype)
                setattr(self, name, np.concatenate((array, more)))
            more = np.zeros((2, n_more, *self._states.shape[2:]), np.float32)
            self._states = np.concatenate((self._states, more), axis=1)
        self._frames[slot] = 0

    def next_frame(self, slot: int) -> int:
        """How many frames this epoch has seen."""
        return int(self._frames[slot])

    def most_frames(self, slots: NDArray[np.int64], wanted: int) -> int:
        """No segment may open or end within a call."""
        at = self._frames[slots]
        first = self._segments(at) * self._hop
        ends = first[:, :, None] + self._ends - at[:, None, None]
        ends[first < 0] = wanted  # not a segment
        ends[ends <= 0] = wanted  # past
        return int(min(wanted, MOST_FRAMES, ends.min(), (self._hop - at % self._hop).min()))

    def _segments(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """``(slots, lanes)``: numbers of the segments that may hold frame ``at``, oldest first."""
        return (at // self._hop)[:, None] - np.arange(self._n_lanes)[::-1]

    def push(
        self,
        slots: NDArray[np.int64],
        values: NDArray[np.float32] | NDArray[np.float64],
        energies: NDArray[np.float64],
        peaks: NDArray[np.float64],
    ) -> Encoded:
        """Take ``(rows, frames, features)`` float32 frames, no more than :meth:`most_frames` said."""
        n_frames = values.shape[1]
        frames = np.asarray(values, dtype=np.float32)
        at = self._frames[slots]
        self._keep(slots, at, frames, energies, peaks)
        segments = self._segments(at)
        seen = at[:, None] - segments * self._hop
        rows, columns = np.nonzero((segments >= 0) & (seen < self._length))
        lanes, row_slots = segments[rows, columns] % self._n_lanes, slots[rows]
        ends = seen[rows, columns] + n_frames
        encoded: Encoded = []
        for first in range(0, len(rows), BATCH_ROWS):
            part = slice(first, first + BATCH_ROWS)
            place = row_slots[part], lanes[part]
            state = self._states[self._newest[place[0]], *place]
            state[seen[rows[part], columns[part]] == 0] = 0.0
            emit = np.flatnonzero((ends[part, None] == self._ends).any(axis=1))
            after, vectors = self._model.step(frames[rows[part]], state, emit)
            self._states[1 - self._newest[place[0]], *place] = after
            for row, vector in zip(emit + first, vectors, strict=True):
                start = int(segments[rows[row], columns[row]]) * self._hop
                early = bool(ends[row] < self._length)
                found = self._encoded(
                    int(row_slots[row]), vector, start, int(ends[row]), early=early
                )
                encoded.append((int(rows[row]), found))
        self._newest[slots] ^= 1
        return encoded

    def _keep(
        self,
        slots: NDArray[np.int64],
        at: NDArray[np.int64],
        frames: NDArray[np.float32],
        energies: NDArray[np.float64],
        peaks: NDArray[np.float64],
    ) -> None:
        n_frames = frames.shape[1]
        self._frames[slots] += n_frames
        self._last[slots, :n_frames] = frames
        self._n_last[slots] = n_frames
        places = (at[:, None] + np.arange(n_frames)) % self._energies.shape[1]
        self._energies[slots[:, None], places] = energies
        self._peaks[slots[:, None], places] = peaks

    def _encoded(
        self,
        slot: int,
        vector: NDArray[np.float32],
        start: int,
        n_frames: int,
        *,
        early: bool = False,
        partial: bool = False,
    ) -> EncodedSegment:
        places = np.arange(start, start + n_frames) % self._energies.shape[1]
        energy = float(np.add.reduce(self._energies[slot, places])) / n_frames
        peak = float(np.maximum.reduce(self._peaks[slot, places]))
        return EncodedSegment(vector, start, n_frames, energy, peak, partial, early)

    def flush(self, slot: int) -> list[EncodedSegment]:
        """Close the oldest open segment where it holds frames of no embedding yet."""
        lanes = Lanes(self._segment)
        lanes.next_frame = int(self._frames[slot])
        start = partial_start(lanes)
        if start is None:
            return []
        n_last = int(self._n_last[slot])
        lane = start // self._hop % self._n_lanes
        state = self._states[1 - self._newest[slot], slot, lane][None]
        if start + n_last == lanes.next_frame:  # it opened with the last call
            state = np.zeros_like(state)
        _, vectors = self._model.step(
            self._last[slot, :n_last][None], np.ascontiguousarray(state), np.zeros(1, np.int64)
        )
        n_frames = lanes.next_frame - start
        return [self._encoded(slot, vectors[0], start, n_frames, partial=True)]


class WholeRows:
    """One :class:`WholeEncoder` a stream."""

    def __init__(self, model: Model, segment: SegmentConfig) -> None:
        self._model = model
        self._segment = segment
        self._encoders: dict[int, WholeEncoder] = {}
        self._frames: dict[int, int] = {}

    def open(self, slot: int) -> None:
        """An epoch begins."""
        self._encoders[slot] = WholeEncoder(self._model, self._segment)
        self._frames[slot] = 0

    def next_frame(self, slot: int) -> int:
        """How many frames this epoch has seen."""
        return self._frames[slot]

    def most_frames(self, slots: NDArray[np.int64], wanted: int) -> int:
        """Any number will do."""
        del slots
        return wanted

    def push(
        self,
        slots: NDArray[np.int64],
        values: NDArray[np.float32] | NDArray[np.float64],
        energies: NDArray[np.float64],
        peaks: NDArray[np.float64],
    ) -> Encoded:
        """Take ``(rows, frames, features)`` frames, float64 power where the level treatment is not causal."""
        encoded: Encoded = []
        for row, slot in enumerate(slots.tolist()):
            frames = Frames(values[row], self._frames[slot], energies[row], peaks[row])
            self._frames[slot] += len(frames)
            encoded += [(row, segment) for segment in self._encoders[slot].push(frames)]
        return encoded

    def flush(self, slot: int) -> list[EncodedSegment]:
        """The partial segment, if it holds new frames."""
        return self._encoders[slot].flush()
