"""Where a rack's streams live: shelves of equal rings, and a number for each stream.

Memory is taken shelf by shelf; a place that becomes free is used again. Not here: what is done with them.
"""

from collections.abc import Callable, Iterator

from streamdeep.audio.resample import Resampler, held_most_s
from streamdeep.audio.ring import open_ring
from streamdeep.audio.ring_array import RingArray
from streamdeep.config import SegmentConfig
from streamdeep.encoder.contract import Contract
from streamdeep.encoder.rows import EncoderRows
from streamdeep.frontend.gain import GainDb
from streamdeep.pipeline import check_source, gain_for
from streamdeep.rack.direct import DirectSlot
from streamdeep.rack.resampled import ResampledSlot
from streamdeep.rack.shelf import Shelf
from streamdeep.rack.slot import Slot
from streamdeep.timeline import Timeline

FIRST_PLACES = 64
GROWTH = 4
"""A further shelf makes the places so many times as many: a batch then takes its rows from few shelves, each of
which costs calls of its own. Places that nobody took cost address space only."""
FIRST_SHELF_BYTES = 64_000_000
MOST_SHELF_BYTES = 1_000_000_000


class Places:
    """Open slots, and the arrays they lie in.

    Attributes:
        shelves: rings at the model's rate.
        inlets: rings that sources at other rates, or with a gain, write.
    """

    def __init__(self, contract: Contract, segment: SegmentConfig, encoder: EncoderRows) -> None:
        self.shelves: list[Shelf] = []
        self.inlets: list[RingArray] = []
        self._contract = contract
        self._config = contract.frontend
        self._quality = contract.resampler
        self._segment = segment
        self._encoder = encoder
        self._slots: list[Slot | None] = []
        self._fed: dict[tuple[int, int], ResampledSlot] = {}

    def __iter__(self) -> Iterator[Slot]:
        """The open slots."""
        return (slot for slot in self._slots if slot is not None)

    def __getitem__(self, number: int) -> Slot:
        """The open slot of this number."""
        slot = self._slots[number]
        assert slot is not None, "shelves name open slots only"
        return slot

    def fed_from(self, inlet: int, place: int) -> ResampledSlot | None:
        """Whose source writes this ring."""
        return self._fed.get((inlet, place))

    def open(
        self,
        sample_rate_hz: int,
        n_channels: int,
        *,
        ring_s: float,
        live: bool,
        wake: Callable[[], None],
        first_sample: int,
        first_epoch: int,
        gain_db: GainDb,
    ) -> Slot:
        """See :meth:`streamdeep.rack.rack.Rack.open`."""
        check_source(sample_rate_hz, n_channels)
        gain = gain_for(self._contract, gain_db, sample_rate_hz)
        config, number, encoder = self._config, self._free_number(), self._encoder
        timeline = Timeline(
            config, self._segment.length_frames, sample_rate_hz, first_epoch=first_epoch
        )
        window, rate_hz = config.longest_window_samples, config.sample_rate_hz
        if sample_rate_hz == rate_hz and gain_db == 0:
            capacity = max(round(ring_s * rate_hz), 2 * window + config.hop_samples)
            shelf = self._shelf(capacity, n_channels)
            ring = shelf.place(number, wake, first_sample)
            direct = DirectSlot(number, shelf, ring, encoder, timeline, config, live=live)
            self._slots[number] = direct
            return direct
        held = round(held_most_s(sample_rate_hz, rate_hz) * rate_hz)
        capacity = window + 2 * (config.hop_samples + held)
        shelf = self._shelf(capacity, n_channels)
        inlet = self._inlet(max(16, round(ring_s * sample_rate_hz)), n_channels, sample_rate_hz)
        source = open_ring(self.inlets[inlet], wake=wake, first_sample=first_sample)
        ring = shelf.place(number, lambda: None)
        resampler = Resampler(sample_rate_hz, rate_hz, n_channels, quality=self._quality)
        slot = ResampledSlot(
            number, shelf, source, ring, encoder, timeline, resampler, gain, live=live
        )
        self._slots[number] = self._fed[inlet, source.slot] = slot
        return slot

    def close(self, slot: Slot) -> None:
        """Give a finished slot's number and places back."""
        slot.finish()
        self._slots[slot.number] = None
        self._fed = {where: fed for where, fed in self._fed.items() if fed is not slot}

    def _free_number(self) -> int:
        if None not in self._slots:
            self._slots.append(None)
        return self._slots.index(None)

    def _shelf(self, capacity: int, n_channels: int) -> Shelf:
        wanted = (capacity, n_channels)
        alike = [
            shelf
            for shelf in self.shelves
            if (shelf.array.capacity_samples, shelf.array.n_channels) == wanted
        ]
        for shelf in alike:
            if not shelf.array.full:
                return shelf
        n_places = _n_places(capacity, n_channels, sum(len(shelf.slots) for shelf in alike))
        self.shelves.append(Shelf(self._config, n_places, capacity, n_channels))
        return self.shelves[-1]

    def _inlet(self, capacity: int, n_channels: int, sample_rate_hz: int) -> int:
        wanted, n_alike = (capacity, n_channels, sample_rate_hz), 0
        for index, array in enumerate(self.inlets):
            if (array.capacity_samples, array.n_channels, array.sample_rate_hz) == wanted:
                if not array.full:
                    return index
                n_alike += len(array.written)
        n_places = _n_places(capacity, n_channels, n_alike)
        self.inlets.append(RingArray(n_places, capacity, n_channels, sample_rate_hz))
        return len(self.inlets) - 1


def _n_places(capacity_samples: int, n_channels: int, n_before: int) -> int:
    ring_bytes = 4 * capacity_samples * n_channels
    if not n_before:
        return max(1, min(FIRST_PLACES, FIRST_SHELF_BYTES // ring_bytes))
    return max(1, min((GROWTH - 1) * n_before, MOST_SHELF_BYTES // ring_bytes))
