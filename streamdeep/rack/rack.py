"""All streams of one model: which frames are due, and one call of front-end and encoder for many of them.

``look`` says when a call is worth while, ``turn`` does one: the frames that have waited longest, so many as make
one batch. So no stream waits for more than a batch, and under load batches grow instead of their number. Driven
from one thread. Not here: threads, sources, the wire (``engine``, ``stream``), who must rest (``overload``).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdeep.config import SegmentConfig
from streamdeep.encoder.lanes import Lanes
from streamdeep.encoder.model import Model
from streamdeep.encoder.rows import BATCH_ROWS, make_rows
from streamdeep.errors import ConfigurationError
from streamdeep.frontend.gain import GainDb
from streamdeep.pipeline import Scoring
from streamdeep.rack.direct import DirectSlot
from streamdeep.rack.overload import MOST_LAG_S, Overload
from streamdeep.rack.places import Places
from streamdeep.rack.result import Result
from streamdeep.rack.shelf import Shelf, Survey
from streamdeep.rack.slot import Slot
from streamdeep.rack.tap import FrameTap
from streamdeep.records import Spectrogram

GATHERING_S = 0.005
"""So long complete frames may wait for others, to share a call."""
WORTH_GATHERING = 32
"""With fewer streams than this, sharing a call saves less than waiting costs."""
_RESUME_INTERVAL_NS = 20_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What is due, at one moment.

    Attributes:
        surveys: of the shelves, in their order.
        delay_s: when to take the next turn; None when nothing is due.
        lag_s: how long the oldest complete frame waits.
    """

    surveys: list[Survey]
    delay_s: float | None
    lag_s: float


