"""Numbers as metrics, in the formats that Prometheus reads; the only module that knows prometheus_client.

Not here: how numbers come about (:mod:`streamdeep.bridges.gauges`), how they leave
(:mod:`streamdeep.bridges.scrapes`).
"""

import threading
import time
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, Final

from streamdeep.bridges.gauges import BOUNDS_S, Gauges, counter, dropped
from streamdeep.bridges.streams import Stream
from streamdeep.errors import MissingDependencyError

_SAMPLE_COUNTERS: Final = {
    "captured": "Samples that arrived from the source.",
    "embedded": "Samples in at least one published embedding.",
    "skipped": "Samples between segments by configuration, or too few for a frame.",
    "nonfinite": "Samples that were no number or absurd, and were replaced.",
    "clipped": "Samples at or beyond full scale.",
}


def _prometheus() -> ModuleType:
    try:
        import prometheus_client
        import prometheus_client.core
    except ImportError as error:
        raise MissingDependencyError(
            "the package prometheus-client is not installed; do: pip install 'streamdeep[metrics]'"
        ) from error
    return prometheus_client


class Exposition:
    """All metrics as text, each time somebody asks.

    Args:
        gauges: the numbers.
        lock: held by whoever changes them.

    Raises:
        MissingDependencyError: prometheus-client is not installed.
    """

    def __init__(self, gauges: Gauges, lock: threading.Lock) -> None:
        self._library: Any = _prometheus()
        self._core: Any = self._library.core
        self._gauges = gauges
        self._lock = lock
        self._registry: Any = self._library.CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def render(self, accept: str, names: Sequence[str] = ()) -> tuple[bytes, str]:
        """The metrics, and the type of their format; from any thread.

        Args:
            accept: the formats that the reader takes, as in HTTP.
            names: of the time series that are wanted; all if empty.
        """
        encode, content_type = self._library.exposition.choose_encoder(accept)
        chosen = self._registry.restricted_registry(names) if names else self._registry
        return encode(chosen), content_type

    def collect(self) -> Iterator[Any]:
        """All metrics as of now."""
        with self._lock:
            families = [*self._of_streams(time.monotonic_ns()), *self._of_the_bridge()]
        yield from families

    def _counter(self, name: str, text: str, *labels: str) -> Any:
        return self._core.CounterMetricFamily(f"streamdeep_{name}", text, labels=labels)

    def _gauge(self, name: str, text: str, *labels: str) -> Any:
        return self._core.GaugeMetricFamily(f"streamdeep_{name}", text, labels=labels)

    def _of_streams(self, now_ns: int) -> Iterator[Any]:
        streams = sorted(self._gauges.streams, key=lambda stream: stream.name)
        yield from self._samples(streams)
        yield from self._counts(streams)
        up = self._gauge("stream_up", "1 while the stream says something, else 0.", "stream")
        level = self._gauge("level_dbfs", "Mean square of the newest segment.", "stream")
        peak = self._gauge("peak_dbfs", "Largest magnitude in the newest segment.", "stream")
        novelty = self._gauge(
            "novelty", "How unlike the model's training the newest segment is.", "stream"
        )
        latency = self._gauge(
            "last_latency_seconds",
            "From the newest embedding's last sample to its publication.",
            "stream",
        )
        age = self._gauge(
            "last_embedding_age_seconds",
            "Since the newest embedding's last sample was captured.",
            "stream",
        )
        uptime = self._gauge(
            "session_uptime_seconds", "Since the stream's session began.", "stream"
        )
        for stream in streams:
            name = [stream.name]
            up.add_metric(name, float(stream.online))
            if stream.embedding is not None:
                level.add_metric(name, stream.embedding.level_dbfs)
                peak.add_metric(name, stream.embedding.peak_dbfs)
                if stream.embedding.novelty is not None:
                    novelty.add_metric(name, stream.embedding.novelty)
                latency.add_metric(name, stream.embedding.latency_ns / 1e9)
            if (age_s := self._gauges.age_s(stream, now_ns)) is not None:
                age.add_metric(name, age_s)
            if stream.status is not None:
                uptime.add_metric(name, stream.status.uptime_s)
        yield from (up, level, peak, novelty, latency, age, uptime)

    def _samples(self, streams: list[Stream]) -> Iterator[Any]:
        for key, text in _SAMPLE_COUNTERS.items():
            engine_key = key if key in ("captured", "embedded", "skipped") else f"{key}_samples"
            family = self._counter(f"samples_{key}", text, "stream")
            for stream in streams:
                if (count := counter(stream, engine_key)) is not None:
                    family.add_metric([stream.name], count)
            yield family
        lost = self._counter(
            "samples_dropped", "Captured samples that are in no embedding.", "stream", "reason"
        )
        flight = self._gauge("samples_in_flight", "Samples whose fate is open.", "stream")
        for stream in streams:
            for reason, count in dropped(stream).items():
                lost.add_metric([stream.name, reason], count)
            if (count := counter(stream, "in_flight")) is not None:
                flight.add_metric([stream.name], count)
        yield from (lost, flight)

    def _counts(self, streams: list[Stream]) -> Iterator[Any]:
        for key, text in {
            "gap_samples": "Samples lost before they were captured, some of them estimated.",
            "embeddings": "Embeddings published.",
            "epochs": "Stretches without interruption.",
        }.items():
            family = self._counter(key, text, "stream")
            for stream in streams:
                if (count := counter(stream, key)) is not None:
                    family.add_metric([stream.name], count)
            yield family
        received = self._counter(
            "wire_messages_received", "Messages that arrived at this bridge.", "stream"
        )
        lost = self._counter(
            "wire_messages_lost", "Messages that were sent and did not arrive here.", "stream"
        )
        for stream in streams:
            counts = self._gauges.wire(stream.name)
            received.add_metric([stream.name], counts.received)
            lost.add_metric([stream.name], counts.lost)
        yield from (received, lost)

    def _of_the_bridge(self) -> Iterator[Any]:
        gauges = self._gauges
        latencies = self._core.HistogramMetricFamily(
            "streamdeep_latency_seconds",
            "Where the time of live embeddings went, over all streams; total: capture to publication.",
            labels=["stage"],
        )
        bounds = [*map(str, BOUNDS_S), "+Inf"]
        for stage, histogram in gauges.latencies.items():
            buckets = list(zip(bounds, histogram.cumulative(), strict=True))
            latencies.add_metric([stage], buckets, histogram.sum_s)
        bad = self._counter(
            "wire_messages_bad", "Messages that were none of the protocol.", "reason"
        )
        for reason, count in gauges.bad.items():
            bad.add_metric([reason], count)
        renewals = self._counter("wire_renewals", "Connections to engines that were made anew.")
        renewals.add_metric([], gauges.renewals)
        known = self._gauge("bridge_streams", "Streams that are reported.")
        known.add_metric([], len(gauges.streams))
        ignored = self._counter("bridge_messages_ignored", "Messages of streams beyond the limit.")
        ignored.add_metric([], gauges.streams.ignored)
        yield from (latencies, bad, renewals, known, ignored)
