"""Messages and senders for the tests of the bridges."""

import time

import numpy as np

from streamdeep.records import Embedding, Flag
from streamdeep.wire.kinds import (
    ClockPoint,
    EmbeddingMessage,
    EventMessage,
    LabelMessage,
    ModelMessage,
    StatusMessage,
)
from streamdeep.wire.publisher import Publisher

DIGEST = bytes(range(32))
SESSION = bytes(range(16))
ANY = "tcp://127.0.0.1:*"


def common(stream="room", sequence=0, session=SESSION, flags=None):
    return {
        "stream": stream,
        "session": session,
        "sequence": sequence,
        "published_utc_ns": 1_767_225_600_123_456_789,
        "published_monotonic_ns": 86_400_123_456_789,
        "flags": flags or Flag(0),
    }


def place(start_sample=0):
    return {
        "epoch": 0,
        "start_sample": start_sample,
        "n_samples": 16_000,
        "sample_rate_hz": 16_000,
        "captured_utc_ns": 1_767_225_600_119_456_789,
        "model": DIGEST[:8],
    }


def an_embedding(vector=(0.5, -1.0, 0.1), start_sample=0, latency_ns=4_000_000, **more):
    return EmbeddingMessage(
        **common(**more),
        **place(start_sample),
        latency_ns=latency_ns,
        stages_ns={"capture": 1_000_000, "encoder": 2_000_000},
        gap_samples=0,
        level_dbfs=-20.5,
        peak_dbfs=-3.25,
        vector=np.array(vector, np.float32),
    )


def a_label(label="Rain", head="scene", probabilities=None, start_sample=0, **more):
    return LabelMessage(
        **common(**more),
        **place(start_sample),
        head=head,
        label=label,
        probabilities=probabilities or {label: 0.75, "else": 0.25},
    )


def a_status(sample=16_000, live=True, counters=None, sequences=None, **more):
    return StatusMessage(
        **common(**more),
        sequences=sequences or {},
        counters=counters_of() if counters is None else counters,
        clock=ClockPoint(sample, 86_400_000_000_000, 1_767_225_600_000_000_000, 16_000),
        host="house/1",
        uptime_s=10.0,
        live=live,
    )


def counters_of(captured=16_000, dropped=None, gap_samples=0, **more):
    lost = sum((dropped or {}).values())
    return {
        "captured": captured,
        "embedded": captured - lost,
        "skipped": 0,
        "dropped": dropped or {},
        "in_flight": 0,
        "gap_samples": gap_samples,
        "nonfinite_samples": 0,
        "clipped_samples": 0,
        "embeddings": 1,
        "epochs": 1,
        "given_up": 0,
        **more,
    }


def an_event(event="start", **more):
    return EventMessage(**common(**more), event=event, epoch=0, at_sample=0)


def model_content():
    return {
        "digest": DIGEST,
        "name": "scene",
        "dim": 3,
        "sample_rate_hz": 16_000,
        "hop_samples": 640,
        "window_samples": 1280,
        "segment_frames": 25,
        "segment_hop_frames": 25,
        "source_rate_hz": 16_000,
        "source_channels": 1,
        "incremental": True,
        "frontend_json": "{}",
        "version": "0.1.0",
    }


def a_model(**more):
    return ModelMessage(**common(**more), **model_content())


class Station:
    """An engine and a classifier as far as the wire is concerned, each on a socket of its own.

    Everything is to be called from one thread, as with the publishers themselves.
    """

    def __init__(self, stream="room"):
        self.stream = stream
        self.engine = Publisher(ANY)
        self.classifier = Publisher(ANY)
        self.sample = 0
        self.dropped = {}
        self.next_status_s = 0.0

    def __enter__(self):
        self.engine.announce(self.stream, **model_content())
        return self

    def __exit__(self, *reason):
        self.engine.close()
        self.classifier.close()

    @property
    def addresses(self):
        return ["--connect", self.engine.endpoint, "--connect", self.classifier.endpoint]

    def service(self):
        """What an engine does all the time: joiners, and a status each second."""
        self.engine.service()
        self.classifier.service()
        if time.monotonic() >= self.next_status_s:
            self.next_status_s = time.monotonic() + 1.0
            self.status()

    def until(self, condition, what, seconds=20.0):
        """Go on until a condition holds, or fail."""
        deadline_s = time.monotonic() + seconds
        while not (result := condition()):
            assert time.monotonic() < deadline_s, f"{what} took more than {seconds} s"
            self.service()
            self.engine.wait(0.02)
        return result

    def listened_to(self):
        topics = [f"{kind}/{self.stream}/" for kind in ("event", "embedding")]
        return all(map(self.engine.is_subscribed, topics)) and self.classifier.is_subscribed(
            f"label/{self.stream}/scene/"
        )

    def status(self):
        self.engine.publish_status(
            self.stream,
            counters=counters_of(captured=self.sample, dropped=self.dropped),
            clock=ClockPoint(self.sample, time.monotonic_ns(), time.time_ns(), 16_000),
            uptime_s=1.0,
            live=True,
        )
        self.sample += 16_000

    def embedding(self, vector=(0.5, -1.0, 0.1)):
        record = Embedding(
            np.array(vector, np.float32), 0, self.sample, 16_000, 16_000, -20.5, -3.25
        )
        self.engine.publish_embedding(
            self.stream,
            record,
            model=DIGEST[:8],
            captured_monotonic_ns=time.monotonic_ns(),
            stages_ns={"capture": 1_000_000, "encoder": 2_000_000},
        )
        self.sample += 16_000

    def label(self, label, confidence=0.75):
        self.classifier.publish_label(
            an_embedding(start_sample=self.sample, stream=self.stream),
            head="scene",
            label=label,
            probabilities={label: confidence, "else": 1 - confidence},
        )

    def event(self, event, **more):
        self.engine.publish_event(self.stream, event, epoch=0, at_sample=self.sample, **more)