class Rack:
    """Streams of one model, each in a slot; slots open and close while others run."""

    def __init__(
        self, model: Model, *, hop_frames: int | None = None, early_frames: Sequence[int] = ()
    ) -> None:
        """Build an empty rack.

        Args:
            model: what all streams run.
            hop_frames: frames between segments; None takes the model's default.
            early_frames: after how many of its frames a segment also gives an early embedding.

        Raises:
            ConfigurationError: early embeddings of a model that cannot give them.
        """
        if early_frames and not model.incremental:
            raise ConfigurationError(
                "this model sees whole segments only and cannot give early embeddings"
            )
        contract = model.contract
        self._config = contract.frontend
        self.segment = SegmentConfig(
            length_frames=contract.segment.length_frames,
            hop_frames=hop_frames or contract.segment.hop_frames,
        )
        self._encoder = make_rows(model, self.segment, early_frames=early_frames)
        self._scoring = Scoring(contract.statistics)
        self._places = Places(contract, self.segment, self._encoder)
        self._most_streams = max(1, BATCH_ROWS // Lanes(self.segment).n_lanes)
        self._tap: FrameTap | None = None
        self._turned: tuple[list[Slot], NDArray[np.float32]] | None = None
        self._resting: list[Slot] = []
        self._resume_ns = 0
        self._seen_ns: int | None = None  # when complete frames were first seen that still wait
        self._overload = Overload(self._config.sample_rate_hz / self._config.hop_samples)

    def open(
        self,
        sample_rate_hz: int,
        n_channels: int,
        *,
        ring_s: float,
        live: bool = True,
        wake: Callable[[], None] = lambda: None,
        first_sample: int = 0,
        first_epoch: int = 0,
        gain_db: GainDb = 0.0,
    ) -> Slot:
        """Open a slot; its source writes into ``slot.source``.

        Args:
            sample_rate_hz: the source's.
            n_channels: the source's.
            ring_s: how much of its sound may wait before samples are lost.
            live: its samples come when they happen.
            wake: called from the source's thread when a frame may be complete.
            first_sample: the source's index of the first sample that will be written.
            first_epoch: the number of the epoch that begins with it.
            gain_db: how much louder its samples are made; 0 costs nothing, else they are copied once more.

        Raises:
            ConfigurationError: a rate, a channel count or a gain that cannot be.
        """
        return self._places.open(
            sample_rate_hz,
            n_channels,
            ring_s=ring_s,
            live=live,
            wake=wake,
            first_sample=first_sample,
            first_epoch=first_epoch,
            gain_db=gain_db,
        )

    # --- frames to be looked at --------------------------------------------------------------------------

    def tap(self, slot: Slot) -> None:
        """From now on keep this stream's frames for :meth:`spectrograms`."""
        if self._tap is None:
            self._tap = FrameTap(self._config)
        self._tap.add(slot)

    def spectrograms(self) -> list[tuple[Slot, Spectrogram]]:
        """What the last turn's frames make full, of tapped streams; to be asked after it, once."""
        if self._tap is None or self._turned is None:
            return []
        (slots, values), self._turned = self._turned, None
        n_frames = values.shape[1]
        starts = [self._encoder.next_frame(slot.number) - n_frames for slot in slots]
        return self._tap.take(slots, starts, values)

    def last_spectrogram(self, slot: Slot) -> list[tuple[Slot, Spectrogram]]:
        """What waits of a stream that ended."""
        if self._tap is None:
            return []
        found = self._tap.flush(slot)
        self._tap.remove(slot)
        return found

    # --- what is due -------------------------------------------------------------------------------------

    def look(self, now_ns: int) -> tuple[Outlook, list[Result]]:
        """See what is due, and to the streams that need attention: rates, losses, ends.

        Args:
            now_ns: monotonic.

        Returns:
            What is due, and what came of the attention.
        """
        results = self._feed()
        if self._resting and now_ns >= self._resume_ns:
            self._resume_ns = now_ns + _RESUME_INTERVAL_NS
            results += self._resume()
        surveys = [shelf.survey() for shelf in self._places.shelves]
        for shelf, survey in zip(self._places.shelves, surveys, strict=True):
            for place in survey.stalled:
                results += self._attend(self._places[shelf.slots[place]])
        return self._outlook(surveys, now_ns), results

    def _outlook(self, surveys: list[Survey], now_ns: int) -> Outlook:
        n_frames = np.concatenate(
            [survey.n_frames for survey in surveys] or [np.zeros(0, np.int64)]
        )
        ready = n_frames > 0
        n_ready = int(np.count_nonzero(ready))
        if n_ready == 0:
            self._seen_ns = None
            return Outlook(surveys, None, 0.0)
        n_streams = sum(np.count_nonzero(shelf.slots >= 0) for shelf in self._places.shelves)
        if self._seen_ns is None:
            self._seen_ns = now_ns
        due_ns = np.concatenate([survey.due_ns for survey in surveys])
        lag_s = (now_ns - int(due_ns[ready].min())) / 1e9
        delay_s = 0.0
        if n_ready < self._most_streams and n_streams >= WORTH_GATHERING:
            # Until the time is up, or about as many are complete as one batch takes.
            hop_s = self._config.hop_samples / self._config.sample_rate_hz
            filling_s = (self._most_streams - n_ready) * hop_s / n_streams
            left_s = GATHERING_S - (now_ns - self._seen_ns) / 1e9
            delay_s = max(0.0, min(left_s, filling_s))
        return Outlook(surveys, delay_s, lag_s)

    # --- a turn ------------------------------------------------------------------------------------------

    def turn(self, outlook: Outlook, now_ns: int) -> list[Result]:
        """Advance the streams that have waited longest by a frame, after a stall by several."""
        picked = self._pick(outlook.surveys)
        if not picked:
            return []
        self._seen_ns = None
        began_ns = time.monotonic_ns()
        numbers = np.concatenate(
            [self._places.shelves[index].slots[places] for index, places in picked]
        )
        most = min(int(outlook.surveys[index].n_frames[places].min()) for index, places in picked)
        n_frames = self._encoder.most_frames(numbers, most) if most > 1 else 1
        self._overload.see(now_ns, outlook.lag_s, len(numbers) * n_frames)
        values, energies, peaks = self._frames(picked, n_frames)
        framed_ns = time.monotonic_ns()
        encoded = self._encoder.push(numbers, values, energies, peaks)
        scores = self._scoring.scores([segment for _, segment in encoded])
        stages_ns = {
            "frontend": framed_ns - began_ns,
            "encoder": time.monotonic_ns() - framed_ns,
        }
        results: dict[int, Result] = {}
        for (row, segment), score in zip(encoded, scores, strict=True):
            slot = self._places[numbers[row]]
            if slot.number not in results:
                spent_ns = {"resample": slot.resample_ns, **stages_ns}
                results[slot.number] = Result(slot, stages_ns=spent_ns)
                slot.settle()
            results[slot.number].embeddings.append(slot.timeline.place(segment, score))
        if self._tap is not None:
            self._turned = [self._places[number] for number in numbers], values
        self._lighten(outlook, now_ns)
        return list(results.values())

    def _lighten(self, outlook: Outlook, now_ns: int) -> None:
        """Under overload, let some streams rest for a segment: those that rested least, and have least to lose."""
        if outlook.lag_s < MOST_LAG_S:
            return
        awake = [slot for slot in self._places if slot.live and not slot.resting]
        surplus = self._overload.surplus(now_ns, outlook.lag_s, len(awake))

        def loss(slot: Slot) -> tuple[int, int]:
            begun = self._encoder.next_frame(slot.number) % self.segment.hop_frames
            return slot.n_rests, begun

        awake.sort(key=loss)
        segment_samples = self._config.span_samples(self.segment.length_frames)
        for slot in awake[:surplus]:
            slot.rest(segment_samples / self._config.sample_rate_hz)
            self._resting.append(slot)

    def _pick(self, surveys: list[Survey]) -> list[tuple[int, NDArray[np.int64]]]:
        """Shelves, and places on them, whose next frame was complete first; one batch of them."""
        ready = [np.flatnonzero(survey.n_frames) for survey in surveys]
        if sum(map(len, ready)) > self._most_streams:
            due_ns = np.concatenate(
                [survey.due_ns[places] for survey, places in zip(surveys, ready, strict=True)]
            )
            first = np.zeros(len(due_ns), dtype=np.bool_)
            first[np.argpartition(due_ns, self._most_streams)[: self._most_streams]] = True
            parts = np.split(first, np.cumsum([len(places) for places in ready])[:-1])
            ready = [places[part] for places, part in zip(ready, parts, strict=True)]
        return [(index, places) for index, places in enumerate(ready) if len(places)]

    def _frames(
        self, picked: list[tuple[int, NDArray[np.int64]]], n_frames: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
        values, energies, peaks = [], [], []
        for index, places in picked:
            shelf = self._places.shelves[index]
            which = shelf.array.samples, places, shelf.starts[places], shelf.fresh[places], n_frames
            found_energies, found_peaks, damaged = shelf.frames.levels(*which)
            if damaged.any():
                for row in np.flatnonzero(damaged).tolist():
                    self._repair(shelf, int(places[row]), n_frames)
                found_energies, found_peaks, _ = shelf.frames.levels(*which)
            values.append(shelf.frames.values(*which))
            energies.append(found_energies)
            peaks.append(found_peaks)
            shelf.advance(places, n_frames)
        return np.concatenate(values), np.concatenate(energies), np.concatenate(peaks)

    def _repair(self, shelf: Shelf, place: int, n_frames: int) -> None:
        config, start = self._config, int(shelf.starts[place])
        stop = start + config.span_samples(n_frames)
        if not shelf.fresh[place]:
            start += config.longest_window_samples - config.hop_samples
        self._places[shelf.slots[place]].repair(start, stop)

    # --- attention ---------------------------------------------------------------------------------------

    def _feed(self) -> list[Result]:
        results: list[Result] = []
        for index, array in enumerate(self._places.inlets):
            due = (array.written >= array.wanted) | array.closed | (array.jumps != array.passed)
            for place in np.flatnonzero(due).tolist():
                slot = self._places.fed_from(index, place)
                if slot is None or slot.resting:
                    continue
                while slot.source.available and not slot.has_frame:
                    restart = slot.feed()
                    results += [Result(slot, [restart])] if restart else []
                if slot.source.ended and not slot.has_frame:
                    results += self._end(slot)
        return results

    def _resume(self) -> list[Result]:
        results = []
        for slot in self._resting:
            restart = slot.resume()
            if restart is not None:
                results.append(Result(slot, [restart]))
        self._resting = [slot for slot in self._resting if slot.resting]
        return results

    def _attend(self, slot: Slot) -> list[Result]:
        if not isinstance(slot, DirectSlot):
            return []
        restart = slot.pass_loss()
        if restart is not None:
            return [Result(slot, [restart])]
        return self._end(slot) if slot.source.closed else []

    def _end(self, slot: Slot) -> list[Result]:
        segments = slot.end()
        if segments is None:
            return []
        scores = self._scoring.scores(segments)
        embeddings = [
            slot.timeline.place(segment, score)
            for segment, score in zip(segments, scores, strict=True)
        ]
        self._places.close(slot)
        return [Result(slot, embeddings=embeddings, ended=True)]
