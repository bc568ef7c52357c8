"""Threads and lifecycle: sources -> rings -> rack -> publisher.

Every source writes into its ring from a thread of its own; one thread, the caller's, does all the rest:
it sleeps until a frame is complete or subscribers come, has the rack advance the streams, publishes what that
gives, and each stream's status once a second. Nothing here computes.
"""

import heapq
import itertools
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from streamdeep.audio.source import Source
from streamdeep.audio.wake import Wake
from streamdeep.encoder.model import Model
from streamdeep.errors import ConfigurationError, SourceError
from streamdeep.frontend.gain import GainDb
from streamdeep.rack.rack import Rack
from streamdeep.rack.result import Result
from streamdeep.records import Ledger
from streamdeep.stream import Stream
from streamdeep.wire.publisher import Publisher

STATUS_PERIOD_NS = 1_000_000_000
SERVICE_PERIOD_NS = 5_000_000
"""How often subscribers' joins are looked at while there is work to do."""
SWITCH_INTERVAL_S = 0.0005
RING_S = 10.0
"""How long the engine may be held up before a live source loses samples."""
STALLED_S = 10.0
"""When a complete frame has waited so long, the rounds go on and the sound does not."""


class Engine:
    """Runs streams until they end or are stopped.

    Attributes:
        streams: the streams, in the order they were added; ended ones included, except passing ones.
    """

    def __init__(
        self,
        model: Model,
        publisher: Publisher,
        *,
        hop_frames: int | None = None,
        early_frames: Sequence[int] = (),
        ring_s: float = RING_S,
        offline: bool = False,
        open_ended: bool = False,
        frames: bool = False,
        heartbeat: Callable[[], None] = lambda: None,
    ) -> None:
        """Build an engine.

        Args:
            model: what all streams run.
            publisher: where embeddings go; used from the thread that calls ``run`` only.
            hop_frames: frames between segments; None takes the model's default.
            early_frames: after how many of its frames a segment also gives an early embedding.
            ring_s: how much of a source's sound may wait.
            offline: sources are not live, so latencies mean nothing; embeddings are flagged.
            open_ended: streams may still come when there are none; only ``stop`` ends the run.
            frames: also publish the log-Mel frames of streams that are not offline, for those who draw them.
            heartbeat: called on the engine's thread each time round, at least once a second, while all streams
                that should have been started were, and the sound that is here is taken up.

        Raises:
            ConfigurationError: the model cannot run live, or cannot give early embeddings.
        """
        if model.contract.frontend.needs_whole_file:
            raise ConfigurationError(
                "this model normalises over whole files and cannot run live; use `streamdeep embed`"
            )
        self._model = model
        self._publisher = publisher
        self._offline = offline
        self._ring_s = ring_s
        self._rack = Rack(model, hop_frames=hop_frames, early_frames=early_frames)
        self._open_ended = open_ended
        self._frames = frames
        self._heartbeat = heartbeat
        self._wake = Wake()
        self._stopping = threading.Event()
        self._told_to_stop = False
        self._added: deque[Stream] = deque()
        self._posted: deque[Callable[[], None]] = deque()
        self._by_slot: dict[int, Stream] = {}
        self._statuses: list[
            tuple[int, int, Stream]
        ] = []  # when, and a number that is never the same
        self._n_started = itertools.count()
        self._n_running = 0
        self._passed: dict[str, Ledger] = {}  # of passing streams that ended
        self._ends: dict[str, tuple[int, int]] = {}  # by name: next sample and next epoch
        self._on_end: dict[Stream, Callable[[], None]] = {}
        self.streams: list[Stream] = []

    def add(
        self,
        name: str,
        source: Source,
        *,
        ring_s: float | None = None,
        first_sample: int = 0,
        gain_db: GainDb = 0.0,
        offline: bool = False,
        on_end: Callable[[], None] | None = None,
    ) -> Stream:
        """Add a source: before ``run``, or while others run in what was given to ``post``.

        A name that was there before goes on counting samples and epochs where it ended, since these never go
        back within a session.

        Args:
            name: on the wire; new among the streams that run.
            source: not yet started.
            ring_s: how much of its sound may wait, if not as much as of the others.
            first_sample: the source's index of its first sample, unless the name was there before.
            gain_db: how much louder its samples are made.
            offline: it is not live, so latencies mean nothing; embeddings are flagged.
            on_end: makes it a passing stream: called when all is published, and then only its ledger is kept.

        Raises:
            ConfigurationError: another stream has this name, or no stream can take this source.
        """
        if any(stream.name == name and not stream.ended for stream in self.streams):
            raise ConfigurationError(
                f"two streams are called {name!r}; give each a name of its own"
            )
        first_sample, first_epoch = self._ends.get(name, (first_sample, 0))
        slot = self._rack.open(
            source.sample_rate_hz,
            source.n_channels,
            ring_s=ring_s or self._ring_s,
            live=not self._offline and source.live,
            wake=self._wake.set,
            first_sample=first_sample,
            first_epoch=first_epoch,
            gain_db=gain_db,
        )
        stream = Stream(
            name,
            source,
            slot,
            self._publisher,
            model=self._model,
            segment=self._rack.segment,
            offline=self._offline or offline,
            frames=self._frames,
        )
        if stream.frames:
            self._rack.tap(slot)
        if on_end is not None:
            self._on_end[stream] = on_end
        self.streams.append(stream)
        self._by_slot[id(slot)] = stream
        self._added.append(stream)
        return stream

    def post(self, action: Callable[[], None]) -> None:
        """Have something done on the engine's thread soon; from any thread or signal handler."""
        self._posted.append(action)
        self._wake.set()

    def stop(self) -> None:
        """End all streams soon; what was captured is still published. From any thread or signal handler."""
        self._stopping.set()
        self._wake.set()

    def ledgers(self) -> dict[str, Ledger]:
        """Where all samples are, by name; of streams of one name one after the other, the sum."""
        found = dict(self._passed)
        for stream in self.streams:
            found[stream.name] = found.get(stream.name, Ledger()) + stream.ledger()
        return found

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping.is_set()

    def wait_for_listener(self) -> bool:
        """Sleep until somebody subscribes to the first stream's embeddings; False if stopped first."""
        topic = f"embedding/{self.streams[0].name}/" if self.streams else "embedding/"
        while not self._stopping.is_set():
            self._publisher.service()
            if self._publisher.is_subscribed(topic):
                return True
            self._heartbeat()
            self._publisher.wait(1.0, self._wake.descriptor)
            self._wake.clear()
        return False

    def run(self) -> None:
        """Run all streams to their end.

        Raises:
            SourceError: a source failed; the others were brought to their end, and everything captured was
                published.
        """
        # Whoever computes in Python in another thread gives way after this, instead of 5 ms.
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_INTERVAL_S))
        try:
            self._loop()
        finally:
            for stream in self.streams:
                stream.source.stop()
            self._wake.close()
        for stream in self.streams:
            if stream.error is not None:
                raise stream.error
            if stream.ledger().embeddings == 0 and not self._stopping.is_set():
                raise SourceError(self._too_short(stream))

    def _loop(self) -> None:
        self._start_added()
        next_service_ns = 0
        while self._n_running or (self._open_ended and not self._stopping.is_set()):
            self._wake.clear()
            if self._stopping.is_set() and not self._told_to_stop:
                self._end_all()
            now_ns = time.monotonic_ns()
            if now_ns >= next_service_ns:
                self._publisher.service()
                next_service_ns = now_ns + SERVICE_PERIOD_NS
            self._publish_statuses(now_ns)
            outlook, results = self._rack.look(now_ns)
            if outlook.lag_s < STALLED_S:
                self._heartbeat()
            self._publish(results, now_ns)
            if outlook.delay_s:
                time.sleep(outlook.delay_s)
            elif outlook.delay_s is not None:
                self._publish(self._rack.turn(outlook, now_ns), now_ns)
                for slot, batch in self._rack.spectrograms():
                    self._by_slot[id(slot)].publish_frames(batch)
            elif not results:
                patience_s = 1.0
                if self._statuses:
                    patience_s = max(0.0, (self._statuses[0][0] - time.monotonic_ns()) / 1e9)
                self._publisher.wait(patience_s, self._wake.descriptor)
                next_service_ns = 0
            for _ in range(len(self._posted)):
                self._posted.popleft()()
            self._start_added()

    def _start_added(self) -> None:
        """Start what was added; statuses are spread over the second, so that none makes a frame wait long."""
        while self._added:
            stream = self._added.popleft()
            try:
                stream.start()
            except SourceError as error:
                if not self._n_running:
                    raise
                stream.slot.source.close(error)  # it ends like any other, and the others go on
            number = next(self._n_started)
            spread_ns = number * 618_033_989 % STATUS_PERIOD_NS  # golden ratio: even for any number
            due_ns = time.monotonic_ns() + STATUS_PERIOD_NS + spread_ns
            heapq.heappush(self._statuses, (due_ns, number, stream))
            self._n_running += 1
            if self._told_to_stop:
                stream.stop()

    def _end_all(self) -> None:
        self._told_to_stop = True
        self._publisher.stop_waiting()
        for stream in self.streams:
            if not stream.ended:
                stream.stop()

    def _publish(self, results: Iterable[Result], taken_ns: int) -> None:
        for result in results:
            stream = self._by_slot[id(result.slot)]
            if result.ended:
                for _, batch in self._rack.last_spectrogram(result.slot):
                    stream.publish_frames(batch)
            stream.take(result, taken_ns)
            if stream.ended:
                del self._by_slot[id(result.slot)]
                self._n_running -= 1
                self._forget(stream)

    def _forget(self, stream: Stream) -> None:
        timeline = stream.slot.timeline
        self._ends[stream.name] = timeline.next_sample or 0, timeline.epoch + 1
        on_end = self._on_end.pop(stream, None)
        if on_end is not None:
            self.streams.remove(stream)
            self._passed[stream.name] = self._passed.get(stream.name, Ledger()) + stream.ledger()
            on_end()

    def _publish_statuses(self, now_ns: int) -> None:
        while self._statuses and self._statuses[0][0] <= now_ns:
            _, number, stream = heapq.heappop(self._statuses)
            if not stream.ended:  # its last status said so already
                stream.publish_status()
                heapq.heappush(self._statuses, (now_ns + STATUS_PERIOD_NS, number, stream))

    def _too_short(self, stream: Stream) -> str:
        frontend = self._model.contract.frontend
        frame_ms = 1000 * frontend.longest_window_samples / frontend.sample_rate_hz
        found_ms = 1000 * stream.ledger().captured / stream.source.sample_rate_hz
        return (
            f"{stream.source.name} has {found_ms:.0f} ms of sound; "
            f"the model needs {frame_ms:.0f} ms for one frame"
        )
