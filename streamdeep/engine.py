"""Threads and lifecycle: sources -> rings -> streams -> publisher.

Every source writes into its ring from a thread of its own; one thread, the caller's, does all the rest:
it sleeps until samples or subscribers come, gives each stream its turn, and has a status published once a
second. Nothing here computes.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Sequence

from streamdeep.audio.sources import Source
from streamdeep.encoder.model import Model
from streamdeep.errors import ConfigurationError, SourceError
from streamdeep.stream import Stream
from streamdeep.wire.publisher import Publisher

STATUS_PERIOD_NS = 1_000_000_000


class _Wake:
    """Wakes the engine from any thread without waiting: a byte through a socket pair."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    @property
    def descriptor(self) -> int:
        return self._reader.fileno()

    def set(self) -> None:
        # Full means that the engine has been woken often enough; closed, that it is gone.
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


class Engine:
    """Runs streams until they end or are stopped.

    Attributes:
        streams: the streams, in the order they were added.
    """

    def __init__(self, model: Model, publisher: Publisher, *, offline: bool = False) -> None:
        """Build an engine.

        Args:
            model: what all streams run.
            publisher: where embeddings go; used from the thread that calls ``run`` only.
            offline: sources are not live, so latencies mean nothing; embeddings are flagged.

        Raises:
            ConfigurationError: the model cannot run live.
        """
        if model.contract.frontend.needs_whole_file:
            raise ConfigurationError(
                "this model normalises over whole files and cannot run live; use `streamdeep embed`"
            )
        self._model = model
        self._publisher = publisher
        self._offline = offline
        self._wake = _Wake()
        self._stopping = threading.Event()
        self.streams: list[Stream] = []

    def add(
        self,
        name: str,
        source: Source,
        *,
        hop_frames: int | None = None,
        early_frames: Sequence[int] = (),
    ) -> Stream:
        """Add a source before ``run``; see :class:`Stream`.

        Raises:
            ConfigurationError: another stream has this name.
        """
        if any(stream.name == name for stream in self.streams):
            raise ConfigurationError(f"two streams are called {name!r}; give each its own --stream")
        stream = Stream(
            name,
            source,
            self._model,
            self._publisher,
            hop_frames=hop_frames,
            early_frames=early_frames,
            offline=self._offline,
            wake=self._wake.set,
        )
        self.streams.append(stream)
        return stream

    def stop(self) -> None:
        """End all streams soon; what was captured is still published. From any thread or signal handler."""
        self._stopping.set()
        self._wake.set()

    def wait_for_listener(self) -> bool:
        """Sleep until somebody subscribes to the first stream's embeddings; False if stopped first."""
        topic = f"embedding/{self.streams[0].name}/"
        while not self._stopping.is_set():
            self._publisher.service()
            if self._publisher.is_subscribed(topic):
                return True
            self._publisher.wait(1.0, self._wake.descriptor)
            self._wake.clear()
        return False

    def run(self) -> None:
        """Run all streams to their end.

        Raises:
            SourceError: a source failed; the others were brought to their end, and everything captured was
                published.
        """
        try:
            for stream in self.streams:
                stream.start()
            self._loop()
        finally:
            for stream in self.streams:
                stream.source.stop()
            self._wake.close()
        for stream in self.streams:
            if stream.ring.error is not None:
                raise stream.ring.error
            if stream.ledger().embeddings == 0 and not self._stopping.is_set():
                raise SourceError(self._too_short(stream))

    def _loop(self) -> None:
        next_status_ns = time.monotonic_ns() + STATUS_PERIOD_NS
        told_to_stop = False
        while running := [stream for stream in self.streams if not stream.ended]:
            if not any(stream.ring.available for stream in running):
                patience_s = max(0.0, (next_status_ns - time.monotonic_ns()) / 1e9)
                self._publisher.wait(patience_s, self._wake.descriptor)
            self._wake.clear()
            if self._stopping.is_set() and not told_to_stop:
                told_to_stop = True
                self._publisher.stop_waiting()
                for stream in running:
                    stream.stop()
            self._publisher.service()
            for stream in running:
                stream.turn()
            if time.monotonic_ns() >= next_status_ns:
                next_status_ns = time.monotonic_ns() + STATUS_PERIOD_NS
                for stream in running:
                    if not stream.ended:  # its last status said so already
                        stream.publish_status()

    def _too_short(self, stream: Stream) -> str:
        frontend = self._model.contract.frontend
        frame_ms = 1000 * frontend.longest_window_samples / frontend.sample_rate_hz
        found_ms = 1000 * stream.ledger().captured / stream.source.sample_rate_hz
        return (
            f"{stream.source.name} has {found_ms:.0f} ms of sound; "
            f"the model needs {frame_ms:.0f} ms for one frame"
        )
